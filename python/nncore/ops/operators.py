"""Python's operators on tensors. One that meets what it cannot compute with leaves the answer to the other operand."""

from __future__ import annotations

import numpy as np

from nncore.ops import compare, elementwise, pointwise
from nncore.ops.creation import as_tensor
from nncore.tensor import Tensor

_OPERANDS = (Tensor, int, float, np.generic, np.ndarray)


def _operator(operation, reflected: bool = False):
    def method(self: Tensor, other):
        if type(other) is not Tensor:
            if not isinstance(other, _OPERANDS):
                return NotImplemented
            other = as_tensor(other) if isinstance(other, np.ndarray) else other
        return operation(other, self) if reflected else operation(self, other)

    return method


for _name, _operation in {
    "add": elementwise.add,
    "sub": elementwise.sub,
    "mul": elementwise.mul,
    "truediv": elementwise.div,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder,
    "pow": elementwise.pow,
    "and": compare.bitwise_and,
    "or": compare.bitwise_or,
    "xor": compare.bitwise_xor,
    "lshift": compare.bitwise_left_shift,
    "rshift": compare.bitwise_right_shift,
}.items():
    setattr(Tensor, f"__{_name}__", _operator(_operation))
    setattr(Tensor, f"__r{_name}__", _operator(_operation, reflected=True))
for _name, _method in {
    "add": "add_",
    "sub": "sub_",
    "mul": "mul_",
    "truediv": "div_",
    "floordiv": "floor_divide_",
    "mod": "remainder_",
    "pow": "pow_",
    "and": "bitwise_and_",
    "or": "bitwise_or_",
    "xor": "bitwise_xor_",
    "lshift": "bitwise_left_shift_",
    "rshift": "bitwise_right_shift_",
}.items():
    setattr(Tensor, f"__i{_name}__", getattr(Tensor, _method))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", _operator(getattr(compare, _name)))

Tensor.__neg__ = lambda self: pointwise.neg(self)
Tensor.__pos__ = lambda self: self
Tensor.__abs__ = lambda self: pointwise.abs(self)
Tensor.__invert__ = lambda self: compare.bitwise_not(self)
