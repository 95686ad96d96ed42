"""Mixed precision: in a block of `autocast` each operation picks the dtype that it is best computed in.

Products take float16 or bfloat16 factors; what loses digits quickly is computed in float32; everything else takes its
arguments as they come, which promotion widens where they differ. Which operation does what on which kind of device is
PyTorch's choice, and stands where the operation is defined, as the decorator `casts_products` or `casts_wide`. The
casts are on the tape, so that gradients come back in the dtype of the parameters.
"""

from __future__ import annotations

import inspect
import threading
import types
import warnings
from typing import TYPE_CHECKING

from nncore import _core
from nncore.grad_mode import _Decorator, _mode
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

HALVES = (_core.dtype.float16, _core.dtype.bfloat16)
_DEFAULTS = {"cpu": _core.dtype.bfloat16, "cuda": _core.dtype.float16}


class _Cast:
    """What autocast is set to for one kind of device, and the parameters that it has cast already."""

    __slots__ = ("cache", "dtype")

    def __init__(self, dtype: _core.dtype, cache: dict | None):
        self.dtype = dtype
        self.cache = cache

    def narrow(self, x):
        """A float32 tensor in the dtype of autocast. A parameter is cast once for the whole block."""
        array = x._array
        if not array.is_floating or array.dtype is self.dtype or array.dtype is _core.dtype.float64:
            return x
        keep = self.cache is not None and x._requires_grad and x._node is None and x._base is None
        if not keep or _mode.notes is not None:  # a plan casts again whenever it runs
            return x.to(self.dtype)
        key = (id(x), _mode.enabled)
        found = self.cache.get(key)
        if found is None or found[0] is not x or found[1] != array.version:
            found = self.cache[key] = (x, array.version, x.to(self.dtype))
        return found[2]


def _widen(x):
    return x.to(_core.dtype.float32) if x._array.dtype in HALVES else x


def _map(value, cast: Callable):
    """The argument with its tensors cast, those in tuples and lists too."""
    if isinstance(value, Tensor):
        return cast(value)
    if type(value) in (tuple, list) and any(isinstance(x, (Tensor, tuple, list)) for x in value):
        return type(value)(_map(x, cast) for x in value)
    return value


def _device_type(args: tuple, kwargs: dict) -> str | None:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            return value._array.device.type
        if type(value) in (tuple, list) and (found := _device_type(tuple(value), {})):
            return found
    return None


_activation = threading.Lock()
_waiting: list[tuple] = []  # (operation, cast of a setting, kinds of devices) until the first block of autocast


def _register(operation: Callable, cast_of: Callable, devices: tuple[str, ...]) -> Callable:
    _waiting.append((operation, cast_of, devices))
    return operation


def _activate() -> None:
    """Puts the casts in front of the operations, once. Whoever holds one of these functions gets them too: it is their
    code that changes. So programs without autocast run each operation as it is written, at its full speed."""
    while _waiting:
        operation, cast_of, devices = _waiting.pop()
        original = types.FunctionType(
            operation.__code__, operation.__globals__, operation.__name__, operation.__defaults__, operation.__closure__
        )
        original.__kwdefaults__ = operation.__kwdefaults__
        operation.__signature__ = inspect.signature(operation)
        call = _casting(original, cast_of, devices)
        operation.__kwdefaults__ = {**(operation.__kwdefaults__ or {}), "_call": call}
        operation.__code__ = _in_front.__code__


def _in_front(*args, _call, **kwargs):
    return _call(*args, **kwargs)


def _casting(operation: Callable, cast_of: Callable, devices: tuple[str, ...]) -> Callable:
    def call(*args, **kwargs):
        outer = _mode.autocast
        if outer is None:
            return operation(*args, **kwargs)
        kind = _device_type(args, kwargs)
        setting = outer.get(kind) if kind in devices else None
        if setting is None or kwargs.get("out") is not None:
            return operation(*args, **kwargs)
        cast = cast_of(setting)
        args = [_map(a, cast) for a in args]
        kwargs = {name: _map(a, cast) for name, a in kwargs.items()}
        _mode.autocast = None  # what it is made of takes what it is given
        try:
            return operation(*args, **kwargs)
        finally:
            _mode.autocast = outer

    return call


def casts_products(*devices: str) -> Callable:
    """An operation whose factors autocast makes float16 or bfloat16 on these kinds of devices."""
    return lambda operation: _register(operation, lambda setting: setting.narrow, devices)


def casts_wide(*devices: str) -> Callable:
    """An operation that autocast has computed in float32 on these kinds of devices."""
    return lambda operation: _register(operation, lambda setting: _widen, devices)


class autocast(_Decorator):  # noqa: N801
    """Mixed precision in a block or function, for tensors on one kind of device, "cpu" or "cuda".

    Matrix products, linear layers, convolutions, attention and recurrent layers take factors of `dtype` (default:
    bfloat16 on the CPU, float16 on CUDA); losses, and on CUDA softmax, norms, exponentials, logarithms, powers and sums
    as well, are computed in float32; other operations promote their arguments. With enabled=False the block is exempt.
    Parameters are cast once until the outermost block ends, unless cache_enabled is False. Raises RuntimeError for
    another kind of device; with another dtype it warns and does nothing. Call backward outside of the block.

    >>> x, w = nc.ones(2, 3), nc.ones(3, 2)
    >>> with nc.autocast("cpu"):
    ...     y = x @ w
    >>> y.dtype
    nncore.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: _core.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in _DEFAULTS:
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        if dtype is not None and dtype not in HALVES:
            warnings.warn(
                f"In {device_type} autocast, but the target dtype is not supported: expected bfloat16 or float16, got "
                f"{dtype}. Disabling autocast.",
                stacklevel=2,
            )
            enabled = False
        self.device_type = device_type
        self.dtype = dtype or _DEFAULTS[device_type]
        self.enabled = bool(enabled)
        self.cache_enabled = cache_enabled is None or bool(cache_enabled)
        self._outer: list[dict | None] = []

    def _again(self):
        return autocast(self.device_type, self.dtype, self.enabled, self.cache_enabled)

    def __enter__(self):
        with _activation:
            _activate()
        outer = _mode.autocast
        self._outer.append(outer)
        settings = dict(outer or {})
        settings.pop(self.device_type, None)
        if self.enabled:
            before = (outer or {}).get(self.device_type)
            shared = before is not None and before.dtype is self.dtype and before.cache is not None
            cache = (before.cache if shared else {}) if self.cache_enabled else None
            settings[self.device_type] = _Cast(self.dtype, cache)
        _mode.autocast = settings or None
        return self

    def __exit__(self, *exception):
        _mode.autocast = self._outer.pop()


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether this thread is inside of `autocast` for that kind of device; without one, for CUDA as in PyTorch."""
    return _mode.autocast is not None and (device_type or "cuda") in _mode.autocast


def get_autocast_dtype(device_type: str) -> _core.dtype:
    """The dtype that `autocast` gives to factors on that kind of device: here, or by default."""
    if device_type not in _DEFAULTS:
        raise RuntimeError(f"unsupported scalarType: no autocast for device_type '{device_type}'")
    setting = (_mode.autocast or {}).get(device_type)
    return _DEFAULTS[device_type] if setting is None else setting.dtype
