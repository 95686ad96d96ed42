"""Tensors joined, cut up and repeated."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autograd import record
from nncore.ops.shape import _dim, expand, reshape, slice_of
from nncore.size import shape_arguments
from nncore.tensor import Tensor, tensor_method

if TYPE_CHECKING:
    from collections.abc import Sequence


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after the other along a dimension in which their extents may differ.

    >>> nc.cat([nc.tensor([1, 2]), nc.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors = tuple(tensors)
    y = Tensor(_core.cat([x._array for x in tensors], dim))
    for x in tensors:
        if x._requires_grad:
            return record("cat", y, tensors, _cat_rule, (dim, [(x._array.shape, x._array.dtype) for x in tensors]))
    return y


def _cat_rule(gy: Tensor, dim: int, inputs: list) -> tuple:
    gradients, at = [], 0
    for shape, dtype in inputs:
        if shape == (0,):
            gradients.append(gy.new_zeros(0, dtype=dtype))
            continue
        end = at + shape[dim]
        gradients.append(slice_of(gy, dim, at, end, 1).to(dtype))
        at = end
    return tuple(gradients)


concat = concatenate = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape side by side in a new dimension.

    >>> nc.stack([nc.tensor([1, 2]), nc.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    tensors = tuple(tensors)
    if not tensors:
        raise RuntimeError("stack: expected a non-empty list of tensors")
    arrays = [x._array for x in tensors]
    shape = arrays[0].shape
    for i, x in enumerate(arrays):
        if x.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(x.shape)} at entry {i}"
            )
    dim = _dim("stack", dim, len(shape) + 1)
    if dim < len(shape) and 0 not in shape:  # one dimension cut in two instead of a new one for each
        joined = _core.cat(arrays, dim)
        y = Tensor(_core.reshape(joined, (*shape[:dim], len(arrays), *shape[dim:])))
    else:
        y = Tensor(_core.cat([_core.unsqueeze(x, dim) for x in arrays], dim))
    for x in tensors:
        if x._requires_grad:
            return record("stack", y, tensors, _stack_rule, (dim, [x.dtype for x in arrays]))
    return y


def _stack_rule(gy: Tensor, dim: int, dtypes: list) -> tuple:
    return tuple(gy.select(dim, i).to(dtype) for i, dtype in enumerate(dtypes))


@tensor_method
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of pieces of a given extent, the last one smaller, or of the given extents.

    >>> nc.split(nc.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    extent = tensor._array.shape[_dim("split", dim, tensor.ndim)] if tensor.ndim else 0
    if tensor.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and extent > 0):
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
        starts = range(0, extent, size) if extent else (0,)
        return tuple(slice_of(tensor, dim, at, min(at + size, extent), 1) for at in starts)
    sizes = list(split_size_or_sections)
    if sum(sizes) != extent or any(n < 0 for n in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {extent} (the extent of dimension {dim}), but "
            f"got split_sizes={sizes}"
        )
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return tuple(slice_of(tensor, dim, end - n, end, 1) for n, end in zip(sizes, ends, strict=True))


@tensor_method
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most `chunks` pieces of equal extent, the last one smaller.

    >>> nc.chunk(nc.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    extent = input._array.shape[_dim("chunk", dim, input.ndim)]
    if extent == 0:
        return split(input, [0] * chunks, dim)
    return split(input, -(-extent // chunks), dim)


@tensor_method
def tensor_split(input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of that many pieces of nearly equal extent, the first ones larger by 1; or cut before the given places.

    >>> nc.tensor_split(nc.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    >>> nc.tensor_split(nc.arange(5), (1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    if input.ndim == 0:
        raise RuntimeError("tensor_split: expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    extent = input._array.shape[_dim("tensor_split", dim, input.ndim)]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count <= 0:
            raise RuntimeError(f"tensor_split: number of sections must be larger than 0, got {count}")
        small, larger = divmod(extent, count)
        return split(input, [small + (i < larger) for i in range(count)], dim)
    cuts = [0, *indices_or_sections, extent]
    return tuple(slice_of(input, dim, start, stop, 1) for start, stop in pairwise(cuts))


@tensor_method
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all slices, without their dimension.

    >>> nc.unbind(nc.tensor([[1, 2], [3, 4]]), 1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    if input.ndim == 0:
        raise IndexError("unbind: Dimension specified as 0 but tensor has no dimensions")
    return tuple(input.select(dim, i) for i in range(input._array.shape[_dim("unbind", dim, input.ndim)]))


@tensor_method
def repeat(input: Tensor, *times, repeats=None) -> Tensor:
    """The whole tensor so many times along each dimension; more numbers than dimensions add leading ones.

    >>> nc.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    repeats = shape_arguments(times, repeats)
    if len(repeats) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: got "
            f"{len(repeats)} for shape {list(input.shape)}"
        )
    shape = (1,) * (len(repeats) - input.ndim) + tuple(input._array.shape)
    x = reshape(input, shape)
    apart, wide, total = [], [], []
    for n, times in zip(shape, repeats, strict=True):
        # A dimension for the copies only where there are several: arrays have few dimensions to spare.
        apart += [n] if times == 1 else [1, n]
        wide += [n] if times == 1 else [times, n]
        total.append(n * times)
    if any(times < 0 for times in repeats):
        raise RuntimeError(f"repeat: Trying to create tensor with negative dimension, got repeats {list(repeats)}")
    return reshape(expand(reshape(x, apart), wide), total).clone()


