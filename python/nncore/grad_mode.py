"""Whether operations are recorded: a switch for each thread, on at the start."""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class _Mode(threading.local):
    enabled = True


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded."""
    return _mode.enabled


class set_grad_enabled(ContextDecorator):  # noqa: N801
    """Turns recording on or off: at once as a call, until the block's end as a context manager, or as a decorator."""

    def __init__(self, mode: bool):
        self._before, self._mode = _mode.enabled, bool(mode)
        _mode.enabled = self._mode

    def __enter__(self):
        _mode.enabled = self._mode

    def __exit__(self, *exception):
        _mode.enabled = self._before

    def __call__(self, function):
        _mode.enabled = self._before
        return super().__call__(function)

    def _recreate_cm(self):
        return set_grad_enabled(self._mode)


class _Switch(ContextDecorator):
    """A block or function in which recording is on or off; may be nested and used again."""

    mode: bool

    def __init__(self, function: Callable | None = None):
        self._outer: list[bool] = []
        self._function = function

    def __new__(cls, function: Callable | None = None):
        return cls()(function) if function is not None else super().__new__(cls)

    def __enter__(self):
        self._outer.append(_mode.enabled)
        _mode.enabled = self.mode

    def __exit__(self, *exception):
        _mode.enabled = self._outer.pop()

    def _recreate_cm(self):
        return type(self)()


class no_grad(_Switch):  # noqa: N801
    """Operations in this block are not recorded."""

    mode = False


class enable_grad(_Switch):  # noqa: N801
    """Operations in this block are recorded, also inside of `no_grad`."""

    mode = True
