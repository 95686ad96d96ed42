"""What Python notes while a function is recorded into a plan (see `nncore.capture`).

A replay runs no Python. So what Python decided on while recording must still hold when a plan is used again - the
parameters are the same tensors, layers are in the same mode, gradients are there or not - and what Python changed must
be changed again: a gradient that was assigned, the settings that an optimizer hands to its kernel.

`_mode.notes` (nncore.grad_mode) is the `Notes` of the recording of this thread, or None. Whoever reads or changes such
a thing tells it.
"""

from __future__ import annotations

import linecache
import os
import sys
import weakref
from typing import TYPE_CHECKING

from nncore import _core
from nncore.grad_mode import _mode

if TYPE_CHECKING:
    from nncore.nn.module import Module
    from nncore.tensor import Tensor

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PROGRAMS = os.path.join(_PACKAGE, "cli") + os.sep
_MAKERS = tuple(os.path.join(_PACKAGE, "ops", name) for name in ("creation.py", "guard.py"))


class Changes:
    """Counts what may end a plan's validity: assignments to a Module's attributes, to `data` and `requires_grad`. While
    the count stands still, nobody has to look again."""

    count = 0


def refuse_reading(what: str) -> None:
    """Refuses, while this thread records, that Python reads elements, for a replay would not."""
    if _mode.notes is not None:
        _core.refuse_reading(what)


def refuse_values(function: str) -> None:
    """Refuses a tensor that the user's program makes from values while this thread records: the plan would keep the
    values of this one call. The library's own tables, which depend on shapes only, are constants of the plan."""
    if _mode.notes is None:
        return
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename in _MAKERS:
        frame = frame.f_back
    if frame is None or not _is_library(frame.f_code.co_filename):
        _core.refuse_while_recording(
            f"{function}() of values from Python", "Make the tensor before the call and pass it as an argument."
        )


def _is_library(filename: str) -> bool:
    return filename.startswith(_PACKAGE) and not filename.startswith(_PROGRAMS)


def where() -> str:
    """The line of the user's program that runs now: file, line, function, text."""
    frame = sys._getframe(1)
    while frame is not None and _is_library(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return "?"
    name, line = frame.f_code.co_filename, frame.f_lineno
    return f"{name}:{line} in {frame.f_code.co_name}: {linecache.getline(name, line).strip()}"


class _Gradient:
    """What happened to one tensor's `grad`."""

    __slots__ = ("final", "initial", "read", "tensor")

    def __init__(self, tensor: Tensor, read: bool):
        self.tensor = weakref.ref(tensor)
        self.initial = _place(tensor._grad)
        self.read = read  # before it was assigned: the function depends on it
        self.final: Tensor | None = None

    def stays(self, tensor: Tensor) -> bool:
        """Whether the tensor's gradient is the one from the beginning. (The plan keeps its memory alive.)"""
        return _place(tensor._grad) == self.initial


def _place(gradient: Tensor | None) -> tuple | None:
    if gradient is None:
        return None
    array = gradient._array
    return array.data_ptr, array.shape, array.strides, array.dtype


class Notes:
    """The notes of one recording. `holds()` is asked before each replay, `apply()` is called after it."""

    def __init__(self, stop):
        self._stop = stop
        self.abandoned = ""
        self._gradients: dict[int, _Gradient] = {}
        self._modules: dict[int, tuple] = {}
        self._leaves: dict[int, tuple] = {}
        self._settings: dict[int, tuple] = {}
        self.results: list[_core.Array] = []

    # ---- while recording ----

    def gradient_read(self, tensor: Tensor) -> None:
        """Somebody looks at tensor.grad."""
        self._gradient(tensor, True)

    def gradient_set(self, tensor: Tensor) -> None:
        """Somebody is about to assign tensor.grad."""
        self._gradient(tensor, False)

    def _gradient(self, tensor, read):
        if id(tensor) not in self._gradients:
            self._gradients[id(tensor)] = _Gradient(tensor, read)
            self.leaf(tensor)

    def leaf(self, tensor: Tensor) -> None:
        """The function depends on this tensor: that it is the one, and where its elements are."""
        self._leaves[id(tensor)] = (weakref.ref(tensor), tensor._array, tensor._requires_grad)

    def module(self, module: Module) -> None:
        """The function calls this module."""
        if id(module) not in self._modules:
            tensors = [*module._parameters.values(), *module._buffers.values()]
            self._modules[id(module)] = (weakref.ref(module), tensors, _attributes(module))
            for tensor in tensors:
                if tensor is not None:
                    self.leaf(tensor)

    def settings(self, optimizer) -> None:
        """The function runs a step of this optimizer, which reads its settings where `sync_settings` puts them."""
        self._settings[id(optimizer)] = (optimizer, optimizer.recorded_settings())

    def abandon(self, reason: str) -> None:
        """Something was set up in this call that later calls find there: this one is no plan, the next one may be."""
        self.abandoned = self.abandoned or reason
        self._stop()
        _mode.notes = None

    # ---- after it ----

    def finish(self) -> None:
        """Keeps what is needed for replays."""
        self._gradients_read, self._gradients_set = [], []
        for g in self._gradients.values():
            tensor = g.tensor()
            if tensor is None:
                continue
            if g.read:
                self._gradients_read.append(g)
            if g.initial is None or not g.stays(tensor):
                g.final = tensor._grad
                self._gradients_set.append(g)
                if g.final is not None:
                    self.results.append(g.final._array)
        self._checked = -1
        leaves = [entry for entry in self._leaves.values() if entry[0]() is not None]
        self._leaves_kept = leaves
        self._modules_kept = list(self._modules.values())
        self._settings_kept = list(self._settings.values())
        self._gradients, self._leaves, self._modules, self._settings = {}, {}, {}, {}

    def holds(self) -> bool:
        """Whether everything is as it was found while recording; brings the optimizers' settings up to date."""
        for g in self._gradients_read:
            tensor = g.tensor()
            if tensor is None or not g.stays(tensor):
                return False
        if self._checked != Changes.count:
            checked = Changes.count
            if not self._structure_holds():
                return False
            self._checked = checked
        return all(optimizer.sync_recorded(recorded) for optimizer, recorded in self._settings_kept)

    def _structure_holds(self) -> bool:
        for reference, array, requires_grad in self._leaves_kept:
            tensor = reference()
            if tensor is None or tensor._array is not array or tensor._requires_grad is not requires_grad:
                return False
        for reference, tensors, attributes in self._modules_kept:
            module = reference()
            if module is None or _attributes(module) != attributes:
                return False
            found = [*module._parameters.values(), *module._buffers.values()]
            if len(found) != len(tensors) or any(a is not b for a, b in zip(found, tensors, strict=True)):
                return False
        return True

    def apply(self) -> None:
        """Assigns the gradients that the function assigned."""
        for g in self._gradients_set:
            tensor = g.tensor()
            if tensor is not None:
                tensor._grad = g.final


def _attributes(module: Module) -> list:
    """The settings of a layer: its attributes that are plain values, `training` among them."""
    return [(k, v) for k, v in module.__dict__.items() if v is None or isinstance(v, (int, float, str, tuple))]
