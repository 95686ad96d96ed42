"""Pooling, each operation with its gradient rule right under it.

Shapes: N images, C channels, then one to three spatial extents; the batch dimension may be missing. The output extent
for input L, kernel K, padding P, dilation D and stride S is floor((L + 2 P - D (K - 1) - 1) / S) + 1, or its ceiling
with ceil_mode, where the last window must begin in the input or the padding before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.autograd import is_grad_enabled, record
from nncore.ops.require import require
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    Extents = int | Sequence[int]
    OutputSize = int | None | Sequence[int | None]

_COUNT = {1: "one int", 2: "two ints", 3: "three ints"}


def _extents(operation: str, name: str, value: Extents, spatial: int) -> tuple:
    """One number for each spatial dimension, from one number or a sequence of them."""
    if isinstance(value, (tuple, list)):
        if len(value) == spatial:
            return tuple(value)
        if len(value) == 1:
            return tuple(value) * spatial
        raise RuntimeError(
            f"{operation}: {name} must either be a single int, or a tuple of {_COUNT[spatial]}, got {value}"
        )
    return (value,) * spatial


def _stride(operation: str, stride: Extents | None, kernel: tuple, spatial: int) -> tuple:
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return kernel
    return _extents(operation, "stride", stride, spatial)


def _output_size(operation: str, output_size: OutputSize, input: Tensor, spatial: int) -> tuple:
    """The output extents, with the input's where None is given."""
    if not isinstance(output_size, (tuple, list)):
        output_size = (output_size,) * spatial
    elif spatial > 1 and input.ndim <= spatial:
        raise ValueError(f"{operation}: Input dimension should be at least {spatial + 1}, got {list(input.shape)}")
    if len(output_size) != spatial:
        raise RuntimeError(f"{operation}: output_size must be {spatial}, got {output_size}")
    if spatial == 1 and output_size[0] is None:
        raise TypeError(f"{operation}: expected an int as output_size, got None")
    own = input.shape[input.ndim - spatial :]
    return tuple([have if want is None else want for want, have in zip(output_size, own, strict=False)])


# ---- maxima ----


def _max_result(name: str, input: Tensor, y, index, windows: tuple, return_indices: bool):
    """`windows`: the number of spatial dimensions, and the arguments of max_pool, or None of adaptive_max_pool."""
    y = Tensor(y)
    if index is None:
        return y
    index = Tensor(index)
    record(name, y, (input,), _max_pool_rule, (index, input._array.shape, *windows))
    return (y, Tensor(_core.cast(index._array, _core.dtype.int64))) if return_indices else y


