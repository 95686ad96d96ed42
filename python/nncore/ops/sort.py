"""Sorting along a dimension. Equal elements keep their order; NaN counts as the largest."""

from __future__ import annotations

from collections import namedtuple

from nncore import _core
from nncore.autograd import record
from nncore.ops.reduce import _selected_rule
from nncore.ops.shape import _dim
from nncore.tensor import Tensor, tensor_method

_SortResult = namedtuple("sort", ["values", "indices"])
_TopkResult = namedtuple("topk", ["values", "indices"])


@tensor_method
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> _SortResult:
    """(values, indices): the elements in order along a dimension, and where they were.

    >>> nc.sort(nc.tensor([3, 1, 2]))
    sort(values=tensor([1, 2, 3]), indices=tensor([1, 2, 0]))
    """
    values, indices = map(Tensor, _core.sort(input._array, dim, descending))
    return _SortResult(*record("sort", (values, indices), (input,), _selected_rule, (indices, dim, True, input.shape)))


@tensor_method
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The places of the elements in order along a dimension.

    >>> nc.argsort(nc.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return Tensor(_core.sort(input._array, dim, descending)[1])


@tensor_method
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> _TopkResult:
    """(values, indices) of the k largest, or least, elements along a dimension, the first the most extreme.

    >>> nc.topk(nc.tensor([3, 1, 2]), 2)
    topk(values=tensor([3, 2]), indices=tensor([0, 2]))
    """
    d = _dim("topk", dim, input.ndim)
    extent = input.shape[d] if input.ndim else 1
    if not 0 <= k <= extent:
        raise RuntimeError(f"topk: selected index k out of range: {k} of {extent} elements")
    if k == 0 and input.ndim == 0:
        return _TopkResult(input.reshape(1)[:0], input.new_zeros(0, dtype=_core.dtype.int64))
    values, indices = map(Tensor, _core.sort(input._array, d, largest, k))
    return _TopkResult(*record("topk", (values, indices), (input,), _selected_rule, (indices, d, True, input.shape)))
