"""Variances, norms and the logarithm of sums of exponentials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.autograd import record
from nncore.ops.reduce import _elements, _evenly, _kept, dims_of
from nncore.tensor import Tensor, tensor_method

if TYPE_CHECKING:
    from nncore.ops.reduce import Dims


def _spreading(name: str, input: Tensor, dim, unbiased, correction, keepdim: bool, root: bool) -> tuple:
    """(variance or standard deviation, mean), and what the rules save."""
    if isinstance(dim, bool):  # var(unbiased), the old form
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    dims = dims_of(dim)
    y, m = map(Tensor, _core.var_mean(input._array, dims, correction, keepdim, root))
    return y, m, (input, dims, correction)


def _over(gy: Tensor, y: Tensor) -> Tensor:
    """gy / y, and 0 where y is 0, with all its derivatives."""
    return gy / y.masked_fill(y == 0, math.inf)


def _deviation(x: Tensor, dims: tuple | None, correction: float) -> Tensor:
    """(x - mean) / max(0, count - correction): half the derivative of the variance."""
    freedom = max(0.0, _elements(x._array.shape, dims) - correction)
    return (x - x.mean(dims, keepdim=True)) / freedom


def _var_gradient(gy: Tensor, x: Tensor, dims: tuple | None, correction: float) -> Tensor:
    return _kept(2 * gy, x._array.shape, dims) * _deviation(x, dims, correction)


def _std_gradient(gy: Tensor, x: Tensor, dims: tuple | None, correction: float, y: Tensor) -> Tensor:
    g = _over(gy, y)  # flat where all elements are equal, as in PyTorch
    return _kept(g, x._array.shape, dims) * _deviation(x, dims, correction)


_var_rule = (_var_gradient,)
_std_rule = (_std_gradient,)


@tensor_method
def var(input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction=None):
    """The variance: sum of (x - mean)^2 divided by the number of elements less `correction` (1, unless unbiased=False).

    >>> nc.var(nc.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor(1.6667)
    """
    y, _, saved = _spreading("var", input, dim, unbiased, correction, keepdim, False)
    return record("var", y, (input,), _var_rule, saved)


@tensor_method
def std(input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction=None):
    """The standard deviation, the square root of `var`.

    >>> nc.std(nc.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor(1.2910)
    """
    y, _, saved = _spreading("std", input, dim, unbiased, correction, keepdim, True)
    return record("std", y, (input,), _std_rule, (*saved, y))


def _with_mean(for_first):
    """The rule of (variance or deviation, mean) from the rule of the first."""

    def rule(gy: tuple, x: Tensor, dims: tuple | None, correction: float, *saved) -> tuple:
        gx = None if gy[0] is None else for_first(gy[0], x, dims, correction, *saved)
        if gy[1] is not None:
            shape = x._array.shape
            from_mean = _kept(gy[1] / max(_elements(shape, dims), 1), shape, dims).expand(shape)
            gx = from_mean if gx is None else gx + from_mean
        return (gx,)

    return rule


_var_mean_rule = _with_mean(_var_gradient)
_std_mean_rule = _with_mean(_std_gradient)


def var_mean(input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction=None):
    """(variance, mean), computed together.

    >>> nc.var_mean(nc.tensor([1.0, 3.0]))
    (tensor(2.), tensor(2.))
    """
    y, m, saved = _spreading("var_mean", input, dim, unbiased, correction, keepdim, False)
    return record("var_mean", (y, m), (input,), _var_mean_rule, saved)


def std_mean(input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction=None):
    """(standard deviation, mean), computed together.

    >>> nc.std_mean(nc.tensor([1.0, 3.0]), correction=0)
    (tensor(1.), tensor(2.))
    """
    y, m, saved = _spreading("std_mean", input, dim, unbiased, correction, keepdim, True)
    return record("std_mean", (y, m), (input,), _std_mean_rule, (*saved, y))


@tensor_method
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum of exp(x)) over the dimensions, without overflow: the largest element is taken out first.

    >>> nc.logsumexp(nc.tensor([-1000.0, -1000.0]), 0)
    tensor(-999.3068)
    """
    x = input if input.is_floating_point() else input.to(_core.dtype.float32)
    dims = dims_of(dim)
    y = Tensor(_core.logsumexp(x._array, dims, keepdim))
    return record("logsumexp", y, (x,), _logsumexp_rule, (x, y, dims))


def _logsumexp_gradient(gy: Tensor, x: Tensor, y: Tensor, dims: tuple | None) -> Tensor:
    shape = x._array.shape
    return _kept(gy, shape, dims) * (x - _kept(y, shape, dims)).exp()


_logsumexp_rule = (_logsumexp_gradient,)


def vector_norm(x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """(sum of |x|^ord)^(1/ord) over the dimensions; the largest |x| for inf, the least for -inf, a count for 0.

    >>> nc.linalg.vector_norm(nc.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = x if dtype is None else x.to(dtype)
    dims = dims_of(dim)
    y = Tensor(_core.vector_norm(x._array, ord, dims, keepdim))
    return record("vector_norm", y, (x,), _norm_rule, (x, y, float(ord), dims))


def _norm_gradient(gy: Tensor, x: Tensor, y: Tensor, p: float, dims: tuple | None) -> Tensor | None:
    """Where the norm is not smooth: 0 at 0, and equal parts to equal largest elements, as in PyTorch."""
    shape = x._array.shape
    if p == 0:
        return None  # a count
    if p == 1:
        return _kept(gy, shape, dims) * x.sign()
    if math.isinf(p):
        return _evenly(gy, x.abs(), y, dims) * x.sign()
    at_0 = y == 0
    some = y.masked_fill(at_0, 1.0)  # so that no division by 0 is on the tape
    if p == 2:
        return x * _kept((gy / some).masked_fill(at_0, 0.0), shape, dims)
    scale = (gy / some ** (p - 1)).masked_fill(at_0, 0.0)
    slope = x.sign() * x.abs() ** (p - 1)
    return _kept(scale, shape, dims) * (slope.masked_fill(x == 0, 0.0) if p < 2 else slope)


_norm_rule = (_norm_gradient,)


@tensor_method
@casts_wide("cuda")
def norm(input: Tensor, p: float | str | None = "fro", dim: Dims = None, keepdim: bool = False, dtype=None) -> Tensor:
    """The p-norm of the elements over the dimensions, `linalg.vector_norm`; "fro" is 2.

    >>> nc.norm(nc.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: expected a number or 'fro', got {p!r}")
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype)
