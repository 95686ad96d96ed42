"""Other looks at the same memory: reshape, transpose, expand, slices. No kernel runs but for reshape's copies."""

from __future__ import annotations

import math
import weakref
from operator import index
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autograd import is_grad_enabled, record
from nncore.ops.reduce import unbroadcast
from nncore.size import shape_arguments
from nncore.tensor import Tensor, tensor_method

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def view_of(name: str, input: Tensor, array: _core.Array, rule, saved: Sequence) -> Tensor:
    """A tensor that shows the array, which shares the memory of input."""
    y = Tensor(array)
    if is_grad_enabled():
        base = y._base = input if input._base is None else input._base
        views = base._views
        if views is None:
            views = base._views = {}
        key = id(y)
        views[key] = weakref.ref(y, lambda _: views.pop(key, None))
    return record(name, y, (input,), rule, saved)


@tensor_method
def reshape(input: Tensor, *extents, shape=None) -> Tensor:
    """The same elements in the same order with another shape; one extent may be -1. A view where possible.

    >>> nc.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    array = _core.reshape(input._array, shape_arguments(extents, shape))
    if array.shares_memory(input._array):
        return view_of("reshape", input, array, _reshape_rule, (input._array.shape,))
    return record("reshape", Tensor(array), (input,), _reshape_rule, (input._array.shape,))


_reshape_rule = (lambda gy, shape: gy.reshape(shape),)


@tensor_method
def permute(input: Tensor, *order, dims=None) -> Tensor:
    """The dimensions in another order.

    >>> nc.zeros(2, 3, 4).permute(2, 0, 1).shape
    nncore.Size([4, 2, 3])
    """
    dims = shape_arguments(order, dims)
    return view_of("permute", input, _core.permute(input._array, dims), _permute_rule, (dims,))


def _permute_back(gy: Tensor, dims: tuple) -> Tensor:
    return gy.permute(tuple(sorted(range(len(dims)), key=lambda i: dims[i] % len(dims))))


_permute_rule = (_permute_back,)


@tensor_method
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped.

    >>> nc.zeros(2, 3).transpose(0, 1).shape
    nncore.Size([3, 2])
    """
    return view_of("transpose", input, _core.transpose(input._array, dim0, dim1), _transpose_rule, (dim0, dim1))


_transpose_rule = (lambda gy, dim0, dim1: gy.transpose(dim0, dim1),)


@tensor_method
def expand(input: Tensor, *extents, size=None) -> Tensor:
    """Dimensions of extent 1 repeated without copying, and new leading ones; -1 keeps an extent.

    >>> nc.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    array = _core.expand(input._array, shape_arguments(extents, size))
    return view_of("expand", input, array, _expand_rule, (input._array.shape,))


_expand_rule = (lambda gy, shape: unbroadcast(gy, shape),)


@tensor_method
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of other."""
    return expand(input, other.shape)


@tensor_method
def broadcast_to(input: Tensor, shape) -> Tensor:
    """Expanded to a shape, as in broadcasting.

    >>> nc.broadcast_to(nc.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return expand(input, shape)


@tensor_method
def view(input: Tensor, *shape, size=None) -> Tensor:
    """As `reshape`, but always a view: an error where the strides do not allow one. With a dtype, `to`."""
    if len(shape) == 1 and isinstance(shape[0], _core.dtype):
        raise RuntimeError("view: bits cannot be seen as another dtype; `to` converts the values")
    array = _core.view(input._array, shape_arguments(shape, size))
    if array is None:
        raise RuntimeError(
            f"view: view size is not compatible with input tensor's size {list(input.shape)} and stride "
            f"{list(input.stride())}. Use .reshape(...) instead."
        )
    return view_of("view", input, array, _reshape_rule, (input._array.shape,))


@tensor_method
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Viewed with the shape of other."""
    return view(input, other.shape)


@tensor_method
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """Reshaped to the shape of other."""
    return reshape(input, other.shape)


@tensor_method
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, -1)


@tensor_method
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from start_dim to end_dim as one.

    >>> nc.zeros(2, 3, 4).flatten(1).shape
    nncore.Size([2, 12])
    """
    ndim = input.ndim
    start, end = _dim("flatten", start_dim, ndim), _dim("flatten", end_dim, ndim)
    if start > end:
        raise RuntimeError(f"flatten: start_dim ({start_dim}) cannot come after end_dim ({end_dim})")
    if ndim == 0:
        return reshape(input, 1)
    if start == end:
        return input
    shape = input._array.shape
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@tensor_method
def unflatten(input: Tensor, dim: int, sizes) -> Tensor:
    """One dimension as several, of which one may be -1.

    >>> nc.zeros(2, 12).unflatten(1, (3, -1)).shape
    nncore.Size([2, 3, 4])
    """
    d, shape, sizes = _dim("unflatten", dim, input.ndim), input._array.shape, tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    known = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) > 1 or (known != shape[d] if -1 not in sizes else known == 0 or shape[d] % known):
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]})"
        )
    return reshape(input, (*shape[:d], *sizes, *shape[d + 1 :]))


@tensor_method
def squeeze(input: Tensor, dim=None) -> Tensor:
    """Without the dimensions of extent 1: all of them, or those among `dim`.

    >>> nc.zeros(1, 3, 1).squeeze(0).shape
    nncore.Size([3, 1])
    """
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    return view_of("squeeze", input, _core.squeeze(input._array, dims), _reshape_rule, (input._array.shape,))


@tensor_method
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of extent 1 at `dim`.

    >>> nc.zeros(3).unsqueeze(-1).shape
    nncore.Size([3, 1])
    """
    return view_of("unsqueeze", input, _core.unsqueeze(input._array, dim), _reshape_rule, (input._array.shape,))


