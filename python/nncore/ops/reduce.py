"""Reductions: many elements into one, along some dimensions or all of them."""

from __future__ import annotations

import builtins
from collections import namedtuple
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.autograd import record
from nncore.tensor import Tensor, tensor_method

if TYPE_CHECKING:
    from collections.abc import Sequence

    Dims = int | Sequence[int] | None

_MaxResult = namedtuple("max", ["values", "indices"])
_MinResult = namedtuple("min", ["values", "indices"])


def dims_of(dim: Dims) -> tuple[int, ...] | None:
    """The dimensions as the native side takes them: None for all."""
    if dim is None or isinstance(dim, tuple):
        return dim
    return tuple(dim) if isinstance(dim, list) else (dim,)


def _kept(y: Tensor, shape: tuple, dims: tuple | None) -> Tensor:
    """y, a result, with the reduced dimensions back as extents of 1."""
    if not dims or y.ndim == len(shape):
        return y
    gone = {d % len(shape) for d in dims}
    return y.reshape([1 if i in gone else n for i, n in enumerate(shape)])


def _spread(g: Tensor, shape: tuple, dims: tuple | None) -> Tensor:
    """g, which has the shape of a result, repeated along the dimensions that were reduced."""
    return _kept(g, shape, dims).expand(shape)


def _elements(shape: tuple, dims: tuple | None) -> int:
    """How many elements become one."""
    total = 1
    for d in dims or range(len(shape)):
        total *= shape[d] if shape else 1
    return total


# ---- sums ----


@tensor_method
@casts_wide("cuda")
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: _core.dtype | None = None) -> Tensor:
    """The sum over the dimensions `dim`, or over all; integers and booleans add up in int64.

    Partial sums are added pairwise, so that the error grows with the logarithm of the number of elements.

    >>> nc.sum(nc.tensor([[1, 2], [3, 4]]), 0)
    tensor([4, 6])
    """
    x = input if dtype is None else input.to(dtype)
    dims = dims_of(dim)
    y = Tensor(_core.sum(x._array, dims, keepdim))
    return _with_dtype(record("sum", y, (x,), _sum_rule, (x._array.shape, dims)), dtype)


_sum_rule = (_spread,)


def _with_dtype(y: Tensor, dtype: _core.dtype | None) -> Tensor:
    """A result that was computed in int64 in the integer dtype that was asked for."""
    return y if dtype is None or y._array.dtype is dtype else y.to(dtype)


@tensor_method
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: _core.dtype | None = None) -> Tensor:
    """The sum over the dimensions divided by the number of elements; NaN where there are none.

    >>> nc.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(1)
    tensor([1.5000, 3.5000])
    """
    x = input if dtype is None else input.to(dtype)
    dims = dims_of(dim)
    return record("mean", Tensor(_core.mean(x._array, dims, keepdim)), (x,), _mean_rule, (x._array.shape, dims))


_mean_rule = (lambda gy, shape, dims: _spread(gy / builtins.max(_elements(shape, dims), 1), shape, dims),)


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


