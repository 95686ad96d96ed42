"""Parameter: a tensor that a Module counts among its own."""

from __future__ import annotations

from nncore.ops.creation import empty
from nncore.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that requires gradients and that a Module registers when it is assigned to an attribute.

    It shares memory with `data`. Without data it is empty.

    >>> nc.nn.Parameter(nc.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __init__(self, data=None, requires_grad: bool = True) -> None:
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected data to be a Tensor, got {type(data).__name__}")
        super().__init__(data._array)
        self.requires_grad_(requires_grad)
