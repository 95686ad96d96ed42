"""A plan: the launches of a captured function, and what a user may ask of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nncore import _core
from nncore.grad_mode import _mode
from nncore.nn.parameter import Parameter
from nncore.plans import report
from nncore.plans.recording import Notes, where
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ATTEMPTS = 4  # calls of one signature that may set something up before it counts as never ending


class Plan:
    """Recorded launches with their inputs and outputs. Made by `nncore.capture`; its `plans` lists them."""

    def __init__(self, native: _core.Plan, notes: Notes, inputs: list[Tensor], result: Any, arguments: tuple):
        self.native = native
        self.inputs = inputs
        self._notes = notes
        self._result = result
        self._arguments = arguments  # those that are no tensors stay alive: the plan may depend on who they are
        self._flat = not arguments[1] and list(map(id, arguments[0])) == list(map(id, inputs))
        self._single = isinstance(result, Tensor)
        self._fixed = [i for i, x in enumerate(inputs) if isinstance(x, Parameter)]
        self._watched = [i for i, x in enumerate(inputs) if x._requires_grad and not isinstance(x, Parameter)]

    @classmethod
    def record(
        cls, function: Callable, args: tuple, kwargs: dict, given: Sequence[Tensor], attempt: int, device: _core.device
    ) -> tuple[Plan | None, Any]:
        """Runs the function and records it: (the plan, or None where nothing can be replayed yet; the result)."""
        from nncore.plans.capture import CaptureError, _detached

        inputs: list[Tensor] = []
        args, kwargs = _with_inputs((args, kwargs), inputs, {})
        versions = [x._array.version for x in inputs]
        native = _core.Recording(where, device)
        notes = _mode.notes = Notes(native.stop)
        try:
            result = _detached(function(*args, **kwargs))
            for x, own in zip(given, inputs, strict=True):
                x._grad = own._grad
            if notes.abandoned:
                if attempt >= _ATTEMPTS:
                    raise CaptureError(f"capture: {notes.abandoned}, in each of {attempt} calls: nothing to replay")
                return None, result
            for x, version in zip(inputs, versions, strict=True):
                if x._array.version != version and not isinstance(x, Parameter):
                    raise CaptureError(
                        "capture: the function changes an argument in place, which a replay would do to the plan's own "
                        f"copy of it (a tensor of shape {list(x.shape)}); clone() it first"
                    )
            _mode.notes = None
            notes.finish()
            plan = cls(native.finish(_fuse()), notes, inputs, result, (args, kwargs))
        finally:
            _mode.notes = None
            native.stop()
        plan.native.set_inputs([x._array for x in inputs])
        plan.native.add_results([t._array for t in _tensors(result)] + notes.results)
        return plan, result

    # ---- using it ----

    def takes(self, args: Sequence) -> bool:
        """Whether these arguments are tensors like the plan's, and nothing else; each of them another one."""
        if not self._flat or len(args) != len(self.inputs):
            return False
        if self._watched and len(set(map(id, args))) != len(args):
            return False
        for given, own in zip(args, self.inputs, strict=True):
            if not isinstance(given, Tensor) or given._requires_grad is not own._requires_grad:
                return False
            if not given._array.laid_out_like(own._array):
                return False
        return True

    def is_stale(self) -> bool:
        """Whether an array that the plan reads was replaced meanwhile, so that the plan can never be right again."""
        return self.native.is_stale()

    def run(self, tensors: Sequence[Tensor]) -> bool:
        """Copies the tensors into the inputs and replays; False, and nothing done, where the plan does not hold now."""
        for i in self._fixed:
            if tensors[i] is not self.inputs[i]:
                return False
        for i in self._watched:
            if tensors[i]._grad is not None:
                return False
            self.inputs[i]._grad = None
        if not self._notes.holds() or not self.native.call([x._array for x in tensors]):
            return False
        self._notes.apply()
        for i in self._watched:
            tensors[i]._grad = self.inputs[i]._grad
        return True

    def result(self) -> Any:
        """What the function returned, with the values of the last replay."""
        return self._result if self._single else _rebuilt(self._result)

    # ---- looking at it ----

    def summary(self) -> str:
        """The launches with their arrays, by the lines of the program that made them, and the memory they need."""
        return report.summary(self)

    def launches(self) -> list[report.Launch]:
        """(kernel, operands, bytes, where) of each step."""
        return report.launches(self)

    def profile(self, repeats: int = 10, trace: str | os.PathLike | None = None) -> report.Profile:
        """The time of each launch, from replays with the last inputs; parameters and states are put back afterwards.

        trace: a file for the timeline, which chrome://tracing and ui.perfetto.dev open.
        """
        found = report.profile(self, repeats)
        if trace is not None:
            found.save_trace(trace)
        return found

    def __repr__(self) -> str:
        shapes = ", ".join(str(list(x.shape)) for x in self.inputs)
        return f"<plan of {len(self.native.steps())} steps for inputs {shapes or 'none'}>"


def _fuse() -> bool:
    return os.environ.get("NNCORE_FUSE", "1") != "0"


def _with_inputs(value: Any, inputs: list[Tensor], known: dict[int, Tensor]) -> Any:
    """The arguments with the plan's own tensors in place of those given. Parameters stay themselves."""
    if isinstance(value, Tensor):
        own = known.get(id(value))
        if own is None:
            own = value
            if not isinstance(value, Parameter):
                own = Tensor(_core.input_like(value._array))
                own._requires_grad = value._requires_grad
            known[id(value)] = own
            inputs.append(own)
        return own
    if isinstance(value, (list, tuple)):
        parts = [_with_inputs(part, inputs, known) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return type(value)((name, _with_inputs(part, inputs, known)) for name, part in value.items())
    return value


def device_of(given: Sequence[Tensor], result: Any) -> _core.device:
    """Where a function computes: on the device of its arguments, or of what it returns."""
    return next((x.device for x in (*given, *_tensors(result))), _core.device("cpu"))


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for part in value for t in _tensors(part)] if isinstance(value, (list, tuple)) else []


def _rebuilt(value: Any) -> Any:
    """Containers anew, because a caller may change them; the same tensors."""
    if isinstance(value, (list, tuple)):
        parts = [_rebuilt(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return type(value)((name, _rebuilt(part)) for name, part in value.items())
    return value