@tensor_method
def tile(input: Tensor, *times, dims=None) -> Tensor:
    """As `repeat`, with missing leading numbers taken as 1.

    >>> nc.tile(nc.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    dims = shape_arguments(times, dims)
    return repeat(input, (1,) * (input.ndim - len(dims)) + dims)


@tensor_method
def repeat_interleave(input: Tensor, repeats, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each slice several times in a row; `repeats` is a number or one for each slice.

    >>> nc.repeat_interleave(nc.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if dim is None:
        input, dim = input.reshape(-1), 0
    extent = input._array.shape[_dim("repeat_interleave", dim, input.ndim)] if input.ndim else 1
    counts = repeats.tolist() if isinstance(repeats, Tensor) else repeats
    counts = [counts] * extent if isinstance(counts, int) else counts * extent if len(counts) == 1 else counts
    if len(counts) != extent:
        raise RuntimeError(f"repeat_interleave: repeats must have the same size as input along dim, got {len(counts)}")
    if any(n < 0 for n in counts):
        raise RuntimeError("repeat_interleave: repeats can not be negative")
    places = [i for i, n in enumerate(counts) for _ in range(n)]
    index = input.new_tensor(places, dtype=_core.dtype.int64)
    return input.index_select(dim, index)


@tensor_method
def flip(input: Tensor, *along, dims=None) -> Tensor:
    """A copy with the order of the elements along the dimensions reversed.

    >>> nc.flip(nc.tensor([1, 2, 3]), 0)
    tensor([3, 2, 1])
    """
    dims = shape_arguments(along, dims)
    y = Tensor(_core.clone(_core.flip_view(input._array, dims)))
    return record("flip", y, (input,), _flip_rule, (dims,))


_flip_rule = (lambda gy, dims: flip(gy, dims),)


@tensor_method
def roll(input: Tensor, shifts, dims=None) -> Tensor:
    """The slices moved on by `shifts` places along `dims`; those that leave at the end come in at the start.

    >>> nc.roll(nc.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    if dims is None or dims == ():
        return roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims: {len(dims)}")
    if input.ndim == 0:
        raise IndexError(f"roll: Dimension specified as {dims[0]} but tensor has no dimensions")
    y = input
    for shift, dim in zip(shifts, dims, strict=True):
        extent = y._array.shape[_dim("roll", dim, y.ndim)]
        if extent:
            cut = -shift % extent
            y = cat((slice_of(y, dim, cut, None, 1), slice_of(y, dim, None, cut, 1)), dim)
    return y.clone() if y is input else y


def meshgrid(*tensors, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: each 1-D tensor along a dimension of its own. indexing="xy" swaps the first two.

    >>> nc.meshgrid(nc.tensor([1, 2]), nc.tensor([3, 4]), indexing="ij")[0]
    tensor([[1, 1],
            [2, 2]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = [x.numel() for x in tensors]
    grids = [expand(reshape(x, [-1 if d == i else 1 for d in range(len(shape))]), shape) for i, x in enumerate(tensors)]
    if swap:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)
