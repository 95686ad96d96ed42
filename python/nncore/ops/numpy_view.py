"""Arrays as NumPy sees them. bfloat16 it knows by the package ml_dtypes alone, which is imported when it is needed."""

from __future__ import annotations

import numpy as np

from nncore import _core
from nncore.extras import require

NUMPY_DTYPES = {
    _core.dtype.float16: np.dtype(np.float16),
    _core.dtype.float32: np.dtype(np.float32),
    _core.dtype.float64: np.dtype(np.float64),
    _core.dtype.int32: np.dtype(np.int32),
    _core.dtype.int64: np.dtype(np.int64),
    _core.dtype.uint8: np.dtype(np.uint8),
    _core.dtype.bool: np.dtype(np.bool_),
}


def to_numpy(array: _core.Array) -> np.ndarray:
    """The memory of an array of the CPU. Raises ImportError for bfloat16 without ml_dtypes."""
    view = np.asarray(array)
    if view.dtype.char == "H":  # the only dtype of ours that NumPy sees as its bits
        return view.view(require("ml_dtypes", "bfloat16 in NumPy", "half").bfloat16)
    return view


def is_bfloat16(array: np.ndarray) -> bool:
    """Whether the elements are ml_dtypes.bfloat16."""
    return array.dtype.name == "bfloat16"


def from_numpy(array: np.ndarray) -> _core.Array:
    """An array over the memory of NumPy's, which has a dtype of ours."""
    return _core.from_buffer(array.view(np.uint16), True) if is_bfloat16(array) else _core.from_buffer(array)
