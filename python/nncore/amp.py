"""Mixed precision under PyTorch's names: `autocast`, and `GradScaler` for the narrow range of float16."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import nncore
from nncore.autocast_mode import autocast, get_autocast_dtype, is_autocast_enabled
from nncore.grad_mode import no_grad
from nncore.tensor import Tensor

__all__ = ["GradScaler", "autocast", "get_autocast_dtype", "is_autocast_available", "is_autocast_enabled"]

_READY, _UNSCALED, _STEPPED = range(3)


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows that kind of device."""
    return device_type in ("cpu", "cuda")


class _OfOptimizer:
    """What happened to an optimizer since the last update: its stage, and whether a gradient was not finite."""

    def __init__(self) -> None:
        self.stage = _READY
        self.found_inf: bool | None = None


class GradScaler:
    """Scales the loss, so that gradients of float16 do not vanish, and skips steps whose gradients overflowed.

    After a step with infinite or NaN gradients the scale is multiplied by backoff_factor, after growth_interval steps
    without by growth_factor. Source: Micikevicius et al., "Mixed precision training", 2018.

    >>> w = nc.ones(2, requires_grad=True)
    >>> optimizer, scaler = nc.optim.SGD([w], lr=1.0), nc.amp.GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale((w * 3).sum()).backward()
    >>> w.grad
    tensor([12., 12.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w
    tensor([-2., -2.], requires_grad=True)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if device == "cuda" and enabled and not nncore.cuda.is_available():
            warnings.warn("GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            self._enabled = False
        if self._enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if self._enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._scale = _float32(init_scale)
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._optimizers: dict[int, _OfOptimizer] = {}

    def scale(self, outputs: Any) -> Any:
        """The tensor, or each of a list or tuple of tensors, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(x) for x in outputs)
        if hasattr(outputs, "__iter__") and not isinstance(outputs, (str, bytes)):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer) -> None:
        """Divides the gradients of an optimizer's parameters by the scale, so that they can be clipped before `step`.

        Raises RuntimeError where that has happened since the last update, ValueError for gradients in float16.
        """
        if not self._enabled:
            return
        state = self._state_of(optimizer)
        if state.stage == _UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state.stage == _STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(g.dtype is nncore.float16 for g in gradients):
            raise ValueError("Attempting to unscale FP16 gradients.")
        finite: dict[Any, Tensor] = {}  # by device, each read once
        with no_grad():
            for gradient in gradients:
                here = nncore.isfinite(gradient).all()
                before = finite.get(gradient.device)
                finite[gradient.device] = here if before is None else before & here
                gradient.mul_(_float32(1.0 / self._scale))
        if finite:
            state.found_inf = not all(bool(f) for f in finite.values())
        state.stage = _UNSCALED

    def step(self, optimizer, *args, **kwargs):
        """`optimizer.step(...)` with unscaled gradients; skipped, and None, where one is not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        state = self._state_of(optimizer)
        if state.stage == _STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state.stage == _READY:
            self.unscale_(optimizer)
        if state.found_inf is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if state.found_inf else optimizer.step(*args, **kwargs)
        state.stage = _STEPPED
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """The next scale: by what the steps since the last update found, or the one given."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = _float32(float(new_scale))
        else:
            found = [s.found_inf for s in self._optimizers.values() if s.found_inf is not None]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adjust(any(found))
        self._optimizers.clear()

    def _adjust(self, found_inf: bool) -> None:
        if found_inf:
            self._scale = _float32(self._scale * self._backoff_factor)
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker == self._growth_interval:
            grown = _float32(self._scale * self._growth_factor)
            self._scale = grown if grown < float("inf") else self._scale
            self._growth_tracker = 0

    def _state_of(self, optimizer) -> _OfOptimizer:
        return self._optimizers.setdefault(id(optimizer), _OfOptimizer())

    def get_scale(self) -> float:
        """The scale; 1.0 where scaling is disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by to grow."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Sets what the scale is multiplied by to grow."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by to shrink."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Sets what the scale is multiplied by to shrink."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps the scale grows after."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Sets how many good steps the scale grows after."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale, its factors and how many good steps there were; empty where scaling is disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned. Raises RuntimeError where that is empty."""
        if not self._enabled:
            return
        if len(state_dict) == 0:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._scale = _float32(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]


def _float32(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))