@tensor_method
def movedim(input: Tensor, source, destination) -> Tensor:
    """The dimensions `source` at the places `destination`, the others in order around them.

    >>> nc.zeros(2, 3, 4).movedim(0, -1).shape
    nncore.Size([3, 4, 2])
    """
    ndim = input.ndim
    sources = [_dim("movedim", index(d), ndim) for d in ((source,) if isinstance(source, int) else source)]
    places = (destination,) if isinstance(destination, int) else destination
    places = [_dim("movedim", index(d), ndim) for d in places]
    if len(sources) != len(places) or len(set(sources)) < len(sources) or len(set(places)) < len(places):
        raise RuntimeError(f"movedim: expected as many different sources as destinations, got {source}, {destination}")
    rest = iter(d for d in range(ndim) if d not in sources)
    return permute(input, [sources[places.index(i)] if i in places else next(rest) for i in range(ndim)])


@tensor_method
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; tensors of fewer dimensions stay as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return transpose(input, 0, 1) if input.ndim == 2 else input


def _matrix_transpose(input: Tensor) -> Tensor:
    """Every matrix of the last two dimensions transposed."""
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    return transpose(input, -2, -1)


Tensor.T = property(
    lambda self: permute(self, tuple(range(self._array.ndim - 1, -1, -1))), doc="The dimensions reversed."
)
Tensor.mT = property(_matrix_transpose)
swapaxes = swapdims = Tensor.swapaxes = Tensor.swapdims = transpose
moveaxis = Tensor.moveaxis = movedim


def _dim(operation: str, dim: int, ndim: int) -> int:
    """The dimension that dim names, counted from the end where it is negative."""
    span = max(ndim, 1)
    if not -span <= dim < span:
        raise IndexError(
            f"{operation}: Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {dim})"
        )
    return dim % span


# ---- parts ----


def _part(name: str, input: Tensor, look: Callable, *args) -> Tensor:
    """A view of a part of input: look(array, *args)."""
    return view_of(name, input, look(input._array, *args), _part_rule, (look, args, input._array.shape))


def _part_backward(gy: Tensor, look: Callable, args: tuple, shape: tuple) -> Tensor:
    """Zeros of the whole's shape with gy in the part."""
    gx = _core.full(shape, 0, gy._array.dtype, gy._array.device)
    _core.copy(look(gx, *args), gy._array)
    return record("part_backward", Tensor(gx), (gy,), _part_backward_rule, (look, args))


_part_rule = (_part_backward,)
_part_backward_rule = (lambda ggx, look, args: _part("part", ggx, look, *args),)


@tensor_method
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One slice, without its dimension.

    >>> nc.tensor([[1, 2], [3, 4]]).select(1, -1)
    tensor([2, 4])
    """
    return _part("select", input, _core.select, dim, index)


def slice_of(input: Tensor, dim: int, start: int | None, stop: int | None, step: int) -> Tensor:
    """input[start:stop:step] along a dimension."""
    return _part("slice", input, _core.slice, dim, start, stop, step)


@tensor_method
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` slices from `start` on.

    >>> nc.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    extent = input._array.shape[_dim("narrow", dim, input.ndim)]
    if length < 0:
        raise RuntimeError(f"narrow(): length must be non-negative, got {length}")
    if not -extent <= start <= extent:
        raise IndexError(f"narrow: start out of range (expected to be in [{-extent}, {extent}], but got {start})")
    start = int(start) + extent if start < 0 else int(start)
    if start + length > extent:
        raise RuntimeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({extent}).")
    return slice_of(input, dim, start, start + length, 1)


def _diagonal_look(array: _core.Array, offset: int, dim1: int, dim2: int) -> _core.Array:
    shape, strides = list(array.shape), list(array.strides)
    count = max(min(shape[dim1] + min(offset, 0), shape[dim2] - max(offset, 0)), 0)
    start = array.offset + (max(offset, 0) * strides[dim2] + max(-offset, 0) * strides[dim1] if count else 0)
    step = strides[dim1] + strides[dim2]
    rest = [d for d in range(len(shape)) if d not in (dim1, dim2)]
    return _core.as_strided(array, [*(shape[d] for d in rest), count], [*(strides[d] for d in rest), step], start)


@tensor_method
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal over two dimensions, which become the last one; offset > 0 lies above.

    >>> nc.diagonal(nc.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    a, b = _dim("diagonal", dim1, input.ndim), _dim("diagonal", dim2, input.ndim)
    if a == b or input.ndim < 2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _part("diagonal", input, _diagonal_look, offset, a, b)
