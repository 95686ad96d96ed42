"""The multi-layer perceptron: linear maps with a nonlinearity between them.

With one hidden layer wide enough it approximates any continuous function on a bounded set (Cybenko 1989, Hornik 1991);
with more layers it needs fewer units for many functions.
"""

from collections.abc import Callable, Sequence

from nncore import nn


class MLP(nn.Sequential):
    """Linear layers with an activation between them, over the flattened input.

    After each hidden layer come `norm` (a layer made from its width, such as nn.BatchNorm1d), `activation` and, where
    `dropout` is not 0, dropout.

    Shapes: input [N, ...] with `in_features` values per sample, output [N, num_classes].

    >>> import nncore as nc
    >>> MLP(784, [256, 128], 10)(nc.zeros(2, 1, 28, 28)).shape
    nncore.Size([2, 10])
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int] = (256, 128),
        num_classes: int = 10,
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropout: float = 0.0,
        norm: Callable[[int], nn.Module] | None = None,
    ):
        layers: list[nn.Module] = [nn.Flatten()]
        for width in hidden:
            layers.append(nn.Linear(in_features, width))
            layers += [norm(width)] if norm else []
            layers.append(activation())
            layers += [nn.Dropout(dropout)] if dropout else []
            in_features = width
        super().__init__(*layers, nn.Linear(in_features, num_classes))
