"""The layers of a model with their output shapes, parameters and multiply-adds: `nncore.summary`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nncore import nn
from nncore.autograd import no_grad
from nncore.ops.creation import zeros
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Row:
    """One call of one layer."""

    name: str  # its path in the model, "layer1.0.conv1"
    kind: str  # its class
    output: str  # the shapes of what it returned
    parameters: int  # of its own, counted at its first call
    mult_adds: int  # for the whole batch


@dataclass(frozen=True)
class Summary:
    """What `nncore.summary` found; as a string the table, one row for each call of a layer."""

    model: str
    input: str
    rows: list[Row] = field(repr=False)
    parameters: int
    trainable: int
    buffers: int
    mult_adds: int

    def __str__(self) -> str:
        head = ("layer", "kind", "output", "parameters", "mult-adds")
        cells = [(r.name, r.kind, r.output, f"{r.parameters:,}", f"{r.mult_adds:,}") for r in self.rows]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        line = "-" * (sum(widths) + 2 * (len(widths) - 1))
        lines = [f"{self.model}, input {self.input}", line, _aligned(head, widths), line]
        lines += [_aligned(row, widths) for row in cells]
        lines += [
            line,
            f"parameters: {self.parameters:,}, of which trainable: {self.trainable:,}; buffers: {self.buffers:,}",
            f"multiply-adds: {self.mult_adds:,} (FLOPs, counted singly: {2 * self.mult_adds:,})",
        ]
        return "\n".join(lines)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Text to the left, numbers to the right."""
    texts = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(texts).rstrip()


def summary(
    model: nn.Module, input_shape: Sequence[int], batch_size: int = 1, dtype=None, verbose: bool = True
) -> Summary:
    """Runs the model in evaluation mode on zeros [batch_size, *input_shape] and prints the table of its layers, of all
    modules that hold no others or have parameters of their own: path, class, output shapes, parameters and
    multiply-adds. Returns the numbers.

    Multiply-adds are those of convolutions, linear, recurrent and attention layers, a bias not counted, as papers and
    torchvision count them ("FLOPs" there mean multiply-adds; counted singly there are twice as many). What functions
    compute outside of layers, such as additions of residuals, is not counted. Several inputs: a sequence of shapes.
    dtype: that of the input, the default dtype if None; int64 for networks that begin with an embedding.

    >>> net = nc.nn.Sequential(nc.nn.Conv2d(1, 4, 3), nc.nn.ReLU(), nc.nn.Flatten(), nc.nn.Linear(4 * 26 * 26, 10))
    >>> numbers = nc.summary(net, (1, 28, 28))
    Sequential, input [1, 1, 28, 28]
    -----------------------------------------------------
    layer  kind     output          parameters  mult-adds
    -----------------------------------------------------
    0      Conv2d   [1, 4, 26, 26]          40     24,336
    1      ReLU     [1, 4, 26, 26]           0          0
    2      Flatten  [1, 2704]                0          0
    3      Linear   [1, 10]             27,050     27,040
    -----------------------------------------------------
    parameters: 27,090, of which trainable: 27,090; buffers: 0
    multiply-adds: 51,376 (FLOPs, counted singly: 102,752)
    >>> numbers.parameters
    27090
    """
    shapes = [input_shape] if all(isinstance(n, int) for n in input_shape) else list(input_shape)
    place = next(model.parameters(), zeros(0)).device
    inputs = [zeros(batch_size, *shape, dtype=dtype, device=place) for shape in shapes]
    rows: list[Row] = []
    counted: set[int] = set()
    handles, modes = [], [(m, m.training) for m in model.modules()]
    try:
        for name, module in model.named_modules():
            if not list(module.children()) or list(module.parameters(recurse=False)):
                handles.append(module.register_forward_hook(_row_maker(name, rows, counted), with_kwargs=True))
        model.eval()
        with no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    parameters = list(model.parameters())
    result = Summary(
        type(model).__name__,
        ", ".join(str(list(x.shape)) for x in inputs),
        rows,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(b.numel() for b in model.buffers()),
        sum(row.mult_adds for row in rows),
    )
    if verbose:
        print(result)
    return result


def _row_maker(name: str, rows: list[Row], counted: set[int]):
    def hook(module, args, kwargs, output):
        own = 0
        for p in module.parameters():
            if id(p) not in counted:
                counted.add(id(p))
                own += p.numel()
        tensors = [y for y in (output if isinstance(output, (tuple, list)) else [output]) if isinstance(y, Tensor)]
        shapes = ", ".join(str(list(y.shape)) for y in tensors)
        rows.append(Row(name, type(module).__name__, shapes, own, _mult_adds(module, args, kwargs, tensors)))

    return hook


def _mult_adds(module: nn.Module, args: tuple, kwargs: dict, outputs: list[Tensor]) -> int:
    """Every weight of a convolution is used once for each output position, or with transposition each input position;
    every weight of a linear layer once for each row, of a recurrent layer once for each step of each sequence."""
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return module.weight.numel() * (args[0].numel() // module.in_channels)
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return module.weight.numel() * (outputs[0].numel() // module.out_channels)
    if isinstance(module, (nn.Linear, nn.Bilinear)):
        return module.weight.numel() * math.prod(outputs[0].shape[:-1])
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        steps = getattr(args[0], "data", args[0])  # of a PackedSequence too
        return sum(p.numel() for p in module.parameters() if p.ndim == 2) * (steps.numel() // module.input_size)
    if isinstance(module, nn.MultiheadAttention):
        given = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
        return _attention(module, given["query"], given["key"], given["value"])
    return 0


def _attention(module: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor) -> int:
    """The four linear maps, and of each head Q K^T and the product with V; bias_k and zeros are not counted."""
    width, queries = module.embed_dim, query.numel() // module.embed_dim
    keys = key.numel() // module.kdim
    length = key.shape[-2] if module.batch_first or key.ndim == 2 else key.shape[0]
    maps = width * (2 * queries * width + keys * module.kdim + value.numel())
    return maps + 2 * queries * length * width
