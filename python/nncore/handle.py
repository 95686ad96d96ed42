"""Handles of hooks: how a hook that was registered is taken out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RETAIN = -1  # the key of retain_grad's hook among a tensor's hooks; it stays the last of them


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook out again."""

    __slots__ = ("_hooks", "id")
    _next = 0

    def __init__(self, hooks: dict, hook: Callable):
        self.id = RemovableHandle._next
        RemovableHandle._next += 1
        self._hooks = hooks
        hooks[self.id] = hook
        if RETAIN in hooks:
            hooks[RETAIN] = hooks.pop(RETAIN)

    def remove(self) -> None:
        """Takes the hook out. Doing so twice does no harm."""
        self._hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()
