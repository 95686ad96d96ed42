"""Signs, rounding, roots and clamping: algebra on one operand, each operation with its gradient rule right under it."""

from __future__ import annotations

import builtins
import math

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.autograd import record
from nncore.ops.apply import Number, fit, native, rule_of, zeros_like
from nncore.ops.elementwise import where
from nncore.ops.inplace import inplace_method
from nncore.tensor import Tensor, tensor_method

_flat_rule = (zeros_like,)


@tensor_method
def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-x.

    >>> nc.neg(nc.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    if input.dtype is _core.dtype.bool:
        raise RuntimeError(
            "neg: Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    return record("neg", native(_core.neg, input, out=out), (input,), _neg_rule)


_neg_rule = (lambda gy: -gy,)


@tensor_method
def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """|x|. The derivative at 0 is 0.

    >>> nc.abs(nc.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    return record("abs", native(_core.abs, input, out=out), (input,), _abs_rule, (input,))


_abs_rule = (lambda gy, x: gy * x.sign(),)


@tensor_method
def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1: the sign of x; 0 for NaN.

    >>> nc.sign(nc.tensor([3.0, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    return record("sign", native(_core.sign, input, out=out), (input,), _flat_rule)


@tensor_method
def floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest whole number that is not above x.

    >>> nc.floor(nc.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return record("floor", native(_core.floor, input, out=out), (input,), _flat_rule)


@tensor_method
def ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest whole number that is not below x.

    >>> nc.ceil(nc.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return record("ceil", native(_core.ceil, input, out=out), (input,), _flat_rule)


@tensor_method
def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest whole number, the even one of two; with decimals, the nearest multiple of 10^-decimals.

    >>> nc.round(nc.tensor([0.5, 1.5, 2.7]))
    tensor([0., 2., 3.])
    """
    if decimals:
        scale = 10.0 ** builtins.abs(decimals)
        up, down = (_core.mul, _core.div) if decimals > 0 else (_core.div, _core.mul)
        y = native(down, native(_core.round, native(up, input.detach(), scale)), scale, out=out)
    else:
        y = native(_core.round, input, out=out)
    return record("round", y, (input,), _flat_rule)


@tensor_method
def trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x without its fraction.

    >>> nc.trunc(nc.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return record("trunc", native(_core.trunc, input, out=out), (input,), _flat_rule)


@tensor_method
def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x^2.

    >>> nc.square(nc.tensor([3.0, -2.0]))
    tensor([9., 4.])
    """
    return record("square", native(_core.square, input, out=out), (input,), _square_rule, (input,))


_square_rule = rule_of("square", lambda x: 2.0)


@tensor_method
def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The square root; NaN below 0.

    >>> nc.sqrt(nc.tensor([4.0, 2.0]))
    tensor([2.0000, 1.4142])
    """
    y = native(_core.sqrt, input, out=out)
    return record("sqrt", y, (input,), _sqrt_rule, (y,))


_sqrt_rule = (lambda gy, y: gy / (y * 2),)


@tensor_method
@casts_wide("cuda")
def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / sqrt(x).

    >>> nc.rsqrt(nc.tensor([4.0, 1.0]))
    tensor([0.5000, 1.0000])
    """
    y = native(_core.rsqrt, input, out=out)
    return record("rsqrt", y, (input,), _rsqrt_rule, (y,))


_rsqrt_rule = (lambda gy, y: gy * (y * y * y) * -0.5,)


@tensor_method
@casts_wide("cuda")
def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / x.

    >>> nc.reciprocal(nc.tensor([4.0, -2.0]))
    tensor([ 0.2500, -0.5000])
    """
    y = native(_core.reciprocal, input, out=out)
    return record("reciprocal", y, (input,), _reciprocal_rule, (y,))


_reciprocal_rule = (lambda gy, y: -gy * (y * y),)


@tensor_method
def clamp(
    input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None, *, out: Tensor | None = None
) -> Tensor:
    """x moved into [min, max]; either bound may be missing. NaN stays. The derivative at the bounds is 1.

    >>> nc.clamp(nc.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return _clamp_between(input, min, max, out)
    x = input
    if not x.is_floating_point() and (isinstance(min, float) or isinstance(max, float)):
        x = x.to(_core.dtype.float32)
    bounds = (-math.inf if min is None else min, math.inf if max is None else max)
    y = native(_core.clamp, x, params=bounds, out=out)
    return record("clamp", y, (x,), _clamp_rule, (x, *bounds))


def _clamp_backward(gy: Tensor, x: Tensor, min: float, max: float) -> Tensor:
    """gy where min <= x <= max, else 0."""
    gx = native(_core.clamp_backward, gy, x, params=(min, max))
    return record("clamp_backward", gx, (gy,), _clamp_rule, (x, min, max))


_clamp_rule = (_clamp_backward,)  # linear in gy, and flat in x


def _clamp_between(x: Tensor, low: Tensor | Number | None, high: Tensor | Number | None, out: Tensor | None) -> Tensor:
    """Bounds that are tensors, or of which one is: each element has its own."""
    if low is None:
        y = native(_core.minimum, x, high, out=out)
    elif high is None:
        y = native(_core.maximum, x, low, out=out)
    else:
        y = native(_core.minimum, native(_core.maximum, x, low), high, out=out)
    inputs = tuple(t if isinstance(t, Tensor) else None for t in (x, low, high))
    likes = tuple(None if t is None else (t._array.shape, t._array.dtype) for t in inputs)
    return record("clamp", y, inputs, _clamp_between_rule, (x, low, high, likes))


def _where_clamped(gy: Tensor, x: Tensor, low, high) -> tuple:
    """Masks for x, low and high: which of them an element of the result is. A high bound below the low one wins."""
    below = None if low is None else x < low
    above = None if high is None else x > high if low is None else (x > high) | (low > high)
    if low is not None and high is not None:
        below = below & (low < high)
    outside = below if above is None else above if below is None else (x < low) | (x > high)
    return ~outside, below, above


def _clamp_gradient(place: int):
    def gradient(gy: Tensor, x: Tensor, low, high, likes: tuple) -> Tensor:
        return fit(where(_where_clamped(gy, x, low, high)[place], gy, 0.0), likes[place])

    return gradient


_clamp_between_rule = tuple(_clamp_gradient(place) for place in range(3))


@tensor_method
def clamp_min(input: Tensor, min: Tensor | Number) -> Tensor:
    """x, but at least min.

    >>> nc.clamp_min(nc.tensor([-2.0, 0.5]), 0)
    tensor([0.0000, 0.5000])
    """
    return clamp(input, min=min)


@tensor_method
def clamp_max(input: Tensor, max: Tensor | Number) -> Tensor:
    """x, but at most max.

    >>> nc.clamp_max(nc.tensor([-2.0, 0.5]), 0)
    tensor([-2.,  0.])
    """
    return clamp(input, max=max)


absolute, negative, clip, fix = abs, neg, clamp, trunc
Tensor.absolute, Tensor.negative, Tensor.clip, Tensor.fix = abs, neg, clamp, trunc
for _operation in (neg, abs, sign, floor, ceil, round, trunc, square, sqrt, rsqrt, reciprocal):
    inplace_method(_operation, takes_out=True)
for _operation in (clamp, clamp_min, clamp_max):
    inplace_method(_operation)
Tensor.absolute_, Tensor.negative_, Tensor.clip_, Tensor.fix_ = Tensor.abs_, Tensor.neg_, Tensor.clamp_, Tensor.trunc_
