"""What the elementwise operations share: operands, results, and rules for inputs that were broadcast."""

from __future__ import annotations

import numpy as np

from nncore import _core
from nncore.autograd import is_grad_enabled, record
from nncore.ops.inplace import check_writable, value_before_write, write
from nncore.ops.reduce import unbroadcast
from nncore.tensor import Tensor

Number = float | int | bool


def operand(x):
    """An argument as the native side takes it: an array or a number."""
    if isinstance(x, Tensor):
        return x._array
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, np.ndarray):
        return _core.from_buffer(x)
    return x


def native(function, *inputs, out: Tensor | None = None, params: tuple = ()) -> Tensor:
    """The result of a native function on tensors or numbers, written to `out` where one is given."""
    arrays = [x._array if type(x) is Tensor else operand(x) for x in inputs]
    if out is None:
        return Tensor(function(*arrays, *params))
    if not isinstance(out, Tensor):
        raise TypeError(f"{function.__name__}: expected a tensor as out, got {type(out).__name__}")
    if is_grad_enabled():
        for x in (*inputs, out):
            if isinstance(x, Tensor) and x._requires_grad:
                raise RuntimeError(
                    f"{function.__name__}(): functions with out=... arguments don't support automatic differentiation, "
                    "but one of the arguments requires grad."
                )
    function(*arrays, *params, out=out._array)
    return out


def fit(g: Tensor, like: tuple) -> Tensor:
    """A gradient with the shape and dtype of the input that it belongs to."""
    shape, dtype = like
    g = unbroadcast(g, shape)
    return g if g._array.dtype is dtype else g.to(dtype)


class BinaryRule:
    """The gradient rule of z = f(x, y) from those for x and y: as they are where x and y have the shape and dtype of
    z, and fitted to the inputs where something was broadcast or promoted."""

    __slots__ = ("fitted", "plain")

    def __init__(self, for_x, for_y):
        self.plain = (for_x, for_y)
        self.fitted = (
            lambda gy, like_x, like_y, *saved: fit(for_x(gy, *saved), like_x),
            lambda gy, like_x, like_y, *saved: fit(for_y(gy, *saved), like_y),
        )


def record_binary(name: str, z: Tensor, x, y, rule: BinaryRule, saved: tuple = ()) -> Tensor:
    """Records z = f(x, y), where x or y may be a number."""
    inputs = (x if isinstance(x, Tensor) else None, y if isinstance(y, Tensor) else None)
    for t in inputs:
        if t is not None and t._requires_grad:
            break
    else:
        return z
    for t in inputs:
        if t is not None and not t._array.matches(z._array):
            break
    else:
        return record(name, z, inputs, rule.plain, saved)
    likes = [None if t is None else (t._array.shape, t._array.dtype) for t in inputs]
    return record(name, z, inputs, rule.fitted, (*likes, *saved))


def rule_of(name: str, second=None):
    """The gradient rule of a function with a fused derivative: its native backward, itself an operation with a rule.

    second(x, *params) is the second derivative; without it the first is piecewise constant.
    """
    function = getattr(_core, name + "_backward")

    def backward(gy: Tensor, x: Tensor, *params: float) -> Tensor:
        gx = native(function, gy, x, params=params)
        if second is None:
            return record(name + "_backward", gx, (gy,), rule, (x, *params))
        return record(name + "_backward", gx, (gy, x), second_rule, (gy, x, *params))

    rule = (backward,)
    second_rule = (
        lambda ggx, gy, x, *params: backward(ggx, x, *params),
        lambda ggx, gy, x, *params: ggx * gy * second(x, *params),
    )
    return rule


def zeros_like(x: Tensor) -> Tensor:
    """The gradient of what is flat everywhere."""
    return Tensor(_core.full(x._array.shape, 0, x._array.dtype, x._array.device))


def in_place(operation, x: Tensor, *args) -> Tensor:
    """x overwritten with operation(x, *args): what `inplace=True` asks for."""
    recorded = is_grad_enabled() and (x._requires_grad or any(isinstance(a, Tensor) and a._requires_grad for a in args))
    check_writable(operation.__name__ + "_", x, recorded)
    write(x, value_before_write(operation, x, *args), recorded)
    return x
