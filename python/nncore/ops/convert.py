"""Copies: to another dtype, device or memory."""

from __future__ import annotations

from nncore import _core
from nncore.autograd import is_grad_enabled, record
from nncore.ops.inplace import before, check_writable, write
from nncore.tensor import Tensor, tensor_method


@tensor_method
def clone(input: Tensor) -> Tensor:
    """The same values in new memory; gradients flow through."""
    return record("clone", Tensor(_core.clone(input._array)), (input,), _clone_rule)


_clone_rule = (lambda gy: gy,)


@tensor_method
def contiguous(input: Tensor) -> Tensor:
    """The tensor itself where its elements lie in order, otherwise a copy in which they do."""
    return input if input._array.is_contiguous else clone(input)


@tensor_method
def to(
    input: Tensor,
    *args,
    dtype: _core.dtype | None = None,
    device=None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """The values with another dtype or on another device; the tensor itself where nothing changes.

    Takes a dtype, a device (or its name), both, or another tensor whose dtype and device are meant. A copy to a GPU
    never waits for it, whatever non_blocking says, and one from a GPU always does.

    >>> nc.tensor([1.7, -1.7]).to(nc.int64)
    tensor([ 1, -1])
    """
    for wanted in args:
        if isinstance(wanted, Tensor):
            dtype, device = wanted.dtype, wanted.device
        elif isinstance(wanted, _core.dtype):
            dtype = wanted
        elif wanted is not None and not isinstance(wanted, bool):
            device = wanted
    y = input
    if device is not None and (device := _core.device(device)) != input.device:
        if dtype is not None and dtype.itemsize < input.itemsize:  # the shorter elements travel
            return to(to(input, dtype), device)
        _core.refuse_while_recording("moving a tensor between devices", "Move it before the call.")
        y = record("to", Tensor(_core.to_device(y._array, device)), (y,), _to_rule, (y.dtype, y.device))
    if dtype is not None and dtype != input.dtype:
        y = record("to", Tensor(_core.cast(y._array, dtype)), (y,), _to_rule, (y.dtype, y.device))
    return clone(input) if copy and y is input else y


_to_rule = (lambda gy, dtype, device: gy.to(dtype=dtype, device=device),)


@tensor_method(name="type")
def type_(input: Tensor, dtype: _core.dtype | None = None):
    """The values with another dtype, or the name of the dtype."""
    return str(input.dtype) if dtype is None else to(input, dtype)


def _shorthand(name: str, dtype: _core.dtype):
    def method(self: Tensor) -> Tensor:
        return to(self, dtype)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"The values as {dtype}."
    return tensor_method(method)


_shorthand("float", _core.dtype.float32)
_shorthand("half", _core.dtype.float16)
_shorthand("bfloat16", _core.dtype.bfloat16)
_shorthand("double", _core.dtype.float64)
_shorthand("int", _core.dtype.int32)
_shorthand("long", _core.dtype.int64)
_shorthand("byte", _core.dtype.uint8)
_shorthand("bool", _core.dtype.bool)


@tensor_method
def cpu(input: Tensor) -> Tensor:
    """The values in the CPU's memory."""
    return to(input, device="cpu")


@tensor_method
def cuda(input: Tensor, device=None) -> Tensor:
    """The values in a GPU's memory: the current one, or the one with that number."""
    return to(input, device="cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device)


@tensor_method
def copy_(self: Tensor, src: Tensor) -> Tensor:
    """Writes the values of src, broadcast and converted, to this tensor."""
    recorded = is_grad_enabled() and (self._requires_grad or src._requires_grad)
    check_writable("copy_", self, recorded)
    if not recorded:
        _core.copy(self._array, src._array)
        return self
    src = src.to(self.dtype).expand(self.shape)
    write(self, record("copy_", Tensor(_core.clone(src._array)), (before(self), src), _copy_rule), recorded)
    return self


_copy_rule = (
    lambda gy: Tensor(_core.full(gy.shape, 0, gy.dtype, gy.device)),
    lambda gy: gy,
)  # nothing of the old values is left


@tensor_method
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The values with the dtype of other."""
    return to(input, other.dtype)
