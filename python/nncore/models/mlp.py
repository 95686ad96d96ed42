"""The multi-layer perceptron."""

from collections.abc import Sequence

from nncore import nn


class MLP(nn.Sequential):
    """Linear layers with ReLU between them, over the flattened input.

    Shapes: input [N, ...] with `in_features` values per sample, output [N, num_classes].

    >>> import nncore as nc
    >>> MLP(784, [256, 128], 10)(nc.zeros(2, 1, 28, 28)).shape
    nncore.Size([2, 10])
    """

    def __init__(self, in_features: int, hidden: Sequence[int] = (256, 128), num_classes: int = 10):
        layers: list[nn.Module] = [nn.Flatten()]
        for width in hidden:
            layers += [nn.Linear(in_features, width), nn.ReLU()]
            in_features = width
        super().__init__(*layers, nn.Linear(in_features, num_classes))
