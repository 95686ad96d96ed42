"""Elementwise operations, each with its gradient rule right under it."""

from __future__ import annotations

from nncore import _core
from nncore.autograd import record
from nncore.ops.inplace import inplace_method
from nncore.tensor import Tensor, tensor_method


def _array(x):
    return x._array if isinstance(x, Tensor) else x


@tensor_method
def add(input: Tensor, other: Tensor | float, *, alpha: float = 1, out: Tensor | None = None) -> Tensor:
    """input + alpha * other, broadcast.

    >>> nc.add(nc.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    if alpha != 1:
        other = other * alpha
    z = Tensor(_core.add(_array(input), _array(other), _array(out)))
    return record("add", z, (input, other if isinstance(other, Tensor) else None), _add_rule)


_add_rule = (lambda gy: gy, lambda gy: gy)
Tensor.__add__ = Tensor.__radd__ = lambda self, other: add(self, other)
inplace_method(add, takes_out=True)


@tensor_method
def relu(input: Tensor) -> Tensor:
    """max(x, 0), element by element; NaN stays NaN.

    >>> nc.relu(nc.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    y = Tensor(_core.relu(input._array))
    return record("relu", y, (input,), _relu_rule, (y,))


_relu_rule = (lambda gy, y: relu_backward(gy, y),)


def relu_backward(gy: Tensor, y: Tensor) -> Tensor:
    """gy where y > 0, else 0: the gradient of relu from its result."""
    gx = Tensor(_core.relu_backward(gy._array, y._array))
    return record("relu_backward", gx, (gy,), _relu_backward_rule, (y,))


_relu_backward_rule = (lambda ggx, y: relu_backward(ggx, y),)  # linear in gy, and flat in y
