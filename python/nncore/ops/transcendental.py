"""Transcendental functions: exponentials, logarithms, angles and the error function, each with its gradient rule right
under it. The errors are stated in units in the last place; tests/test_math_accuracy.py measures them.
"""

from __future__ import annotations

import math

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.autograd import record
from nncore.ops.apply import native
from nncore.ops.inplace import inplace_method
from nncore.ops.pointwise import rsqrt
from nncore.tensor import Tensor, tensor_method

_LN2, _LN10 = math.log(2), math.log(10)


@tensor_method
@casts_wide("cuda")
def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e^x. Error at most 1 ulp.

    >>> nc.exp(nc.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    y = native(_core.exp, input, out=out)
    return record("exp", y, (input,), _exp_rule, (y,))


_exp_rule = (lambda gy, y: gy * y,)


@tensor_method
def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """2^x.

    >>> nc.exp2(nc.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """
    y = native(_core.exp2, input, out=out)
    return record("exp2", y, (input,), _exp2_rule, (y,))


_exp2_rule = (lambda gy, y: gy * (y * _LN2),)


@tensor_method
@casts_wide("cuda")
def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e^x - 1, exact to 2 ulp also where x is small.

    >>> nc.expm1(nc.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """
    y = native(_core.expm1, input, out=out)
    return record("expm1", y, (input,), _expm1_rule, (y,))


_expm1_rule = (lambda gy, y: gy * (y + 1),)


@tensor_method
@casts_wide("cuda")
def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The natural logarithm; NaN below 0. Error at most 1 ulp.

    >>> nc.log(nc.tensor([1.0, 10.0]))
    tensor([0.0000, 2.3026])
    """
    return record("log", native(_core.log, input, out=out), (input,), _log_rule, (input,))


_log_rule = (lambda gy, x: gy / x,)


@tensor_method
@casts_wide("cuda")
def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm to base 2.

    >>> nc.log2(nc.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """
    return record("log2", native(_core.log2, input, out=out), (input,), _log2_rule, (input,))


_log2_rule = (lambda gy, x: gy / (x * _LN2),)


@tensor_method
@casts_wide("cuda")
def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm to base 10.

    >>> nc.log10(nc.tensor([1.0, 1000.0]))
    tensor([0., 3.])
    """
    return record("log10", native(_core.log10, input, out=out), (input,), _log10_rule, (input,))


_log10_rule = (lambda gy, x: gy / (x * _LN10),)


@tensor_method
@casts_wide("cuda")
def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(1 + x), exact to 1 ulp also where x is small.

    >>> nc.log1p(nc.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    return record("log1p", native(_core.log1p, input, out=out), (input,), _log1p_rule, (input,))


_log1p_rule = (lambda gy, x: gy / (x + 1),)


@tensor_method
def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sine of x, in radians. Error at most 2.1 ulp.

    >>> nc.sin(nc.tensor([0.0, 1.5708]))
    tensor([0., 1.])
    """
    return record("sin", native(_core.sin, input, out=out), (input,), _sin_rule, (input,))


_sin_rule = (lambda gy, x: gy * cos(x),)


@tensor_method
def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The cosine of x, in radians. Error at most 2.1 ulp.

    >>> nc.cos(nc.tensor([0.0, 3.1416]))
    tensor([ 1., -1.])
    """
    return record("cos", native(_core.cos, input, out=out), (input,), _cos_rule, (input,))


_cos_rule = (lambda gy, x: -gy * sin(x),)


@tensor_method
@casts_wide("cuda")
def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The tangent of x, in radians.

    >>> nc.tan(nc.tensor([0.0, 0.7854]))
    tensor([0.0000, 1.0000])
    """
    y = native(_core.tan, input, out=out)
    return record("tan", y, (input,), _tan_rule, (y,))


_tan_rule = (lambda gy, y: gy * (y * y + 1),)


@tensor_method
@casts_wide("cuda")
def asin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN where there is none.

    >>> nc.asin(nc.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """
    return record("asin", native(_core.asin, input, out=out), (input,), _asin_rule, (input,))


_asin_rule = (lambda gy, x: gy * rsqrt(1 - x * x),)


@tensor_method
@casts_wide("cuda")
def acos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [0, pi] whose cosine is x; NaN where there is none.

    >>> nc.acos(nc.tensor([1.0, 0.0]))
    tensor([0.0000, 1.5708])
    """
    return record("acos", native(_core.acos, input, out=out), (input,), _acos_rule, (input,))


_acos_rule = (lambda gy, x: -gy * rsqrt(1 - x * x),)


@tensor_method
def atan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in (-pi/2, pi/2) whose tangent is x.

    >>> nc.atan(nc.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """
    return record("atan", native(_core.atan, input, out=out), (input,), _atan_rule, (input,))


_atan_rule = (lambda gy, x: gy / (x * x + 1),)


@tensor_method
@casts_wide("cuda")
def sinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(e^x - e^-x) / 2.

    >>> nc.sinh(nc.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """
    return record("sinh", native(_core.sinh, input, out=out), (input,), _sinh_rule, (input,))


_sinh_rule = (lambda gy, x: gy * cosh(x),)


@tensor_method
@casts_wide("cuda")
def cosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(e^x + e^-x) / 2.

    >>> nc.cosh(nc.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """
    return record("cosh", native(_core.cosh, input, out=out), (input,), _cosh_rule, (input,))


_cosh_rule = (lambda gy, x: gy * sinh(x),)


@tensor_method
def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x. Error at most 2.5 ulp.

    >>> nc.erf(nc.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """
    return record("erf", native(_core.erf, input, out=out), (input,), _erf_rule, (input,))


_erf_rule = (lambda gy, x: gy * (exp(-(x * x)) * (2 / math.sqrt(math.pi))),)


for _operation in (exp, exp2, expm1, log, log2, log10, log1p, sin, cos, tan, asin, acos, atan, sinh, cosh, erf):
    inplace_method(_operation, takes_out=True)
arccos, arcsin, arctan = acos, asin, atan
Tensor.arccos, Tensor.arcsin, Tensor.arctan = acos, asin, atan
Tensor.arccos_, Tensor.arcsin_, Tensor.arctan_ = Tensor.acos_, Tensor.asin_, Tensor.atan_
