"""Padding: more elements at the ends of dimensions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from nncore import _core
from nncore.autograd import record
from nncore.ops.interpolate import resample
from nncore.ops.resample_tables import with_adjoint
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """input with pad[0] elements before and pad[1] after those of the last dimension, pad[2] and pad[3] of the last but
    one, and so on. Negative numbers cut off.

    mode: "constant" with `value`, 0 if None; for the last one to three dimensions of a tensor with channels also
    "reflect" (mirrored at the outermost element), "replicate" (copies of it), "circular" (from the other end).

    >>> F.pad(nc.tensor([1, 2, 3]), (1, 2))
    tensor([0, 1, 2, 3, 0, 0])
    """
    pad = tuple(pad)
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "pad: Padding length should be even and at most twice the number of dimensions of the input, got "
            f"{len(pad)} for shape {list(input.shape)}"
        )
    widths = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    widths = [(0, 0)] * (input.ndim - len(widths)) + widths
    if mode == "constant":
        return _pad_constant(input, widths, 0 if value is None else value)
    if mode not in _PLACES:
        raise NotImplementedError(f"pad: Unrecognised padding mode {mode}")
    if value is not None:
        raise ValueError(f'pad: Padding mode "{mode}" doesn\'t take in value argument')
    if not 1 <= len(pad) // 2 <= 3 or input.ndim - len(pad) // 2 not in (1, 2):
        raise NotImplementedError(
            "pad: Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now, got "
            f"{len(pad)} widths for shape {list(input.shape)}"
        )
    extents, spatial = input._array.shape, len(pad) // 2
    for n, (left, right) in zip(extents[-spatial:], widths[-spatial:], strict=True):
        _check_extent(mode, n, left, right, at_least=int(spatial == 1 and mode != "circular"))
    if input._array.is_floating and 0 not in extents:
        dtype = "float64" if input._array.dtype is _core.dtype.float64 else "float32"
        axes = zip(extents[-spatial:], widths[-spatial:], strict=True)
        tables = [_table(mode, n, left, right, dtype, input._array.device) for n, (left, right) in axes]
        return resample(input, [t and t[0] for t in tables], [t and t[1] for t in tables])
    y = input
    for dim, (left, right) in enumerate(widths):
        if left or right:
            places = _PLACES[mode](input.shape[dim], left, right)
            y = y.index_select(dim, input.new_tensor(places, dtype=_core.dtype.int64))
    return y


@functools.lru_cache(maxsize=256)
def _table(mode: str, n: int, left: int, right: int, dtype: str, device: _core.device) -> tuple | None:
    """The table of the copies along one axis and its adjoint, or None where there are none."""
    if not left and not right:
        return None
    index = np.array(_PLACES[mode](n, left, right), np.int64).reshape(1, -1)
    return with_adjoint(index, np.ones(index.shape, dtype), n, device)


def _pad_constant(input: Tensor, widths: list, value: float) -> Tensor:
    shape = [n + left + right for n, (left, right) in zip(input._array.shape, widths, strict=True)]
    for n, (left, right) in zip(input._array.shape, widths, strict=True):
        _check_extent("constant", n, left, right)
    y = _core.full(shape, value, input._array.dtype, input._array.device)
    inner, source = y, input._array
    for dim, (left, right) in enumerate(widths):
        if left < 0 or right < 0:
            source = _core.slice(source, dim, max(-left, 0), max(source.shape[dim] - max(-right, 0), 0), 1)
        if left > 0 or right > 0:
            inner = _core.slice(inner, dim, max(left, 0), max(shape[dim] - max(right, 0), 0), 1)
    if source.numel:
        _core.copy(inner, source)
    return record("pad", Tensor(y), (input,), _pad_rule, ([(-left, -right) for left, right in widths],))


_pad_rule = (lambda gy, widths: _pad_constant(gy, widths, 0),)


def _check_extent(mode: str, n: int, left: int, right: int, at_least: int = 0) -> None:
    """Refuses to cut off more than there is, and to wrap around what nothing is left of."""
    kept = n + min(left, 0) + min(right, 0)
    if n + left + right < at_least:
        raise RuntimeError(
            f"pad: the output of padding an extent of {n} by ({left}, {right}) would have {n + left + right} elements"
        )
    if (mode == "constant" and kept < 0) or (mode == "circular" and kept < (n + left + right > 0)):
        raise RuntimeError(f"pad: padding an extent of {n} by ({left}, {right}) cuts off more than there is")


def _reflected(n: int, left: int, right: int) -> list[int]:
    if left >= n or right >= n:
        raise RuntimeError(
            "pad: Padding size should be less than the corresponding input dimension, but got: padding "
            f"({left}, {right}) for an extent of {n}"
        )
    return [n - 1 - abs(n - 1 - abs(i)) for i in range(-left, n + right)]


def _replicated(n: int, left: int, right: int) -> list[int]:
    return [min(max(i, 0), n - 1) for i in range(-left, n + right)]


def _wrapped(n: int, left: int, right: int) -> list[int]:
    if left > n or right > n:
        raise RuntimeError(
            f"pad: Padding value causes wrapping around more than once: ({left}, {right}) for an extent of {n}"
        )
    first, kept = max(-left, 0), n + min(left, 0) + min(right, 0)  # what is cut off comes back at neither end
    return [first + i % kept for i in range(-max(left, 0), kept + max(right, 0))]


_PLACES = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}
