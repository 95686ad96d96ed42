"""Windows as columns, and back: unfold and its adjoint, fold, which are each other's gradient rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core
from nncore.autograd import record
from nncore.ops.pool import _extents
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    Extents = int | Sequence[int]


def unfold(
    input: Tensor, kernel_size: Extents, dilation: Extents = 1, padding: Extents = 0, stride: Extents = 1
) -> Tensor:
    """The windows that a convolution with these options sees, each as a column ("im2col"):

    y[n, c * R * S + r * S + s, p * Q + q] = input[n, c, p * stride - padding + r * dilation, ...], 0 in the padding.

    A convolution is then a product of matrices: weight [K, C * R * S] times y.

    Shapes: input [N, C, H, W] or [C, H, W], kernel [R, S], result [N, C * R * S, P * Q] or [C * R * S, P * Q] with P
    and Q as in `conv2d`. dtypes: float32, float64. Raises RuntimeError where shapes or options do not fit.

    >>> F.unfold(nc.arange(9.0).reshape(1, 3, 3), 2)
    tensor([[0., 1., 3., 4.],
            [1., 2., 4., 5.],
            [3., 4., 6., 7.],
            [4., 5., 7., 8.]])
    """
    return _unfold(input, _windows("unfold", kernel_size, dilation, padding, stride))


def fold(
    input: Tensor,
    output_size: Extents,
    kernel_size: Extents,
    dilation: Extents = 1,
    padding: Extents = 0,
    stride: Extents = 1,
) -> Tensor:
    """The sum of columns, laid into images as the windows they are: the adjoint of `unfold` with these options.

    fold(unfold(x)) is x times the number of windows that cover each element.

    Shapes: input [N, C * R * S, P * Q] or [C * R * S, P * Q], result [N, C, H, W] or [C, H, W] with H and W from
    output_size. dtypes: float32, float64. Raises RuntimeError where the columns are not as many as there are windows.

    >>> F.fold(F.unfold(nc.ones(1, 3, 3), 2), 3, 2)
    tensor([[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]])
    """
    size = _extents("fold", "output_size", output_size, 2)
    return _fold(input, size, _windows("fold", kernel_size, dilation, padding, stride))


def _windows(operation: str, kernel: Extents, dilation: Extents, padding: Extents, stride: Extents) -> tuple:
    names = ("kernel_size", "dilation", "padding", "stride")
    given = (kernel, dilation, padding, stride)
    return tuple([_extents(operation, name, value, 2) for name, value in zip(names, given, strict=True)])


def _unfold(x: Tensor, windows: tuple) -> Tensor:
    y = Tensor(_core.unfold(x._array, *windows))
    return record("unfold", y, (x,), _unfold_rule, (x._array.shape[-2:], windows))


def _fold(columns: Tensor, size: tuple, windows: tuple) -> Tensor:
    return record("fold", Tensor(_core.fold(columns._array, size, *windows)), (columns,), _fold_rule, (windows,))


_unfold_rule = (_fold,)
_fold_rule = (_unfold,)
