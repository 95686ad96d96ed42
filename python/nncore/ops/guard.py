"""Arguments that are no tensors: a TypeError that names the operation, in place of the AttributeError of whichever
attribute an operation asks for first. Operations themselves check nothing, and call each other without this.
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING

from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

_guarded: dict[Callable, Callable] = {}  # so that one operation under two names stays one function


def guard(function: Callable, home: str | None = None) -> Callable:
    """The function with that TypeError; home is the module where pickle finds it."""
    if function in _guarded:
        return _guarded[function]

    @functools.wraps(function)
    def guarded(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except AttributeError as error:
            if isinstance(error.obj, Tensor) or not hasattr(Tensor, error.name or ""):
                raise
            raise TypeError(f"{function.__name__}: expected a tensor, got {type(error.obj).__name__}") from error

    guarded.__module__ = home or function.__module__
    _guarded[function] = _guarded[guarded] = guarded
    return guarded


def guard_public(namespace: dict) -> None:
    """Guards the operations among the names of a module that users call."""
    for name, value in namespace.items():
        if isinstance(value, types.FunctionType) and value.__module__.startswith("nncore.ops."):
            namespace[name] = guard(value, namespace["__name__"])


def guard_methods() -> None:
    """Guards the methods of Tensor that take another tensor; where numbers do as well, native code refuses the rest."""
    for name, value in list(vars(Tensor).items()):
        home = getattr(value, "__module__", None) or ""
        if not isinstance(value, types.FunctionType) or not home.startswith("nncore.ops."):
            continue
        others = list(value.__annotations__.items())[1:]
        kinds = [kind for parameter, kind in others if parameter not in ("out", "return")]
        if any("Tensor" in kind and "Number" not in kind for kind in kinds):
            setattr(Tensor, name, guard(value))
