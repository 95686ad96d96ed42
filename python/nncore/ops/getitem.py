"""x[...] and x[...] = ...: PyTorch's indexing.

Integers, slices, None and Ellipsis make views. Tensors, arrays and lists of integers pick elements ("advanced"): they
are broadcast against each other, and their common shape stands where they stood, or first if something stood between
them. A boolean mask stands for the coordinates of its True elements.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from nncore import _core
from nncore.autograd import is_grad_enabled, no_grad
from nncore.ops.creation import as_tensor, tensor
from nncore.ops.index import broadcast_shapes, nonzero
from nncore.ops.inplace import before, check_writable, inplace_method, write
from nncore.ops.shape import slice_of
from nncore.tensor import Tensor, tensor_method

_MASKS = (_core.dtype.bool, _core.dtype.uint8)


def getitem(x: Tensor, key) -> Tensor:
    """The part of x that the key names."""
    if type(key) is int:
        _refuse_scalar(x)
        return x.select(0, key)
    if type(key) is slice and x._array.ndim > 0:
        part = _sliced(x, 0, key)
        return part.view(part.shape) if part is x else part
    if type(key) is tuple:
        part = _simple(x, key)
        if part is not None:
            return part.view(part.shape) if part is x else part
    if isinstance(key, Tensor) and key._array.is_beside(x._array):
        if key._array.dtype in _MASKS and key._array.ndim > 0 and key._array.shape == x._array.shape:
            whole = (-1,)
            places = Tensor(_core.reshape(_core.nonzero(_core.reshape(key._array, whole)), whole))
            return (x if x._array.ndim == 1 else x.reshape(-1)).index_select(0, places)
        if key._array.dtype is _core.dtype.int64 and key._array.ndim == 1 and x._array.ndim > 0:
            return x.index_select(0, Tensor(_core.wrap_index(key._array, x._array.shape[0], 0)))
    view, places = _walk(x, key)
    if not places:
        return view.view(view.shape) if view is x else view
    located = _Located(view, places)
    return located.shaped(located.flat(view).index_select(located.first, located.index))


def _simple(x: Tensor, key: tuple) -> Tensor | None:
    """The view that a key of integers and slices only makes, by the shortest way; None for other keys."""
    for k in key:
        if type(k) is not slice and type(k) is not int:
            return None
    if len(key) > x._array.ndim:
        return None
    dim = 0
    for k in key:
        if type(k) is int:
            x = x.select(dim, k)
        else:
            x, dim = _sliced(x, dim, k), dim + 1
    return x


def setitem(x: Tensor, key, value) -> None:
    """Writes value, broadcast, to the part of x that the key names."""
    value = _as_value(x, value)
    recorded = is_grad_enabled() and (x._requires_grad or value._requires_grad)
    if recorded:
        view, places = _walk(x, key)
    else:
        with no_grad():
            view, places = _walk(x, key)
    if not places:
        while value.ndim > view.ndim and value.shape[0] == 1:
            value = value.squeeze(0)
        view.copy_(value)
        return
    check_writable("index_put_", view, recorded)
    if recorded:
        write(view, _put(before(view), places, value, False), recorded)
    else:
        with no_grad():
            _put_in_place(view, places, value)


Tensor.__getitem__ = getitem
Tensor.__setitem__ = setitem


def _as_value(x: Tensor, value) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float)):
        return Tensor(_core.full((), value, x._array.dtype, x._array.device))
    return as_tensor(value).to(x.device, x.dtype)


def _refuse_scalar(x: Tensor) -> None:
    if x.ndim == 0:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a number"
        )


# ---- the key ----


def _walk(x: Tensor, key) -> tuple[Tensor, list]:
    """The view that the basic parts of the key make, and (dimension, places along it) for the advanced ones."""
    items = [_item(k) for k in (key if type(key) is tuple else (key,))]
    consumed = sum(_consumes(k) for k in items)
    if consumed > x.ndim:
        if x.ndim == 0:
            _refuse_scalar(x)
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}")
    dim, places, seen_ellipsis = 0, [], False
    for k in items:
        if k is Ellipsis:
            if not seen_ellipsis:
                dim += x.ndim - dim - sum(_consumes(k) for k in items[_position(items) + 1 :])
                seen_ellipsis = True
        elif k is None:
            x, dim = x.unsqueeze(dim), dim + 1
        elif isinstance(k, slice):
            x, dim = _sliced(x, dim, k), dim + 1
        elif isinstance(k, int) and not isinstance(k, bool):
            x = x.select(dim, k)
        elif isinstance(k, bool) or (k.dtype in _MASKS and k.ndim == 0):
            x = x.unsqueeze(dim)  # a new dimension, of which the only slice or none is taken
            places.append((dim, tensor([0] if bool(k) else [], dtype=_core.dtype.int64, device=x.device)))
            dim += 1
        elif k.dtype in _MASKS:
            _check_mask(x, dim, k)
            for coordinate in nonzero(k, as_tuple=True):
                places.append((dim, _beside(x, coordinate)))
                dim += 1
        else:
            places.append((dim, _beside(x, k)))
            dim += 1
    return x, places


def _beside(x: Tensor, index: Tensor) -> Tensor:
    """The index on the device of x. Those of the CPU go anywhere, as in PyTorch."""
    if index.device != x.device and index.device.type != "cpu":
        raise RuntimeError(
            f"indices should be either on cpu or on the same device as the indexed tensor ({x.device}), "
            f"got {index.device}"
        )
    return index.to(x.device)


def _position(items: list) -> int:
    return next(i for i, k in enumerate(items) if k is Ellipsis)


def _item(k):
    """One part of a key: None, Ellipsis, bool, int, slice or a tensor of integers or booleans."""
    if k is None or k is Ellipsis or isinstance(k, (bool, int, slice)):
        return k
    if isinstance(k, np.bool_):
        return bool(k)
    if isinstance(k, (list, tuple, np.ndarray)):
        k = as_tensor(k) if isinstance(k, np.ndarray) else tensor(k, dtype=None if k else _core.dtype.int64)
    if isinstance(k, Tensor):
        if k.is_floating_point():
            raise IndexError(
                f"tensors used as indices must be long, int, byte or bool tensors, got {k.dtype} {list(k.shape)}"
            )
        return k.item() if k.ndim == 0 and k.dtype not in _MASKS else k
    try:
        return operator.index(k)
    except TypeError:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
            f"(got {type(k).__name__})"
        ) from None


def _consumes(k) -> int:
    """How many dimensions of the tensor a part of the key is about."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return 0
    return k.ndim if isinstance(k, Tensor) and k.dtype in _MASKS else 1