@tensor_method
@casts_wide("cuda")
def cumsum(input: Tensor, dim: int, *, dtype: _core.dtype | None = None) -> Tensor:
    """y[i] = x[0] + ... + x[i] along a dimension; integers and booleans add up in int64.

    >>> nc.cumsum(nc.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    x = input if dtype is None else input.to(dtype)
    return _with_dtype(record("cumsum", Tensor(_core.cumsum(x._array, dim)), (x,), _cumsum_rule, (dim,)), dtype)


_cumsum_rule = (lambda gy, dim: gy.flip(dim).cumsum(dim).flip(dim),)


# ---- products ----


@tensor_method
@casts_wide("cpu", "cuda")
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: _core.dtype | None = None) -> Tensor:
    """The product over a dimension, or over all elements; 1 for none.

    >>> nc.prod(nc.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor([ 2., 12.])
    """
    if isinstance(dim, (tuple, list)):
        raise TypeError(f"prod: expected dim to be one dimension, got {dim}")
    x = input if dtype is None else input.to(dtype)
    y = Tensor(_core.prod(x._array, dims_of(dim), keepdim))
    return _with_dtype(record("prod", y, (x,), _prod_rule, (x, dim)), dtype)


def _prod_gradient(gy: Tensor, x: Tensor, dim: int | None) -> Tensor:
    if x.ndim == 0:
        return gy
    if dim is None:
        return (gy * _other_products(x.reshape(-1))).reshape(x.shape)
    return (_kept(gy, x.shape, (dim,)) * _other_products(x.movedim(dim, -1)).movedim(-1, dim)).expand(x.shape)


def _other_products(x: Tensor) -> Tensor:
    """For each element, the product of the others along the last dimension: right where elements are 0 as well.

    Neighbours are multiplied, the same is asked about the products, and each element takes its neighbour along.
    """
    n = x.shape[-1]
    if n < 2:
        return x.new_ones(x.shape)
    even, odd = x[..., 0 : n - 1 : 2], x[..., 1:n:2]
    pairs = even * odd
    if n % 2:
        from nncore.ops.join import cat

        last = x[..., n - 1 :]
        others = _other_products(cat((pairs, last), -1))
        outside = others[..., :-1]
        return cat((_interleave(outside * odd, outside * even), others[..., -1:]), -1)
    outside = _other_products(pairs)
    return _interleave(outside * odd, outside * even)


def _interleave(a: Tensor, b: Tensor) -> Tensor:
    from nncore.ops.join import stack

    return stack((a, b), -1).reshape(*a.shape[:-1], 2 * a.shape[-1])


_prod_rule = (_prod_gradient,)


@tensor_method
@casts_wide("cuda")
def cumprod(input: Tensor, dim: int, *, dtype: _core.dtype | None = None) -> Tensor:
    """y[i] = x[0] * ... * x[i] along a dimension.

    >>> nc.cumprod(nc.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """
    x = input if dtype is None else input.to(dtype)
    y = Tensor(_core.cumprod(x._array, dim))
    return _with_dtype(record("cumprod", y, (x,), _cumprod_rule, (x, y, dim)), dtype)


def _cumprod_gradient(gy: Tensor, x: Tensor, y: Tensor, dim: int) -> Tensor:
    """gx[k] = x[0] ... x[k-1] s[k] with s[k] = gy[k] + x[k+1] s[k+1]: no division, so that 0 does no harm.

    The recurrence takes log2(n) steps (Kogge and Stone 1973): after each, s[k] = terms[k] + factors[k] s[k + reach]
    with a reach twice as long.
    """
    from nncore.ops.join import cat

    if x.ndim == 0:
        return gy
    x, y, terms = x.movedim(dim, -1), y.movedim(dim, -1), gy.movedim(dim, -1)
    n, reach, factors = x.shape[-1], 1, x[..., 1:]
    while reach < n:
        terms = cat([terms[..., :-reach] + factors * terms[..., reach:], terms[..., n - reach :]], -1)
        factors = factors[..., :-reach] * factors[..., reach:]
        reach *= 2
    before = cat([y[..., :1].new_ones(y[..., :1].shape), y[..., :-1]], -1)
    return (before * terms).movedim(-1, dim)


_cumprod_rule = (_cumprod_gradient,)


# ---- the largest and the least ----


def _evenly(gy: Tensor, x: Tensor, y: Tensor, dims: tuple | None) -> Tensor:
    """gy to the elements that equal the result, in equal parts where there are several."""
    hit = (x == _kept(y, x.shape, dims)).to(x.dtype)
    return hit * _kept(gy / hit.sum(dims, keepdim=y.ndim == x.ndim), x.shape, dims)


_extremum_rule = (_evenly,)


@tensor_method
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The largest elements over the dimensions; equal ones share the gradient evenly.

    >>> nc.amax(nc.tensor([[1.0, 5.0], [7.0, 3.0]]), 1)
    tensor([5., 7.])
    """
    dims = dims_of(dim)
    y = Tensor(_core.amax(input._array, dims, keepdim))
    return record("amax", y, (input,), _extremum_rule, (input, y, dims))


@tensor_method
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The least elements over the dimensions; equal ones share the gradient evenly.

    >>> nc.amin(nc.tensor([[1.0, 5.0], [7.0, 3.0]]), 1)
    tensor([1., 3.])
    """
    dims = dims_of(dim)
    y = Tensor(_core.amin(input._array, dims, keepdim))
    return record("amin", y, (input,), _extremum_rule, (input, y, dims))


def _selected(name: str, native, result_type, input: Tensor, dim: int, keepdim: bool):
    values, indices = map(Tensor, native(input._array, dim, keepdim))
    values, indices = record(name, (values, indices), (input,), _selected_rule, (indices, dim, keepdim, input.shape))
    return result_type(values, indices)


def _to_selected(gy: tuple, indices: Tensor, dim: int, keepdim: bool, shape: tuple) -> tuple:
    g = gy[0]
    if not shape:
        return (g,)
    if not keepdim:
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return (g.new_zeros(shape).scatter(dim, indices, g),)


_selected_rule = _to_selected


@tensor_method
def max(input: Tensor, dim=None, keepdim: bool = False, *, other: Tensor | None = None):
    """The largest element; with a dimension (values, indices) along it; with another tensor `maximum` of both.

    The gradient of the largest element is shared by equal ones; along a dimension it goes to the index that is told.

    >>> nc.max(nc.tensor([[1.0, 5.0], [7.0, 3.0]]), 1)
    max(values=tensor([5., 7.]), indices=tensor([1, 0]))
    """
    if isinstance(dim, Tensor) or other is not None:
        return input.maximum(dim if other is None else other)
    if dim is None:
        return amax(input, None)
    return _selected("max", _core.max_with_index, _MaxResult, input, dim, keepdim)


@tensor_method
def min(input: Tensor, dim=None, keepdim: bool = False, *, other: Tensor | None = None):
    """The least element; with a dimension (values, indices) along it; with another tensor `minimum` of both.

    >>> nc.min(nc.tensor([[1.0, 5.0], [7.0, 3.0]]), 1)
    min(values=tensor([1., 3.]), indices=tensor([0, 1]))
    """
    if isinstance(dim, Tensor) or other is not None:
        return input.minimum(dim if other is None else other)
    if dim is None:
        return amin(input, None)
    return _selected("min", _core.min_with_index, _MinResult, input, dim, keepdim)


def _place(name: str, native, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if dim is not None:
        return Tensor(native(input._array, dim, keepdim)[1])
    if input.numel() == 0:
        raise IndexError(f"{name}: expected reduction dim to be specified for input.numel() == 0")
    index = Tensor(native(_core.reshape(input._array, (-1,)), 0, False)[1])
    return Tensor(_core.reshape(index._array, (1,) * input.ndim)) if keepdim else index


@tensor_method
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is, the first of equal ones: along a dimension, or in the flattened tensor.

    >>> nc.argmax(nc.tensor([[1.0, 5.0], [7.0, 3.0]]))
    tensor(2)
    """
    return _place("argmax", _core.max_with_index, input, dim, keepdim)


@tensor_method
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the least element is, the first of equal ones: along a dimension, or in the flattened tensor.

    >>> nc.argmin(nc.tensor([[1.0, 5.0], [7.0, 3.0]]), 1)
    tensor([0, 1])
    """
    return _place("argmin", _core.min_with_index, input, dim, keepdim)


# ---- truth ----


def _truth(name: str, native, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    dims = dims_of(dim)
    y = input != 0 if dims == () else Tensor(native(input._array, dims, keepdim))
    return y.to(input.dtype) if input.dtype is _core.dtype.uint8 else y


@tensor_method
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether an element is not 0; False for none.

    >>> nc.any(nc.tensor([[False, True], [False, False]]), 1)
    tensor([ True, False])
    """
    return _truth("any", _core.any, input, dim, keepdim)


@tensor_method
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether no element is 0; True for none.

    >>> nc.all(nc.tensor([[False, True], [True, True]]), 1)
    tensor([False,  True])
    """
    return _truth("all", _core.all, input, dim, keepdim)


@tensor_method
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not 0.

    >>> nc.count_nonzero(nc.tensor([0, 3, 5]))
    tensor(2)
    """
    return Tensor(_core.count_nonzero(input._array, dims_of(dim)))
