"""Whether operations are recorded: a switch for each thread, on at the start."""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class _Mode(threading.local):
    enabled = True
    inference = False
    autocast = None  # by kind of device, what nncore.autocast_mode casts to
    notes = None  # of the plan that is being recorded: nncore.plans.recording.Notes


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded."""
    return _mode.enabled


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside of `inference_mode`."""
    return _mode.inference


class _Decorator:
    """What makes a context manager a decorator too: each call, and each step of a generator, runs inside of it."""

    def _again(self):
        """A context manager like this one, for one call."""
        return type(self)()

    def __call__(self, function: Callable):
        if inspect.isclass(function):
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
                "functions or methods. To preserve the current behavior of class decoration, you can directly decorate "
                "the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            made = lambda *args, **kwargs: function(*args, **kwargs)  # noqa: E731
            return self._wrap(functools.wraps(function, updated=())(made))
        return self._wrap_generator(function) if inspect.isgeneratorfunction(function) else self._wrap(function)

    def _wrap(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args, **kwargs):
            with self._again():
                return function(*args, **kwargs)

        return call

    def _wrap_generator(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def generate(*args, **kwargs):
            generator = function(*args, **kwargs)
            step, given = generator.send, (None,)
            try:
                while True:
                    try:
                        with self._again():
                            value = step(*given)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        step, given = generator.send, ((yield value),)
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        step, given = generator.throw, (error,)
            finally:
                with self._again():
                    generator.close()

        return generate


class set_grad_enabled(_Decorator):  # noqa: N801
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

    def _again(self):
        return set_grad_enabled(self._mode)


class _Switch(_Decorator):
    """A block or function in which recording is on or off; may be nested and used again."""

    mode: bool

    def __init__(self, function: Callable | None = None):
        self._outer: list[bool] = []

    def __new__(cls, function: Callable | None = None):
        return cls()(function) if function is not None else super().__new__(cls)

    def __enter__(self):
        self._outer.append(_mode.enabled)
        _mode.enabled = self.mode

    def __exit__(self, *exception):
        _mode.enabled = self._outer.pop()


class no_grad(_Switch):  # noqa: N801
    """Operations in this block are not recorded."""

    mode = False


class enable_grad(_Switch):  # noqa: N801
    """Operations in this block are recorded, also inside of `no_grad`."""

    mode = True


class inference_mode(_Decorator):  # noqa: N801
    """As `no_grad`, for blocks and functions that only compute results; with mode False recording goes on.

    >>> with nc.inference_mode():
    ...     y = nc.ones(2, requires_grad=True) * 2
    >>> y.requires_grad, nc.is_inference_mode_enabled()
    (False, False)
    """

    def __init__(self, mode: bool = True):
        self._mode = mode
        self._outer: list[tuple[bool, bool]] = []

    def __new__(cls, mode=True):
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def _again(self):
        return inference_mode(self._mode)

    def __enter__(self):
        self._outer.append((_mode.enabled, _mode.inference))
        _mode.enabled, _mode.inference = not self._mode, bool(self._mode)

    def __exit__(self, *exception):
        _mode.enabled, _mode.inference = self._outer.pop()
