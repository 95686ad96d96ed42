"""Tensors from values: the constructors of PyTorch under their names."""

from __future__ import annotations

import builtins
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _core
from nncore.ops import numpy_view
from nncore.ops.numpy_view import NUMPY_DTYPES, is_bfloat16
from nncore.plans import recording
from nncore.size import shape_arguments
from nncore.tensor import Tensor, tensor_method

if TYPE_CHECKING:
    Device = _core.device | str | None

_CPU = _core.device("cpu")
_FROM_NUMPY = set(NUMPY_DTYPES.values())
_default_dtype = _core.dtype.float32


def get_default_dtype() -> _core.dtype:
    """The floating dtype of tensors made from Python numbers; float32 at the start."""
    return _default_dtype


def set_default_dtype(dtype: _core.dtype) -> None:
    """Sets the dtype of `get_default_dtype`: float16, float32 or float64."""
    global _default_dtype
    if dtype not in NUMPY_DTYPES or not dtype.is_floating_point:
        raise TypeError(f"set_default_dtype: expected float16, float32 or float64, got {dtype}")
    _default_dtype = dtype


def _place(device: Device) -> _core.device:
    return _CPU if device is None else _core.device(device)


def _finish(array: _core.Array, requires_grad: bool) -> Tensor:
    tensor = Tensor(array)
    return tensor.requires_grad_() if requires_grad else tensor


def _placed(array: _core.Array, device: Device, requires_grad: bool) -> Tensor:
    """What was computed in the CPU's memory, on the device that was asked for."""
    if device is not None and _core.device(device) != array.device:
        array = Tensor(array).to(device)._array
    return _finish(array, requires_grad)


def tensor(
    data: Any, *, dtype: _core.dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A new tensor with a copy of data: numbers, nested sequences of them, NumPy arrays, or tensors.

    Without a dtype Python floats become float32, ints int64, bools bool, and arrays keep theirs.

    >>> nc.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        array = _core.clone(data._array)
    else:
        recording.refuse_values("tensor")
        array = _core.clone(numpy_view.from_numpy(_as_numpy(data, dtype)))
    array = _core.cast(array, dtype) if dtype is not None else array
    return _placed(array, device, requires_grad)


def _as_numpy(data: Any, dtype: _core.dtype | None = None) -> np.ndarray:
    """data as an array of a dtype of ours: Python floats in the default one, unless another is to come from them."""
    first = data
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    typed = isinstance(first, (np.ndarray, np.generic, Tensor))
    if isinstance(data, (list, tuple)):
        data = _lists(data)
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ValueError(f"tensor: expected a sequence of equal lengths at each depth: {error}") from None
    if is_bfloat16(array):
        return array
    if array.dtype == object or array.dtype.kind in "USMmcV":
        raise TypeError(f"tensor: expected numbers, got {type(data).__name__} of dtype {array.dtype}")
    if not typed and dtype is not None:
        _check_fit(array, dtype)
    elif not typed and array.dtype == np.float64 and (array.size or not hasattr(data, "dtype")):
        array = array.astype(NUMPY_DTYPES[_default_dtype])
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype not in _FROM_NUMPY:
        narrow = {"f": np.float32, "i": np.int32 if array.dtype.itemsize < 4 else np.int64, "u": np.int64}
        array = array.astype(narrow[array.dtype.kind])
    return array


def _check_fit(array: np.ndarray, dtype: _core.dtype) -> None:
    """Refuses Python numbers that an integer dtype does not hold. (-1 is a uint8, of two's complement.)"""
    if dtype.is_floating_point or dtype is _core.dtype.bool or not array.size or array.dtype == bool:
        return
    limits = np.iinfo(NUMPY_DTYPES[dtype])
    low = -limits.max if limits.min == 0 and array.dtype.kind == "i" else limits.min
    if not (low <= array.min() and array.max() <= limits.max):
        raise RuntimeError(f"tensor: value cannot be converted to type {dtype} without overflow")


def _lists(data: Any) -> Any:
    """Nested sequences with the tensors in them turned into arrays."""
    if isinstance(data, Tensor):
        return data.numpy(force=True)
    if isinstance(data, (list, tuple)) and any(isinstance(x, (Tensor, list, tuple)) for x in data):
        return [_lists(x) for x in data]
    return data


def as_tensor(data: Any, dtype: _core.dtype | None = None, device: Device = None) -> Tensor:
    """As `tensor`, but sharing memory with a NumPy array or tensor where dtype and device allow it."""
    if isinstance(data, np.ndarray) and (data.dtype in _FROM_NUMPY or is_bfloat16(data)):
        data = from_numpy(data)
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor over the memory of a NumPy array: writing to one changes the other.

    >>> a = np.zeros(3)
    >>> t = nc.from_numpy(a)
    >>> a[0] = 5
    >>> t
    tensor([5., 0., 0.], dtype=nncore.float64)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(array).__name__}")
    if array.dtype not in _FROM_NUMPY and not is_bfloat16(array):
        raise TypeError(
            "from_numpy: expected dtype float16, float32, float64, int32, int64, uint8 or bool in native byte order, "
            f"got {array.dtype.str if array.dtype.byteorder in '<>' else array.dtype}"
        )
    if not array.flags.writeable:
        warnings.warn("from_numpy: the array is not writable; writing to the tensor is undefined", stacklevel=2)
    recording.refuse_values("from_numpy")
    return Tensor(numpy_view.from_numpy(array))


