"""Modules on another device or with another dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core
from nncore.ops.creation import empty_like
from nncore.plans.recording import Changes
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from nncore.nn.types import Device, DType


class ConvertMixin:
    """What moves the parameters and buffers of a Module to other places and types."""

    def _apply(self, fn, recurse: bool = True):
        """Replace every parameter's and buffer's data by fn(data); parameters stay the same objects."""
        for module in self.children() if recurse else ():
            module._apply(fn)
        Changes.count += 1
        for param in self._parameters.values():
            if param is None:
                continue
            param._array = fn(param.detach())._array
            if param.grad is not None:
                param.grad = fn(param.grad.detach())
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """Move parameters and buffers: to(device), to(dtype), to(device, dtype) or to(tensor); returns self.

        A dtype must be floating and is given to floating parameters and buffers only.
        """
        dtype, device = kwargs.get("dtype"), kwargs.get("device")
        for wanted in args:
            if isinstance(wanted, Tensor):
                dtype, device = wanted.dtype, wanted.device
            elif isinstance(wanted, _core.dtype):
                dtype = wanted
            elif wanted is not None and not isinstance(wanted, bool):  # a bool is non_blocking
                device = wanted
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        return self._apply(lambda t: t.to(device=device, dtype=dtype if t.is_floating_point() else None))

    def to_empty(self, *, device: Device, recurse: bool = True):
        """Move parameters and buffers to the device without their values; returns self."""
        return self._apply(lambda t: empty_like(t, device=device), recurse)

    def cpu(self):
        """Move all parameters and buffers to the CPU; returns self."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Device = None):
        """Move all parameters and buffers to the GPU; returns self."""
        return self._apply(lambda t: t.cuda(device))

    def type(self, dst_type: DType):
        """Convert all parameters and buffers to `dst_type`; returns self."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self):
        """Convert floating parameters and buffers to float32; returns self."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self):
        """Convert floating parameters and buffers to float64; returns self."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self):
        """Convert floating parameters and buffers to float16; returns self."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self):
        """Convert floating parameters and buffers to bfloat16; returns self."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)
