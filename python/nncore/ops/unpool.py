"""Power-average pooling, and maxima put back where they came from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autograd import record
from nncore.ops.activation import relu
from nncore.ops.creation import zeros
from nncore.ops.index import _scattered
from nncore.ops.pointwise import sign
from nncore.ops.pool import _extents, _stride, avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor

    Extents = int | Sequence[int]

_INTEGERS = (_core.dtype.int32, _core.dtype.int64)


# ---- max_unpool ----


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """A partial inverse of `max_pool1d`: zeros [N, C, L] or [C, L], with each maximum at the place that the pooling's
    `indices` (return_indices=True) name.

    Without output_size, L = (length of the input - 1) * stride + kernel_size - 2 * padding. Where a place is named
    twice, the later maximum stays.

    >>> y, indices = F.max_pool1d(nc.tensor([[1.0, 3.0, 2.0, 0.0]]), 2, return_indices=True)
    >>> F.max_unpool1d(y, indices, 2)
    tensor([[0., 3., 2., 0.]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """As `max_unpool1d` for [N, C, H, W] or [C, H, W]; indices count in the plane, h * W + w.

    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014.

    >>> y, indices = F.max_pool2d(nc.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2, return_indices=True)
    >>> F.max_unpool2d(y, indices, 2)
    tensor([[[0., 3.],
             [0., 0.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """As `max_unpool1d` for [N, C, D, H, W] or [C, D, H, W]."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(spatial: int, input, indices, kernel_size, stride, padding, output_size) -> Tensor:
    name = f"max_unpool{spatial}d"
    if input.ndim not in (spatial + 1, spatial + 2) or 0 in input.shape[input.ndim - spatial - 1 :]:
        raise RuntimeError(
            f"{name}: Expected {spatial + 1}D or {spatial + 2}D (batch mode) input with non-zero channels and extents, "
            f"got {list(input.shape)}"
        )
    if indices.dtype not in _INTEGERS:
        raise RuntimeError(f"{name}: elements in indices should be type int64 but got: {indices.dtype}")
    if tuple(indices.shape) != tuple(input.shape):
        raise RuntimeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got "
            f"indices tensor with shape: {list(indices.shape)}"
        )
    kernel = _extents(name, "kernel_size", kernel_size, spatial)
    step = _stride(name, stride, kernel, spatial)
    if any(s <= 0 for s in step):
        raise RuntimeError(f"{name}: strides should be greater than zero, but got stride: {list(step)}")
    size = _unpooled_size(input, kernel, step, _extents(name, "padding", padding, spatial), output_size)
    lead = tuple(input.shape[: input.ndim - spatial])
    places = math.prod(size)
    flat = zeros(*lead, places, dtype=input.dtype, device=input.device)
    count = math.prod(input.shape[input.ndim - spatial :])
    index, source = indices.to(_core.dtype.int64).reshape(*lead, count), input.reshape(*lead, count)
    what = f"{name}: found an invalid max index for output size {list(size)}"  # said also where a GPU finds out
    y = record(name, _scattered(what, flat, -1, index, source, False), (source,), _unpool_rule, (index,))
    return y.reshape(*lead, *size)


_unpool_rule = (lambda gy, index: gy.gather(-1, index),)


def _unpooled_size(input: Tensor, kernel: tuple, stride: tuple, padding: tuple, wanted: Sequence[int] | None) -> list:
    spatial = len(kernel)
    axes = zip(input.shape[input.ndim - spatial :], kernel, stride, padding, strict=True)
    size = [(n - 1) * s + k - 2 * p for n, k, s, p in axes]
    if wanted is not None:
        wanted = list(wanted)[2:] if len(wanted) == spatial + 2 else list(wanted)
        if len(wanted) != spatial:
            raise ValueError(
                f"output_size should be a sequence containing {spatial} or {spatial + 2} elements, but it has a length "
                f"of '{len(wanted)}'"
            )
        for d, (default, step) in enumerate(zip(size, stride, strict=True)):
            if not default - step < wanted[d] < default + step:
                raise ValueError(
                    f'invalid output_size "{wanted}" (dim {d} must be between {default - step} and {default + step})'
                )
        size = wanted
    if any(n < 0 for n in size):
        raise ValueError(f"max_unpooling: output_size must contain non-negative spatial dimensions, but got {size}")
    return size


# ---- lp_pool ----


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: Extents | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of [N, C, L] or [C, L], without absolute values: (sum of x^p)^(1 / p), p = norm_type.

    p = 1 is a sum, an infinite p the maximum of |x|. The root of a negative sum is NaN, and so is its gradient at a sum
    of 0.

    >>> F.lp_pool1d(nc.tensor([[3.0, 4.0, 0.0, 5.0]]), 2, 2)
    tensor([[5., 5.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Extents, stride: Extents | None = None, ceil_mode: bool = False
) -> Tensor:
    """As `lp_pool1d` for [N, C, H, W] or [C, H, W].

    >>> F.lp_pool2d(nc.ones(1, 2, 2), 2, 2)
    tensor([[[2.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Extents, stride: Extents | None = None, ceil_mode: bool = False
) -> Tensor:
    """As `lp_pool1d` for [N, C, D, H, W] or [C, D, H, W]."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(spatial: int, input, norm_type, kernel_size, stride, ceil_mode) -> Tensor:
    name = f"lp_pool{spatial}d"
    kernel = _extents(name, "kernel_size", kernel_size, spatial)
    step = _stride(name, stride, kernel, spatial)
    if math.isinf(norm_type):
        maximum = (max_pool1d, max_pool2d, max_pool3d)[spatial - 1]
        size = abs(input)
        return (
            maximum(size, kernel, step, 0, 1, ceil_mode)
            if norm_type > 0
            else -maximum(-size, kernel, step, 0, 1, ceil_mode)
        )
    mean = (avg_pool1d, avg_pool2d, avg_pool3d)[spatial - 1](input.pow(norm_type), kernel, step, 0, ceil_mode)
    # A mean below 0 keeps its sign, so that the root of it is NaN or, for odd powers, what pow says.
    return ((sign(mean) * relu(abs(mean))) * math.prod(kernel)).pow(1.0 / norm_type)
