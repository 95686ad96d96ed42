"""Reductions: many elements into one, along some dimensions or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core
from nncore.autograd import record
from nncore.tensor import Tensor, tensor_method

if TYPE_CHECKING:
    from collections.abc import Sequence

    Dims = int | Sequence[int] | None


def _dims(dim: Dims) -> tuple[int, ...] | None:
    """The dimensions as the native side takes them: None for all."""
    if dim is None or isinstance(dim, tuple):
        return dim
    return tuple(dim) if isinstance(dim, list) else (dim,)


def _spread(g: Tensor, shape: tuple, dims: tuple | None) -> Tensor:
    """g, which has the shape of a result, repeated along the dimensions that were reduced."""
    if dims and g.ndim != len(shape):
        gone = {d % len(shape) for d in dims} if shape else set()
        g = g.reshape([1 if i in gone else n for i, n in enumerate(shape)])
    return g.expand(shape)


def _elements(shape: tuple, dims: tuple | None) -> int:
    """How many elements become one."""
    total = 1
    for d in dims or range(len(shape)):
        total *= shape[d] if shape else 1
    return total


@tensor_method
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: _core.dtype | None = None) -> Tensor:
    """The sum over the dimensions `dim`, or over all; integers and booleans add up in int64.

    Partial sums are added pairwise, so that the error grows with the logarithm of the number of elements.

    >>> nc.sum(nc.tensor([[1, 2], [3, 4]]), 0)
    tensor([4, 6])
    """
    x = input if dtype is None else input.to(dtype)
    dims = _dims(dim)
    return record("sum", Tensor(_core.sum(x._array, dims, keepdim)), (x,), _sum_rule, (x._array.shape, dims))


_sum_rule = (_spread,)


@tensor_method
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: _core.dtype | None = None) -> Tensor:
    """The sum over the dimensions divided by the number of elements; NaN where there are none.

    >>> nc.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(1)
    tensor([1.5000, 3.5000])
    """
    x = input if dtype is None else input.to(dtype)
    dims = _dims(dim)
    return record("mean", Tensor(_core.mean(x._array, dims, keepdim)), (x,), _mean_rule, (x._array.shape, dims))


_mean_rule = (lambda gy, shape, dims: _spread(gy / max(_elements(shape, dims), 1), shape, dims),)


def unbroadcast(g: Tensor, shape: Sequence[int]) -> Tensor:
    """The gradient of an input of this shape whose result was broadcast: g summed over what was repeated.

    g itself where nothing was.
    """
    have = g._array.shape
    shape = tuple(shape)
    if have == shape:
        return g
    lead = len(have) - len(shape)
    dims = (*range(lead), *[lead + i for i, n in enumerate(shape) if n == 1 and have[lead + i] != 1])
    if not dims:
        return g
    g = g.sum(dims, keepdim=lead == 0)
    return g if lead == 0 else g.reshape(shape)
