"""Convolutions, each with its gradient rule right under it.

Forward, backward_input and backward_weight are linear in each of their two arguments, and the gradients of any of them
are the other two: that is why the rules close over each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core
from nncore.autocast_mode import casts_products
from nncore.autograd import record
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    Extents = int | Sequence[int]


@casts_products("cpu", "cuda")
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Extents = 1,
    padding: Extents | str = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over one spatial dimension: `conv2d` without the height.

    Shapes: input [N, C, L] or [C, L], weight [K, C / groups, S], bias [K], result [N, K, Q] or [K, Q].

    >>> nc.conv1d(nc.tensor([[1.0, 2.0, 4.0]]), nc.tensor([[[-1.0, 1.0]]]))
    tensor([[1., 2.]])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


@casts_products("cpu", "cuda")
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Extents = 1,
    padding: Extents | str = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution (cross-correlation) over two spatial dimensions:

    y[n, k, p, q] = bias[k] + sum over c, r, s of weight[k, c, r, s]
                    * input[n, c, p * stride - padding + r * dilation, q * stride - padding + s * dilation]

    where the input is 0 outside. With groups, the channels fall into that many convolutions side by side.
    padding is a number of zeros at both ends, 'valid' for none, or 'same' for a result of the input's extents
    (stride 1 only; an odd total leaves the larger part at the end).

    Shapes: input [N, C, H, W] or [C, H, W], weight [K, C / groups, R, S], bias [K], result [N, K, P, Q] or [K, P, Q]
    with P = floor((H + 2 * padding - dilation * (R - 1) - 1) / stride) + 1. dtypes: float32, float64, all the same.
    Raises RuntimeError where shapes, dtypes or options do not fit.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    >>> nc.conv2d(nc.ones(1, 3, 3), nc.ones(1, 1, 2, 2), padding=1)
    tensor([[[1., 2., 2., 1.],
             [2., 4., 4., 2.],
             [2., 4., 4., 2.],
             [1., 2., 2., 1.]]])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


@casts_products("cpu", "cuda")
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Extents = 1,
    padding: Extents | str = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over three spatial dimensions: `conv2d` with a depth before the height.

    Shapes: input [N, C, D, H, W] or [C, D, H, W], weight [K, C / groups, T, R, S], bias [K], result [N, K, O, P, Q].

    >>> nc.conv3d(nc.ones(1, 2, 2, 2), nc.ones(1, 1, 2, 2, 2))
    tensor([[[[8.]]]])
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


def _convolve(spatial: int, input, weight, bias, stride, padding, dilation, groups) -> Tensor:
    if weight.ndim != spatial + 2:
        raise RuntimeError(
            f"conv{spatial}d: expected a weight of {spatial + 2} dimensions, got weight of size {list(weight.shape)}"
        )
    options = _options(spatial, weight, stride, padding, dilation, groups)
    b = None if bias is None else bias._array
    y = Tensor(_core.conv(input._array, weight._array, b, options))
    return record(f"conv{spatial}d", y, (input, weight, bias), _conv_rule, (input, weight, options))


_conv_rule = (
    lambda gy, x, w, options: conv_backward_input(gy, w, x.shape, options),
    lambda gy, x, w, options: conv_backward_weight(gy, x, w.shape, options),
    lambda gy, x, w, options: gy.sum([d for d in range(gy.ndim) if d != gy.ndim - w.ndim + 1]),
)


def conv_backward_input(gy: Tensor, weight: Tensor, input_size: Sequence[int], options: tuple) -> Tensor:
    """The gradient of sum(gy * conv(x, weight)) with respect to x, of shape input_size.

    options: (stride, pad_begin, pad_end, dilation, groups), each but the last a tuple with one value per dimension.
    """
    gx = Tensor(_core.conv_backward_input(gy._array, weight._array, None, input_size, options))
    return record("conv_backward_input", gx, (gy, weight), _backward_input_rule, (gy, weight, options))


_backward_input_rule = (
    lambda ggx, gy, w, options: _conv(ggx, w, options),
    lambda ggx, gy, w, options: conv_backward_weight(gy, ggx, w.shape, options),
)


def conv_backward_weight(gy: Tensor, input: Tensor, weight_size: Sequence[int], options: tuple) -> Tensor:
    """The gradient of sum(gy * conv(input, w)) with respect to w, of shape weight_size. options: as above."""
    gw = Tensor(_core.conv_backward_weight(gy._array, input._array, weight_size, options))
    return record("conv_backward_weight", gw, (gy, input), _backward_weight_rule, (gy, input, options))


_backward_weight_rule = (
    lambda ggw, gy, x, options: _conv(x, ggw, options),
    lambda ggw, gy, x, options: conv_backward_input(gy, ggw, x.shape, options),
)


def _conv(x: Tensor, w: Tensor, options: tuple) -> Tensor:
    return record(
        "conv", Tensor(_core.conv(x._array, w._array, None, options)), (x, w, None), _conv_rule, (x, w, options)
    )


def _options(spatial: int, weight: Tensor, stride, padding, dilation, groups: int) -> tuple:
    """(stride, pad_begin, pad_end, dilation, groups) from what a caller may write."""
    stride, dilation = _extents(spatial, "stride", stride), _extents(spatial, "dilation", dilation)
    if not isinstance(padding, str):
        begin = end = _extents(spatial, "padding", padding)
    elif padding == "valid":
        begin = end = (0,) * spatial
    elif padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError(f"conv{spatial}d: padding='same' is not supported for strided convolutions")
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        begin = tuple(t // 2 for t in total)
        end = tuple(t - t // 2 for t in total)
    else:
        raise RuntimeError(f"conv{spatial}d: expected padding 'valid' or 'same', got {padding!r}")
    return stride, begin, end, dilation, groups


def _extents(spatial: int, what: str, value: Extents, name: str = "") -> tuple:
    """One value for each spatial dimension."""
    if isinstance(value, int):
        return (value,) * spatial
    value = tuple(value)
    if len(value) == 1:
        return value * spatial
    if len(value) != spatial:
        raise RuntimeError(f"{name or f'conv{spatial}d'}: expected one {what} or {spatial}, got {list(value)}")
    return value
