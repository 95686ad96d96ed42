"""Other looks at the same memory: reshape, transpose, expand, slices. No kernel runs but for reshape's copies."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autograd import is_grad_enabled, record
from nncore.ops.reduce import unbroadcast
from nncore.tensor import Tensor, shape_arguments, tensor_method

if TYPE_CHECKING:
    from collections.abc import Sequence


def view_of(name: str, input: Tensor, array: _core.Array, rule, saved: Sequence) -> Tensor:
    """A tensor that shows the array, which shares the memory of input."""
    y = Tensor(array)
    if is_grad_enabled():
        base = y._base = input if input._base is None else input._base
        if base._views is None:
            base._views = weakref.WeakSet()
        base._views.add(y)
    return record(name, y, (input,), rule, saved)


@tensor_method
def reshape(input: Tensor, *shape) -> Tensor:
    """The same elements in the same order with another shape; one extent may be -1. A view where possible.

    >>> nc.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    array = _core.reshape(input._array, shape_arguments(shape))
    if array.shares_memory(input._array):
        return view_of("reshape", input, array, _reshape_rule, (input._array.shape,))
    return record("reshape", Tensor(array), (input,), _reshape_rule, (input._array.shape,))


_reshape_rule = (lambda gy, shape: gy.reshape(shape),)


@tensor_method
def permute(input: Tensor, *dims) -> Tensor:
    """The dimensions in another order.

    >>> nc.zeros(2, 3, 4).permute(2, 0, 1).shape
    nncore.Size([4, 2, 3])
    """
    dims = shape_arguments(dims)
    inverse = tuple(sorted(range(len(dims)), key=lambda i: dims[i] % max(len(dims), 1)))
    return view_of("permute", input, _core.permute(input._array, dims), _permute_rule, (inverse,))


_permute_rule = (lambda gy, inverse: gy.permute(inverse),)


@tensor_method
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped.

    >>> nc.zeros(2, 3).transpose(0, 1).shape
    nncore.Size([3, 2])
    """
    return view_of("transpose", input, _core.transpose(input._array, dim0, dim1), _transpose_rule, (dim0, dim1))


_transpose_rule = (lambda gy, dim0, dim1: gy.transpose(dim0, dim1),)


@tensor_method
def expand(input: Tensor, *size) -> Tensor:
    """Dimensions of extent 1 repeated without copying, and new leading ones; -1 keeps an extent.

    >>> nc.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    array = _core.expand(input._array, shape_arguments(size))
    return view_of("expand", input, array, _expand_rule, (input._array.shape,))


_expand_rule = (lambda gy, shape: unbroadcast(gy, shape),)