def from_dlpack(ext_tensor: Any, *, device: Device = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any object that speaks DLPack, such as a PyTorch, CuPy or NumPy array.

    copy: True for memory of its own, False for an error where sharing is not possible, None for sharing where it is.
    """
    recording.refuse_values("from_dlpack")
    if hasattr(ext_tensor, "__dlpack__"):
        options = {}
        kind, index = ext_tensor.__dlpack_device__() if hasattr(ext_tensor, "__dlpack_device__") else (1, 0)
        if kind == 2:  # the producer orders its work before our stream's
            options["stream"] = _core.current_stream(index) or 1
        try:
            capsule = ext_tensor.__dlpack__(max_version=(1, 0), **options)
        except TypeError:  # a producer from before version 1
            capsule = ext_tensor.__dlpack__(**options)
    elif type(ext_tensor).__name__ == "PyCapsule":
        capsule = ext_tensor
    else:
        kind = type(ext_tensor).__name__
        raise TypeError(f"from_dlpack: expected an object with __dlpack__ or a DLPack capsule, got {kind}")
    shared = Tensor(_core.from_dlpack(capsule))
    moved = shared if device is None else shared.to(device=device)
    if moved is shared:
        return shared.clone() if copy else shared
    if copy is False:
        raise ValueError(f"from_dlpack: a copy is needed to bring the tensor to {device}")
    return moved


def full(
    size, fill_value, *, dtype: _core.dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of that shape with one value everywhere."""
    size = (size,) if isinstance(size, int) else tuple(size)
    if dtype is None:
        dtype = (
            _core.dtype.bool
            if isinstance(fill_value, bool)
            else _core.dtype.int64
            if isinstance(fill_value, int)
            else _default_dtype
        )
    return _finish(_core.full(size, fill_value, dtype, _place(device)), requires_grad)


def empty(
    *shape, size=None, dtype: _core.dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of that shape; its elements are whatever the memory held."""
    shape = shape_arguments(shape, size)
    return _finish(_core.empty(shape, dtype or _default_dtype, _place(device)), requires_grad)


def zeros(
    *shape, size=None, dtype: _core.dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """Zeros.

    >>> nc.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    shape = shape_arguments(shape, size)
    return full(shape, 0, dtype=dtype or _default_dtype, device=device, requires_grad=requires_grad)


def ones(
    *shape, size=None, dtype: _core.dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """Ones."""
    shape = shape_arguments(shape, size)
    return full(shape, 1, dtype=dtype or _default_dtype, device=device, requires_grad=requires_grad)


def full_like(
    input: Tensor, fill_value, *, dtype: _core.dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """One value everywhere, with the shape, dtype and device of input."""
    dtype, device = dtype or input.dtype, device or input.device
    return full(input.shape, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


def zeros_like(input: Tensor, **options) -> Tensor:
    """Zeros with the shape, dtype and device of input."""
    return full_like(input, 0, **options)


def ones_like(input: Tensor, **options) -> Tensor:
    """Ones with the shape, dtype and device of input."""
    return full_like(input, 1, **options)


def empty_like(
    input: Tensor, *, dtype: _core.dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """Uninitialised memory with the shape, dtype and device of input."""
    return empty(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def arange(
    start=None,
    end=None,
    step=1,
    *,
    dtype: _core.dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end. With an integer dtype start and step are cut to integers first.

    >>> nc.arange(3)
    tensor([0, 1, 2])
    """
    if end is None:
        start, end = None, start
    start, end, step = map(_number, (0 if start is None else start, end, step))
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end}")
    if dtype is None:
        integers = all(isinstance(v, int) for v in (start, end, step))
        dtype = _core.dtype.int64 if integers else _default_dtype
    if dtype is _core.dtype.bool:
        raise NotImplementedError("arange: expected a dtype of numbers, got bool")
    if step == 0 or (end - start) / step < 0:
        raise RuntimeError(f"arange: expected a step that leads from {start} to {end}, got {step}")
    if dtype is _core.dtype.int64:
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("arange: step must be nonzero, also when cut to an integer")
    count = -((start - end) // step) if dtype is _core.dtype.int64 else math.ceil((end - start) / step)
    if not dtype.is_floating_point:
        start, step = int(start), int(step)
    return _finish(_core.sequence(start, step, (count,), dtype, _place(device)), requires_grad)


def _number(value) -> float:
    """A number, also where a tensor or NumPy number gives it."""
    if isinstance(value, (Tensor, np.generic, np.ndarray)):
        if value.ndim:
            raise RuntimeError(f"expected a number or a tensor of 0 dimensions, got one of {value.ndim}")
        return value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    return value


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: _core.dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """That many values from start to end, both included, equally spaced."""
    dtype = dtype or _default_dtype
    if steps < 0:
        raise RuntimeError(f"linspace: expected a number of steps of at least 0, got {steps}")
    if dtype is _core.dtype.bool:
        raise NotImplementedError("linspace: expected a dtype of numbers, got bool")
    # Both ends rounded to the dtype, and each half counted from its own end, as in PyTorch.
    kind = NUMPY_DTYPES.get(dtype, np.dtype(np.float32))  # bfloat16 comes from float32
    start, end = (kind.type(_number(v)).item() for v in (start, end))
    if steps == 1:
        end = start
    step = (end - start) / max(steps - 1, 1)
    return _finish(_core.sequence(start, step, (steps,), dtype, _place(device), end), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: _core.dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an n by m matrix, zeros elsewhere."""
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"eye: expected extents of at least 0, got {n} and {m}")
    m = n if m is None else m
    y = _core.full((n, m), 0, dtype or _default_dtype, _place(device))
    _core.fill(_core.as_strided(y, (min(n, m),), (m + 1,), 0), 1)
    return _finish(y, requires_grad)


@tensor_method
def new_tensor(self: Tensor, data: Any, **options) -> Tensor:
    """A tensor of data with this tensor's dtype and device."""
    return tensor(data, **{"dtype": self.dtype, "device": self.device, **options})


@tensor_method
def new_zeros(self: Tensor, *size, **options) -> Tensor:
    """Zeros with this tensor's dtype and device."""
    return zeros(*size, **{"dtype": self.dtype, "device": self.device, **options})


@tensor_method
def new_ones(self: Tensor, *size, **options) -> Tensor:
    """Ones with this tensor's dtype and device."""
    return ones(*size, **{"dtype": self.dtype, "device": self.device, **options})


@tensor_method
def new_full(self: Tensor, size, fill_value, **options) -> Tensor:
    """One value everywhere, with this tensor's dtype and device."""
    return full(size, fill_value, **{"dtype": self.dtype, "device": self.device, **options})


@tensor_method
def new_empty(self: Tensor, *size, **options) -> Tensor:
    """Uninitialised memory with this tensor's dtype and device."""
    return empty(*size, **{"dtype": self.dtype, "device": self.device, **options})


def is_tensor(value: Any) -> builtins.bool:
    """Whether value is a Tensor."""
    return isinstance(value, Tensor)
