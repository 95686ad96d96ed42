"""Comparisons and logic. Their results are boolean and take part in no gradient."""

from __future__ import annotations

import math

import numpy as np

from nncore import _core
from nncore.ops.apply import Number, native
from nncore.ops.creation import get_default_dtype
from nncore.ops.inplace import inplace_method
from nncore.tensor import Tensor, tensor_method


def _predicate(name: str, says: str, example: str):
    function = getattr(_core, name)

    def operation(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
        return native(function, input, other, out=out)

    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = f"Where {says}, broadcast.\n\n{example}"
    return tensor_method(operation)


eq = _predicate("eq", "input equals other", "    >>> nc.eq(nc.tensor([1, 2]), 2)\n    tensor([False,  True])\n    ")
ne = _predicate(
    "ne", "input differs from other", "    >>> nc.ne(nc.tensor([1, 2]), 2)\n    tensor([ True, False])\n    "
)
lt = _predicate(
    "lt", "input is less than other", "    >>> nc.lt(nc.tensor([1, 2]), 2)\n    tensor([ True, False])\n    "
)
le = _predicate("le", "input is at most other", "    >>> nc.le(nc.tensor([1, 3]), 2)\n    tensor([ True, False])\n    ")
gt = _predicate(
    "gt", "input is greater than other", "    >>> nc.gt(nc.tensor([1, 3]), 2)\n    tensor([False,  True])\n    "
)
ge = _predicate(
    "ge", "input is at least other", "    >>> nc.ge(nc.tensor([1, 2]), 2)\n    tensor([False,  True])\n    "
)
logical_and = _predicate(
    "logical_and",
    "neither is 0",
    "    >>> nc.logical_and(nc.tensor([0, 1]), nc.tensor([1, 2]))\n    tensor([False,  True])\n    ",
)
logical_or = _predicate(
    "logical_or",
    "one or both are not 0",
    "    >>> nc.logical_or(nc.tensor([0, 1]), nc.tensor([0, 2]))\n    tensor([False,  True])\n    ",
)
logical_xor = _predicate(
    "logical_xor",
    "exactly one is not 0",
    "    >>> nc.logical_xor(nc.tensor([0, 1]), nc.tensor([1, 2]))\n    tensor([ True, False])\n    ",
)


@tensor_method
def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Where input is 0.

    >>> nc.logical_not(nc.tensor([0, 3]))
    tensor([ True, False])
    """
    return native(_core.eq, input, 0, out=out)


@tensor_method
def bitwise_and(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """The bits that both have; for booleans, logical and.

    >>> nc.tensor([True, True]) & nc.tensor([True, False])
    tensor([ True, False])
    """
    return native(_core.bitwise_and, input, other, out=out)


@tensor_method
def bitwise_or(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """The bits that either has; for booleans, logical or.

    >>> nc.tensor([False, True]) | nc.tensor([False, False])
    tensor([False,  True])
    """
    return native(_core.bitwise_or, input, other, out=out)


@tensor_method
def bitwise_xor(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """The bits that exactly one has; for booleans, whether they differ.

    >>> nc.tensor([False, True]) ^ nc.tensor([True, True])
    tensor([ True, False])
    """
    return native(_core.bitwise_xor, input, other, out=out)


@tensor_method
def bitwise_left_shift(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """The bits moved up by `other` places, and 0 below; 0 where other is negative or pushes all of them out.

    >>> nc.tensor([1, 2]) << 3
    tensor([ 8, 16])
    """
    return native(_core.bitwise_left_shift, input, other, out=out)


@tensor_method
def bitwise_right_shift(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """The bits moved down by `other` places; the sign stays.

    >>> nc.tensor([9, -9]) >> 1
    tensor([ 4, -5])
    """
    return native(_core.bitwise_right_shift, input, other, out=out)


@tensor_method
def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All bits flipped; for booleans, logical not.

    >>> ~nc.tensor([False, True])
    tensor([ True, False])
    """
    if input.dtype is _core.dtype.bool:
        return logical_not(input, out=out)
    return native(_core.bitwise_xor, input, 255 if input.dtype is _core.dtype.uint8 else -1, out=out)


@tensor_method
def isnan(input: Tensor) -> Tensor:
    """Where input is not a number.

    >>> nc.isnan(nc.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return native(_core.ne, input, input)


@tensor_method
def isinf(input: Tensor) -> Tensor:
    """Where input is infinite, of either sign.

    >>> nc.isinf(nc.tensor([1.0, -float("inf")]))
    tensor([False,  True])
    """
    if not input.is_floating_point():
        return native(_core.ne, input, input)
    return native(_core.eq, native(_core.abs, input), math.inf)


@tensor_method
def isfinite(input: Tensor) -> Tensor:
    """Where input is neither infinite nor NaN.

    >>> nc.isfinite(nc.tensor([1.0, float("nan")]))
    tensor([ True, False])
    """
    if not input.is_floating_point():
        return native(_core.eq, input, input)
    return native(_core.lt, native(_core.abs, input), math.inf)


@tensor_method
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Where |input - other| <= atol + rtol |other|; equal infinities are close.

    >>> nc.isclose(nc.tensor([1.0, 2.0]), nc.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    if input.dtype != other.dtype:
        raise RuntimeError(f"isclose: expected both of one dtype, got {input.dtype} and {other.dtype}")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise RuntimeError(f"isclose: {name} must be greater than or equal to zero, but got {tolerance}")
    x, y = input.detach(), other.detach()
    close = x == y
    if equal_nan and input.is_floating_point():
        close = close | (isnan(x) & isnan(y))
    if rtol or atol:
        if not input.is_floating_point():
            x, y = x.to(get_default_dtype()), y.to(get_default_dtype())
        distance = (x - y).abs()
        close = close | ((distance <= (y * rtol).abs() + atol) & isfinite(distance))
    return close


@tensor_method
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close, as `isclose` says.

    >>> nc.allclose(nc.tensor([1.0, 2.0]), nc.tensor([1.0, 2.0 + 1e-6]))
    True
    """
    return bool(np.all(isclose(input, other, rtol, atol, equal_nan).cpu().numpy()))


@tensor_method
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements.

    >>> nc.equal(nc.tensor([1, 2]), nc.tensor([1, 2]))
    True
    """
    return input.shape == other.shape and bool(np.all(native(_core.eq, input, other).cpu().numpy()))


for _operation in (bitwise_and, bitwise_or, bitwise_xor, bitwise_not, bitwise_left_shift, bitwise_right_shift):
    inplace_method(_operation, takes_out=True)
for _operation in (eq, ne, lt, le, gt, ge, logical_and, logical_or, logical_xor, logical_not):
    inplace_method(_operation)
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
for _name in ("greater", "greater_equal", "less", "less_equal", "not_equal"):
    setattr(Tensor, _name, globals()[_name])
    setattr(Tensor, _name + "_", getattr(Tensor, globals()[_name].__name__ + "_"))