def _sliced(x: Tensor, dim: int, k: slice) -> Tensor:
    start, stop, step = k.start, k.stop, k.step
    if start is None and stop is None and step is None:
        return x
    start, stop = start if start is None else operator.index(start), stop if stop is None else operator.index(stop)
    return slice_of(x, dim, start, stop, 1 if step is None else operator.index(step))


def _check_mask(x: Tensor, dim: int, mask: Tensor) -> None:
    for i, n in enumerate(mask.shape):
        if x.shape[dim + i] != n:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {i} does not match the shape of the indexed tensor "
                f"{list(x.shape)} at index {dim + i}"
            )


# ---- advanced places ----


class _Located:
    """Where advanced places lie: the indexed dimensions as one, `first`, and the places along it, `index`."""

    def __init__(self, x: Tensor, places: list):
        self.dims = [dim for dim, _ in places]
        try:
            self.shape = broadcast_shapes(*(k.shape for _, k in places))
        except RuntimeError:
            shapes = ", ".join(str(list(k.shape)) for _, k in places)
            raise IndexError(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
            ) from None
        index = None
        for dim, k in places:
            wrapped = Tensor(_core.wrap_index(k._array, x.shape[dim], dim))
            index = wrapped if index is None else index * x.shape[dim] + wrapped
        self.index = index.expand(self.shape).reshape(-1)
        together = self.dims == list(range(self.dims[0], self.dims[0] + len(self.dims)))
        self.first = self.dims[0] if together else 0
        self.moved = not together
        whole = self._moved(x).shape
        end = self.first + len(self.dims)
        self.before, self.inside, self.after = whole[: self.first], whole[self.first : end], whole[end:]

    def _moved(self, x: Tensor) -> Tensor:
        return x.movedim(self.dims, list(range(len(self.dims)))) if self.moved else x

    def flat(self, x: Tensor) -> Tensor:
        """x with the indexed dimensions as one."""
        x = self._moved(x)
        return x if len(self.dims) == 1 else x.reshape(*self.before, math.prod(self.inside), *self.after)

    def unflat(self, flat: Tensor) -> Tensor:
        """The reverse of `flat`."""
        x = flat.reshape(*self.before, *self.inside, *self.after)
        return x.movedim(list(range(len(self.dims))), self.dims) if self.moved else x

    def shaped(self, picked: Tensor) -> Tensor:
        """Picked slices with the shape of the places."""
        return picked.reshape(*self.before, *self.shape, *self.after)

    def values(self, value: Tensor) -> Tensor:
        """A value, broadcast to what is picked, with the places in one dimension."""
        wanted = (*self.before, *self.shape, *self.after)
        while value.ndim > len(wanted) and value.shape[0] == 1:
            value = value.squeeze(0)
        try:
            value = value.expand(wanted)
        except RuntimeError:
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of "
                f"shape {list(wanted)}"
            ) from None
        return value.reshape(*self.before, self.index.numel(), *self.after)


def _valued(x: Tensor, value: Tensor) -> Tensor:
    """What is put into x, in its dtype; single numbers come from any device."""
    return value.to(x.device, x.dtype) if value.ndim == 0 else value.to(x.dtype)


def _put(x: Tensor, places: list, value: Tensor, accumulate: bool) -> Tensor:
    located = _Located(x, places)
    flat, values = located.flat(x), located.values(_valued(x, value))
    put = flat.index_add if accumulate else flat.index_copy
    return located.unflat(put(located.first, located.index, values))


def _put_in_place(x: Tensor, places: list, value: Tensor) -> None:
    """Without a tape: into the memory of x where the indexed dimensions can be seen as one, otherwise by a copy."""
    located = _Located(x, places)
    flat = located.flat(x)
    values = located.values(_valued(x, value))
    _core.index_copy_into("index_put_", flat._array, located.first, located.index._array, values._array)
    if not flat._array.shares_memory(x._array):
        _core.copy(x._array, located.unflat(flat)._array)


# ---- index_put ----


def _leading(x: Tensor, indices) -> list:
    return _walk(x, tuple(slice(None) if k is None else k for k in indices))[1]


@tensor_method
def index_put(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """input with input[indices] = values, or += values where accumulate: then repeated places add up.

    >>> nc.index_put(nc.zeros(3), (nc.tensor([1, 1]),), nc.tensor([2.0, 3.0]), accumulate=True)
    tensor([0., 5., 0.])
    """
    if values.dtype != input.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {input.dtype} for the destination and "
            f"{values.dtype} for the source."
        )
    return _put(input, _leading(input, indices), values, accumulate)


inplace_method(index_put)
