"""How a tensor prints: PyTorch's format, four digits, long tensors shortened."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore import _core

if TYPE_CHECKING:
    import numpy as np

    from nncore.tensor import Tensor

_PRECISION = 4
_THRESHOLD = 1000
_EDGE = 3
_LINE = 80
_IMPLIED = (_core.dtype.float32, _core.dtype.int64, _core.dtype.bool)


def tensor_repr(tensor: Tensor) -> str:
    """The text of `repr(tensor)`."""
    name = type(tensor).__name__
    prefix = "tensor(" if name == "Tensor" else f"{name} containing:\ntensor("
    suffixes = []
    if tensor.device.type != "cpu":
        suffixes.append(f"device='{tensor.device}'")
    if tensor.numel() == 0:
        body = "[]"
        if tensor.ndim != 1:
            suffixes.append(f"size={tuple(tensor.shape)}")
    else:
        values = tensor.detach().cpu()
        values = (values.float() if values.dtype is _core.dtype.bfloat16 else values).numpy()
        shorten = values.size > _THRESHOLD
        body = _nested(values, _formatter(_shown(values) if shorten else values), len("tensor("), shorten)
    if tensor.dtype not in _IMPLIED:
        suffixes.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        suffixes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return f"{prefix}{', '.join([body, *suffixes])})"


def _shown(values: np.ndarray) -> np.ndarray:
    """The elements that are left when long dimensions are shortened: they decide the format."""
    for axis, extent in enumerate(values.shape):
        if extent > 2 * _EDGE:
            kept = [*range(_EDGE), *range(extent - _EDGE, extent)]
            values = values.take(kept, axis)
    return values


def _formatter(values: np.ndarray):
    """A function from an element to its text, of one width for all finite elements."""
    flat = values.ravel()
    if values.dtype.kind in "biu":
        text, measured = str, flat
    else:
        measured = flat[[math.isfinite(v) and v != 0 for v in flat]]
        text = _float_text([abs(float(v)) for v in measured])
    width = max((len(text(v)) for v in measured), default=0) if values.ndim else 0
    return lambda v: text(v).rjust(width)


def _float_text(sizes: list[float]):
    """How numbers of these sizes are written: as whole numbers, with four digits, or with an exponent."""
    wide = bool(sizes) and (max(sizes) / min(sizes) > 1000 or max(sizes) > 1e8)
    if all(v == int(v) for v in sizes):
        return (
            (lambda v: f"{v:.{_PRECISION}e}")
            if wide
            else (lambda v: f"{v:.0f}." if math.isfinite(v) else str(float(v)))
        )
    if wide or min(sizes) < 1e-4:
        return lambda v: f"{v:.{_PRECISION}e}"
    return lambda v: f"{v:.{_PRECISION}f}"


def _nested(values: np.ndarray, text, indent: int, shorten: bool) -> str:
    if values.ndim == 0:
        return text(values[()])
    short = shorten and values.shape[0] > 2 * _EDGE
    rows = [*values[:_EDGE], None, *values[-_EDGE:]] if short else list(values)
    if values.ndim == 1:
        return _line([" ..." if r is None else text(r) for r in rows], indent)
    separator = "," + "\n" * (values.ndim - 1) + " " * (indent + 1)
    return "[" + separator.join("..." if r is None else _nested(r, text, indent + 1, shorten) for r in rows) + "]"


def _line(items: list[str], indent: int) -> str:
    per_line = max(1, (_LINE - indent) // (max(map(len, items), default=1) + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
