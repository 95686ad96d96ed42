"""Arithmetic of two operands, each operation with its gradient rule right under it. Operands broadcast."""

from __future__ import annotations

import math

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.autograd import is_grad_enabled, record
from nncore.ops.apply import BinaryRule, Number, native, operand, record_binary, zeros_like
from nncore.ops.inplace import before, check_writable, inplace_method, write
from nncore.ops.require import require
from nncore.tensor import Tensor, tensor_method


@tensor_method
def add(input: Tensor, other: Tensor | Number, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """input + alpha * other.

    >>> nc.add(nc.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    other = other if alpha == 1 else _scaled("add", input, other, alpha)
    return record_binary("add", native(_core.add, input, other, out=out), input, other, _add_rule)


_add_rule = BinaryRule(lambda gz: gz, lambda gz: gz)


def _scaled(name: str, input, other, alpha: Number):
    """other times alpha, in the dtype of the result: only there is the product sure to fit."""
    dtype = _core.result_type(operand(input), operand(other))
    if isinstance(alpha, float) and not dtype.is_floating_point:
        raise RuntimeError(f"{name}: For integral input tensors, argument alpha must not be a floating point number.")
    if isinstance(other, Tensor):
        return other.to(dtype) * alpha
    return type(other)(other * alpha)


@tensor_method
def sub(input: Tensor, other: Tensor | Number, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """input - alpha * other.

    >>> nc.sub(nc.tensor([1.0, 2.0]), nc.tensor([3.0, 5.0]))
    tensor([-2., -3.])
    """
    other = other if alpha == 1 else _scaled("sub", input, other, alpha)
    return record_binary("sub", native(_core.sub, input, other, out=out), input, other, _sub_rule)


_sub_rule = BinaryRule(lambda gz: gz, lambda gz: -gz)


@tensor_method
def mul(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """input * other.

    >>> nc.mul(nc.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    z = native(_core.mul, input, other, out=out)
    return record_binary("mul", z, input, other, _mul_rule, (_if_needed(input, other), _if_needed(other, input)))


_mul_rule = BinaryRule(lambda gz, x, y: gz * y, lambda gz, x, y: gz * x)


@tensor_method
def div(
    input: Tensor, other: Tensor | Number, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """input / other; integers divide as float32. rounding_mode "floor" rounds down, "trunc" toward zero.

    >>> nc.div(nc.tensor([7, -7]), 2)
    tensor([ 3.5000, -3.5000])
    >>> nc.div(nc.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode == "floor":
        return floor_divide(input, other, out=out)
    if rounding_mode == "trunc":
        return _truncated_quotient(input, other, out)
    if rounding_mode is not None:
        raise RuntimeError(
            f"div: expected rounding_mode to be one of None, 'trunc', or 'floor', but found '{rounding_mode}'"
        )
    z = native(_core.div, input, other, out=out)
    return record_binary("div", z, input, other, _div_rule, (_if_needed(input, other), other))


_div_rule = BinaryRule(lambda gz, x, y: gz / y, lambda gz, x, y: -gz * ((x / y) / y))


def _truncated_quotient(input, other, out):
    if _is_integral(input) and _is_integral(other):
        _refuse_zero(input, other)
        rest = native(_core.fmod, input, other)
        return native(_core.floor_divide, native(_core.sub, input, rest), other, out=out)
    z = native(_core.div, input, other)
    return record_binary("div", native(_core.trunc, z, out=out), input, other, _flat_rule)


_flat_rule = BinaryRule(zeros_like, zeros_like)


@tensor_method
def floor_divide(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """The quotient rounded down, as Python's `//`. Integers divided by 0 raise RuntimeError.

    >>> nc.floor_divide(nc.tensor([7.0, -7.0]), 2)
    tensor([ 3., -4.])
    """
    _refuse_zero(input, other)
    return record_binary("floor_divide", native(_core.floor_divide, input, other, out=out), input, other, _flat_rule)


@tensor_method
def remainder(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """What `floor_divide` leaves, with the sign of other, as Python's `%`. Integers modulo 0 raise RuntimeError.

    >>> nc.remainder(nc.tensor([-3.0, 5.0]), 2)
    tensor([1., 1.])
    """
    _refuse_zero(input, other)
    z = native(_core.remainder, input, other, out=out)
    return record_binary("remainder", z, input, other, _remainder_rule, (input, other))


_remainder_rule = BinaryRule(lambda gz, x, y: gz, lambda gz, x, y: -gz * floor_divide(x, y))


@tensor_method
def fmod(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """What division rounded toward zero leaves, with the sign of input, as C's `fmod`.

    >>> nc.fmod(nc.tensor([-3.0, 5.0]), 2)
    tensor([-1.,  1.])
    """
    _refuse_zero(input, other)
    z = native(_core.fmod, input, other, out=out)
    return record_binary("fmod", z, input, other, _fmod_rule, (input, other))


_fmod_rule = BinaryRule(lambda gz, x, y: gz, lambda gz, x, y: -gz * div(x, y, rounding_mode="trunc"))


@tensor_method
@casts_wide("cuda")
def pow(input: Tensor | Number, exponent: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """input to the power of exponent. Integers to negative integer numbers raise RuntimeError.

    >>> nc.pow(nc.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    if _is_integral(input) and isinstance(exponent, int) and exponent < 0:
        raise RuntimeError("pow: Integers to negative integer powers are not allowed.")
    if not isinstance(exponent, Tensor):
        if not isinstance(input, Tensor):
            raise TypeError(f"pow: expected a tensor as input or exponent, got {input!r} and {exponent!r}")
        z = _constant_power(input, operand(exponent), out)
        return record("pow", z, (input,), _power_rule, (input, exponent))
    z = native(_core.pow, input, exponent, out=out)
    return record_binary("pow", z, input, exponent, _pow_rule, (input, exponent, z))


def _constant_power(x: Tensor, n: Number, out: Tensor | None) -> Tensor:
    """Common exponents as what they mean. They agree with the general case to an ulp; roots are NaN below 0."""
    floating = x._array.is_floating
    if n == 2 and x._array.dtype is not _core.dtype.bool:
        return native(_core.mul, x, x if floating or isinstance(n, int) else x.to(_core.dtype.float32), out=out)
    if n == -1 and floating:
        return native(_core.reciprocal, x, out=out)
    if n == 0.5 and floating:
        return native(_core.sqrt, x, out=out)
    if n == -0.5 and floating:
        return native(_core.rsqrt, x, out=out)
    return native(_core.pow, x, n, out=out)


def _power_gradient(gz: Tensor, x: Tensor, n: Number) -> Tensor:
    if n == 0:
        return zeros_like(gz)
    return gz * n if n == 1 else gz * (x * 2) if n == 2 else gz * (pow(x, n - 1) * n)


def _pow_gradient_y(gz: Tensor, x, y: Tensor, z: Tensor) -> Tensor:
    """gz x^y log x, with 0 where x is 0 and y >= 0, the limit from above."""
    log = x.log() if isinstance(x, Tensor) else math.log(x) if x > 0 else -math.inf if x == 0 else math.nan
    flat = (x == 0) & (y >= 0) if isinstance(x, Tensor) else (y >= 0) if x == 0 else None
    g = gz * (z * log)
    return g if flat is None else where(flat, 0.0, g)


def _pow_gradient_x(gz: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return where(y == 0, 0.0, gz * (y * pow(x, y - 1)))


_power_rule = (_power_gradient,)
_pow_rule = BinaryRule(_pow_gradient_x, _pow_gradient_y)


@tensor_method
def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of the two, NaN where either is NaN. Where they are equal each gets half of the gradient.

    >>> nc.maximum(nc.tensor([1.0, 5.0]), nc.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    z = native(_core.maximum, input, other, out=out)
    return record_binary("maximum", z, input, other, _maximum_rule, (input, other))


@tensor_method
def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of the two, NaN where either is NaN. Where they are equal each gets half of the gradient.

    >>> nc.minimum(nc.tensor([1.0, 5.0]), nc.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    z = native(_core.minimum, input, other, out=out)
    return record_binary("minimum", z, input, other, _minimum_rule, (input, other))


_maximum_rule = BinaryRule(
    lambda gz, x, y: where(x == y, gz / 2, where(x < y, 0.0, gz)),
    lambda gz, x, y: where(x == y, gz / 2, where(x > y, 0.0, gz)),
)
_minimum_rule = BinaryRule(
    lambda gz, x, y: where(x == y, gz / 2, where(x > y, 0.0, gz)),
    lambda gz, x, y: where(x == y, gz / 2, where(x < y, 0.0, gz)),
)


@tensor_method
def atan2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of the point (other, input), in radians from -pi to pi.

    >>> nc.atan2(nc.tensor([1.0, -1.0]), nc.tensor([0.0, 0.0]))
    tensor([ 1.5708, -1.5708])
    """
    z = native(_core.atan2, input, other, out=out)
    return record_binary("atan2", z, input, other, _atan2_rule, (input, other))


def _over_squares(a: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """a / (x^2 + y^2), and 0 at the origin."""
    squares = x * x + y * y
    return a * where(squares == 0, 0.0, 1 / squares)


_atan2_rule = BinaryRule(
    lambda gz, y, x: gz * _over_squares(x, x, y),
    lambda gz, y, x: -gz * _over_squares(y, x, y),
)


@tensor_method
def where(condition: Tensor, input: Tensor | Number | None = None, other: Tensor | Number | None = None):
    """input where the condition holds, other elsewhere; of the condition alone, where it holds, as nonzero's tuple.

    >>> nc.where(nc.tensor([True, False]), nc.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    if not isinstance(condition, Tensor):
        raise TypeError(f"where: expected a tensor as condition, got {type(condition).__name__}")
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    z = native(_core.where, condition, input, other)
    return record_binary("where", z, input, other, _where_rule, (condition,))


_where_rule = BinaryRule(lambda gz, c: where(c, gz, 0.0), lambda gz, c: where(c, 0.0, gz))
Tensor.where = lambda self, condition, other: where(condition, self, other)


@tensor_method
def lerp(input: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """input + weight * (end - input).

    >>> nc.lerp(nc.tensor([0.0, 10.0]), nc.tensor([1.0, 20.0]), 0.5)
    tensor([ 0.5000, 15.0000])
    """
    return input + weight * (end - input)


@tensor_method
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 * tensor2.

    >>> nc.addcmul(nc.tensor([1.0]), nc.tensor([2.0]), nc.tensor([3.0]), value=0.5)
    tensor([4.])
    """
    return input + (tensor1 * tensor2 if value == 1 else value * tensor1 * tensor2)


@tensor_method
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 / tensor2.

    >>> nc.addcdiv(nc.tensor([1.0]), nc.tensor([6.0]), nc.tensor([3.0]))
    tensor([3.])
    """
    return input + (tensor1 / tensor2 if value == 1 else value * tensor1 / tensor2)


def _full(input: Tensor, value: Number | Tensor) -> Tensor:
    """A tensor like input with one value everywhere."""
    x = input._array
    y = Tensor(_core.full(x.shape, _only(value), x.dtype, x.device))
    if not isinstance(value, Tensor):
        return record("fill", y, (input,), (zeros_like,))
    return record("fill", y, (input, value), _full_rule, (value.dtype,))


_full_rule = (lambda gy, dtype: zeros_like(gy), lambda gy, dtype: gy.sum().to(dtype))


@tensor_method
def fill_(self: Tensor, value: Tensor | Number) -> Tensor:
    """Writes one value everywhere.

    >>> nc.ones(2).fill_(3)
    tensor([3., 3.])
    """
    return _fill_in_place("fill_", self, value)


@tensor_method
def zero_(self: Tensor) -> Tensor:
    """Writes 0 everywhere.

    >>> nc.ones(2).zero_()
    tensor([0., 0.])
    """
    return _fill_in_place("zero_", self, 0)


def _fill_in_place(name: str, x: Tensor, value: Tensor | Number) -> Tensor:
    recorded = is_grad_enabled() and (x._requires_grad or (isinstance(value, Tensor) and value._requires_grad))
    check_writable(name, x, recorded, one_value=not isinstance(value, Tensor))
    if recorded:
        write(x, _full(before(x), value), recorded)
        return x
    _core.fill(x._array, _only(value))
    return x


def _only(value: Tensor | Number) -> Number:
    """A number, or the only element of a tensor without dimensions."""
    if not isinstance(value, Tensor):
        return value
    if value.ndim:
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    return value.item()


def _if_needed(x, other):
    """x, which only the gradient of other needs, where other wants one: what is not saved may change in place."""
    return x if isinstance(other, Tensor) and other._requires_grad else None


def _is_integral(x) -> bool:
    return not x._array.is_floating if isinstance(x, Tensor) else isinstance(x, int)


def _refuse_zero(x, y) -> None:
    if not (_is_integral(x) and _is_integral(y)):
        return
    if isinstance(y, Tensor):
        require(y, RuntimeError, "ZeroDivisionError")
    elif y == 0:
        raise RuntimeError("ZeroDivisionError")


true_divide = divide = div
subtract, multiply, arctan2 = sub, mul, atan2
Tensor.true_divide, Tensor.divide, Tensor.subtract, Tensor.multiply, Tensor.arctan2 = div, div, sub, mul, atan2
for _operation in (add, sub, mul, div):
    inplace_method(_operation, takes_out=True, direct=getattr(_core, _operation.__name__))
for _operation in (floor_divide, remainder, fmod, pow, atan2):
    inplace_method(_operation, takes_out=True)
for _operation in (lerp, addcmul, addcdiv):
    inplace_method(_operation)
Tensor.true_divide_ = Tensor.divide_ = Tensor.div_
Tensor.subtract_, Tensor.multiply_, Tensor.arctan2_ = Tensor.sub_, Tensor.mul_, Tensor.atan2_
