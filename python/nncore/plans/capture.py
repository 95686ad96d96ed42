"""Record a function once, replay it without Python.

In a small network the arithmetic of a training step takes microseconds and the interpreter hundreds. `capture` records
the kernels that a function of tensors launches, with their arguments, and later calls replay them as one native call.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _core
from nncore.grad_mode import _Decorator, _mode
from nncore.nn.parameter import Parameter
from nncore.ops.creation import get_default_dtype
from nncore.plans.plan import Plan, device_of
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

CaptureError = _core.CaptureError


class _Switch(threading.local):
    off = 0


_switch = _Switch()
_OFF = os.environ.get("NNCORE_CAPTURE", "1") == "0"  # of the whole process


class no_capture(_Decorator):  # noqa: N801
    """A context, or a decorator, in which captured functions run as they stand; the environment variable
    NNCORE_CAPTURE=0 does it for a whole process. For debugging: Python's debugger sees every line again.

    >>> double = nc.capture(lambda x: x * 2)
    >>> with nc.no_capture():
    ...     double(nc.ones(2))
    tensor([2., 2.])
    """

    def __enter__(self) -> None:
        _switch.off += 1

    def __exit__(self, *exception) -> None:
        _switch.off -= 1


def capture(function: Callable | None = None, *, max_plans: int = 8) -> Captured | Callable[[Callable], Captured]:
    """The function, recorded on its second call and replayed without Python from the third on. Also a decorator.

    **What it returns is overwritten by the next call**, as with CUDA graphs: `.clone()` keeps a result. Results carry
    no gradient: forward, loss and backward belong into one captured function.

    function takes tensors (anywhere in its arguments, also in lists, tuples and dicts) and does any mix of forward,
    loss, backward and optimizer step. The first call with given shapes, dtypes and devices runs as it stands, so that
    what is set up once (an optimizer's state, say) is there; the second one runs and is recorded; later ones copy their
    tensors into the plan's inputs and replay. Other shapes, other values of arguments that are no tensors, and other
    threads get plans of their own: at most `max_plans`, of which the one not used for longest is dropped. The bits are
    those of running the function, at every step: random numbers go on, running statistics and step counters move,
    learning rates may change between calls.

    On a GPU the launches become a CUDA graph, and a replay is one launch of it. Everything that the function uses must
    be on the one device.

    A replay runs no Python, so side effects in Python happen only in the first two calls:

    >>> @nc.capture
    ... def double(x):
    ...     print("Python runs")
    ...     return x * 2
    >>> for i in range(4):
    ...     y = double(nc.full((2,), i))
    Python runs
    Python runs
    >>> y
    tensor([6, 6])

    What could not be replayed right is refused with CaptureError while recording, with the line: reading a value
    (`item()`, `numpy()`, `print`, `if loss > 3`), shapes that depend on values (`nonzero`, boolean masks), making
    tensors from Python's values, moving between devices, changing an argument in place. A plan whose assumptions are
    gone - parameters replaced, another mode of a layer, a gradient that is None now - is not used: the call runs as it
    stands, and the next one records anew.

    >>> model = nc.nn.Linear(3, 1)
    >>> optimizer = nc.optim.SGD(model.parameters(), lr=0.1)
    >>> @nc.capture
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = nc.nn.functional.mse_loss(model(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> losses = [float(step(nc.ones(4, 3), nc.zeros(4, 1))) for _ in range(50)]
    >>> losses[-1] < 1e-6
    True
    """
    if function is None:
        return functools.partial(capture, max_plans=max_plans)
    if not callable(function):
        raise TypeError(f"capture: expected a function, got {type(function).__name__}")
    if not isinstance(max_plans, int) or max_plans < 1:
        raise ValueError(f"capture: max_plans must be a positive integer, got {max_plans}")
    return Captured(function, max_plans)


class _Calls:
    """What is known of the calls with one signature."""

    __slots__ = ("attempts", "device", "plans")

    def __init__(self):
        self.device: _core.device | None = None  # known from the first call on
        self.attempts = 0
        self.plans: list[Plan] = []  # several, where gradients are there in some calls and not in others


class Captured:
    """A captured function; see `capture`."""

    def __init__(self, function: Callable, max_plans: int):
        functools.update_wrapper(self, function)
        self._function = function
        self._max_plans = max_plans
        self._calls: OrderedDict[tuple, _Calls] = OrderedDict()
        self._lock = threading.Lock()
        self._last = threading.local()

    def __get__(self, instance, owner=None):
        """A captured method: each object has plans of its own."""
        if instance is None:
            return self
        bound = Captured(self._function.__get__(instance, owner), self._max_plans)
        instance.__dict__[self._function.__name__] = bound
        return bound

    def __call__(self, *args, **kwargs):
        if _mode.notes is not None:  # part of a function that is being recorded
            return self._function(*args, **kwargs)
        if _switch.off or _OFF:
            return _detached(self._function(*args, **kwargs))
        casts = _mode.autocast and tuple((kind, setting.dtype) for kind, setting in _mode.autocast.items())
        surroundings = (_mode.enabled, _mode.inference, get_default_dtype(), casts)
        plan, before = getattr(self._last, "used", (None, ()))
        if plan is not None and not kwargs and before == surroundings and plan.takes(args) and plan.run(args):
            return plan.result()
        tensors: list[Tensor] = []
        key = (_signature((args, kwargs), tensors, {}), threading.get_ident(), _core.current_isa(), *surroundings)
        with self._lock:
            calls = self._calls.setdefault(key, _Calls())
            self._calls.move_to_end(key)
        plan, result = self._call(calls, tensors, args, kwargs)
        self._last.used = plan, surroundings
        return result

    def _call(self, calls, tensors, args, kwargs) -> tuple[Plan | None, Any]:
        """(the plan that was used or made, the result)"""
        calls.plans = [plan for plan in calls.plans if not plan.is_stale()]
        for plan in calls.plans:
            if plan.run(tensors):
                return plan, plan.result()
        # A plan knows its own copies of arguments only, so it cannot add to a gradient that an argument has.
        has_gradient = any(x._grad is not None and not isinstance(x, Parameter) for x in tensors)
        if calls.device is None or has_gradient:
            result = _detached(self._function(*args, **kwargs))
            calls.device = calls.device or device_of(tensors, result)
            return None, result
        calls.attempts += 1
        plan, result = Plan.record(self._function, args, kwargs, tensors, calls.attempts, calls.device)
        if plan is not None:
            calls.attempts = 0
            calls.plans.append(plan)
            with self._lock:
                self._drop_oldest()
        return plan, result

    def _drop_oldest(self):
        excess = sum(len(calls.plans) for calls in self._calls.values()) - self._max_plans
        for calls in self._calls.values():
            while calls.plans and excess > 0:
                calls.plans.pop(0)
                excess -= 1
        while len(self._calls) > 8 * self._max_plans:  # signatures that came once
            self._calls.popitem(last=False)

    @property
    def plans(self) -> list[Plan]:
        """The plans that there are, the one used last at the end."""
        with self._lock:
            return [plan for calls in self._calls.values() for plan in calls.plans]

    def reset(self) -> None:
        """Forgets all plans, and gives their memory back."""
        with self._lock:
            self._calls.clear()
        self._last = threading.local()

    def __repr__(self) -> str:
        return f"<captured {getattr(self._function, '__qualname__', self._function)} with {len(self.plans)} plans>"


def _detached(result: Any) -> Any:
    """Results carry no gradient, whether they come from a plan or not."""
    if isinstance(result, Tensor):
        return result.detach() if result._node is not None else result
    if isinstance(result, (list, tuple)):
        parts = [_detached(part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    if isinstance(result, dict):
        return type(result)((name, _detached(part)) for name, part in result.items())
    return result


def _signature(value: Any, tensors: list[Tensor], seen: dict[int, int]) -> Any:
    """What a plan for these arguments depends on; collects the tensors among them, each once."""
    if isinstance(value, Tensor):
        if id(value) in seen:
            return ("again", seen[id(value)])
        seen[id(value)] = len(tensors)
        tensors.append(value)
        if value._node is not None and value._requires_grad:
            raise CaptureError(
                "capture: an argument is the result of an operation that gradients lead through; detach() it, or "
                "compute it inside of the captured function"
            )
        array = value._array
        return ("tensor", array.dtype, array.shape, array.strides, array.device, value._requires_grad)
    if isinstance(value, (list, tuple)):
        return (type(value), *[_signature(part, tensors, seen) for part in value])
    if isinstance(value, dict):
        return (type(value), *[(name, _signature(part, tensors, seen)) for name, part in value.items()])
    if isinstance(value, np.ndarray):
        raise CaptureError(
            "capture: an argument is a NumPy array; pass nncore.from_numpy(array) or nncore.tensor(array)"
        )
    try:
        hash(value)
    except TypeError:
        return (type(value), id(value))
    return (type(value), value)