def _max_pool(spatial, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    name = f"max_pool{spatial}d"
    if spatial > 1 and input.dtype in _INTEGERS:  # as in PyTorch, which refuses them in 1-D
        window = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return _max_pool_of_integers(spatial, name, input, window)
    kernel = _extents(name, "kernel_size", kernel_size, spatial)
    windows = (
        kernel,
        _stride(name, stride, kernel, spatial),
        _extents(name, "padding", padding, spatial),
        _extents(name, "dilation", dilation, spatial),
        ceil_mode,
    )
    wanted = return_indices or (input._requires_grad and is_grad_enabled())
    y, index = _core.max_pool(input._array, *windows, wanted)
    return _max_result(name, input, y, index, (spatial, windows), return_indices)


_INTEGERS = (_core.dtype.uint8, _core.dtype.int32, _core.dtype.int64)


def _max_pool_of_integers(spatial, name, input, window):
    """By way of float64, which holds integers up to 2^53 exactly."""
    if input.dtype == _core.dtype.int64:
        require(input.abs() <= 2**53, RuntimeError, f"{name}: expected integers of at most 2^53")
    result = _max_pool(spatial, input.double(), *window)
    return (result[0].to(input.dtype), result[1]) if window[-1] else result.to(input.dtype)


def max_pool_backward(gy: Tensor, index: Tensor, shape: tuple, *windows) -> Tensor:
    """Zeros of the shape, with gy added at the places of the maxima."""
    gx = Tensor(_core.max_pool_backward(gy._array, index._array, shape, *windows))
    return record("max_pool_backward", gx, (gy,), _max_pool_backward_rule, (index, *windows))


def max_pool_gather(input: Tensor, index: Tensor, *windows) -> Tensor:
    """The elements of input at the places of the maxima of another tensor."""
    y = Tensor(_core.max_pool_gather(input._array, index._array, *windows))
    return record("max_pool_gather", y, (input,), _max_pool_rule, (index, input._array.shape, *windows))


# Where the maxima lie does not change with a small step, so pooling is a gather, whose transpose is a scatter.
_max_pool_rule = (max_pool_backward,)
_max_pool_backward_rule = (max_pool_gather,)


def max_pool1d(
    input: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    dilation: Extents = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """The largest element of each window of input [N, C, L] or [C, L].

    stride is kernel_size where it is not given. Padding, at most half the kernel, never wins; a NaN always does. With
    return_indices the int64 positions of the maxima come as a second result.

    >>> nc.nn.functional.max_pool1d(nc.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    dilation: Extents = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """The largest element of each window of input [N, C, H, W] or [C, H, W].

    The arguments are one number, or two for height and width. stride is kernel_size where it is not given. Padding, at
    most half the kernel, never wins; a NaN always does. With return_indices the second result holds where each maximum
    lies in its plane, h * W + w, as int64.

    >>> nc.nn.functional.max_pool2d(nc.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2, return_indices=True)
    (tensor([[[3.]]]), tensor([[[1]]]))
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    dilation: Extents = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """The largest element of each window of input [N, C, D, H, W] or [C, D, H, W]. As `max_pool2d` with three numbers.

    >>> nc.nn.functional.max_pool3d(nc.ones(1, 4, 4, 4), 2).shape
    nncore.Size([1, 2, 2, 2])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _adaptive_max_pool(spatial: int, input: Tensor, output_size: OutputSize, return_indices: bool):
    name = f"adaptive_max_pool{spatial}d"
    size = _output_size(name, output_size, input, spatial)
    wanted = return_indices or (input._requires_grad and is_grad_enabled())
    y, index = _core.adaptive_max_pool(input._array, size, wanted)
    return _max_result(name, input, y, index, (spatial, None), return_indices)


def adaptive_max_pool1d(input: Tensor, output_size: OutputSize, return_indices: bool = False):
    """The largest element of each of output_size windows that together cover input [N, C, L] or [C, L].

    Window o reaches from floor(o L / output_size) to ceil((o + 1) L / output_size).

    >>> nc.nn.functional.adaptive_max_pool1d(nc.tensor([[1.0, 3.0, 2.0, 0.0]]), 1)
    tensor([[3.]])
    """
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: OutputSize, return_indices: bool = False):
    """As `adaptive_max_pool1d` for [N, C, H, W] or [C, H, W]; None keeps the extent of the input.

    >>> nc.nn.functional.adaptive_max_pool2d(nc.ones(1, 5, 7), (None, 2)).shape
    nncore.Size([1, 5, 2])
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: OutputSize, return_indices: bool = False):
    """As `adaptive_max_pool1d` for [N, C, D, H, W] or [C, D, H, W]; None keeps the extent of the input."""
    return _adaptive_max_pool(3, input, output_size, return_indices)


# ---- means ----


def _avg_pool(spatial, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    name = f"avg_pool{spatial}d"
    kernel = _extents(name, "kernel_size", kernel_size, spatial)
    if divisor_override == 0:
        raise RuntimeError(f"{name}: divisor must be not zero")
    windows = (
        kernel,
        _stride(name, stride, kernel, spatial),
        _extents(name, "padding", padding, spatial),
        ceil_mode,
        count_include_pad,
        divisor_override or 0,
    )
    return _averages(input, windows)


def _averages(input: Tensor, windows: tuple) -> Tensor:
    y = Tensor(_core.avg_pool(input._array, *windows))
    return record("avg_pool", y, (input,), _avg_pool_rule, (input._array.shape, windows))


def avg_pool_backward(gy: Tensor, shape: tuple, windows: tuple) -> Tensor:
    """Each element of gy, divided, spread over its window."""
    gx = Tensor(_core.avg_pool_backward(gy._array, shape, *windows))
    return record("avg_pool_backward", gx, (gy,), _avg_pool_backward_rule, (windows,))


_avg_pool_rule = (avg_pool_backward,)
_avg_pool_backward_rule = (_averages,)


def avg_pool1d(
    input: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of input [N, C, L] or [C, L].

    stride is kernel_size where it is not given. Padding counts as zeros, or, without count_include_pad, not at all.

    >>> nc.nn.functional.avg_pool1d(nc.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of input [N, C, H, W] or [C, H, W].

    stride is kernel_size where it is not given. Padding counts as zeros, or, without count_include_pad, not at all. A
    divisor_override divides the sum of every window, whatever the window holds.

    >>> nc.nn.functional.avg_pool2d(nc.ones(1, 2, 2), 3, stride=1, padding=1, count_include_pad=False)
    tensor([[[1., 1.],
             [1., 1.]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@casts_wide("cpu")
def avg_pool3d(
    input: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of input [N, C, D, H, W] or [C, D, H, W]. As `avg_pool2d` with three numbers."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _adaptive_avg_pool(spatial: int, input: Tensor, output_size: OutputSize) -> Tensor:
    return _adaptive_averages(input, _output_size(f"adaptive_avg_pool{spatial}d", output_size, input, spatial))


def _adaptive_averages(input: Tensor, size: tuple) -> Tensor:
    y = Tensor(_core.adaptive_avg_pool(input._array, size))
    return record("adaptive_avg_pool", y, (input,), _adaptive_avg_pool_rule, (input._array.shape, size))


def adaptive_avg_pool_backward(gy: Tensor, shape: tuple, size: tuple) -> Tensor:
    """Each element of gy, divided by the size of its window, spread over it."""
    gx = Tensor(_core.adaptive_avg_pool_backward(gy._array, shape, len(size)))
    return record("adaptive_avg_pool_backward", gx, (gy,), _adaptive_avg_pool_backward_rule, (size,))


_adaptive_avg_pool_rule = (adaptive_avg_pool_backward,)
_adaptive_avg_pool_backward_rule = (_adaptive_averages,)


def adaptive_avg_pool1d(input: Tensor, output_size: OutputSize) -> Tensor:
    """The mean of each of output_size windows that together cover input [N, C, L] or [C, L].

    Window o reaches from floor(o L / output_size) to ceil((o + 1) L / output_size).

    >>> nc.nn.functional.adaptive_avg_pool1d(nc.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: OutputSize) -> Tensor:
    """As `adaptive_avg_pool1d` for [N, C, H, W] or [C, H, W]; None keeps the extent of the input.

    >>> nc.nn.functional.adaptive_avg_pool2d(nc.ones(1, 5, 7), (None, 2)).shape
    nncore.Size([1, 5, 2])
    """
    return _adaptive_avg_pool(2, input, output_size)


@casts_wide("cpu")
def adaptive_avg_pool3d(input: Tensor, output_size: OutputSize) -> Tensor:
    """As `adaptive_avg_pool1d` for [N, C, D, H, W] or [C, D, H, W]; None keeps the extent of the input."""
    return _adaptive_avg_pool(3, input, output_size)
