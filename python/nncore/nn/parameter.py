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


class Buffer(Tensor):
    """A tensor that a Module registers as a buffer when it is assigned to an attribute: part of its state, not trained.

    It shares memory with `data`. With `persistent` it is in `state_dict()`.

    >>> class Counter(nc.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.steps = nc.nn.Buffer(nc.zeros(1))
    >>> list(Counter().state_dict())
    ['steps']
    """

    __slots__ = ("persistent",)

    def __init__(self, data=None, *, persistent: bool = True) -> None:
        data = empty(0) if data is None else data
        if not isinstance(data, Tensor):
            raise TypeError(f"Buffer: expected data to be a Tensor, got {type(data).__name__}")
        super().__init__(data._array)
        self._node, self._index, self._requires_grad = data._node, data._index, data._requires_grad
        self.persistent = persistent

    @classmethod
    def _rebuild(cls, array, requires_grad: bool) -> Tensor:
        tensor = super()._rebuild(array, requires_grad)
        tensor.persistent = True
        return tensor
