"""Where interpolation reads along one axis, and with which weights: tables for the kernel `resample`.

A table is (index, weight), both [taps, out]: y[o] = sum over t of weight[t, o] * x[index[t, o]]. It is computed in the
dtype of the data, step by step as PyTorch computes it, because the floor of a rounded place decides which element is
nearest. `table` keeps what it made last, with the table of the adjoint map.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from nncore import _core

# Filters for antialiasing: how wide each is, and its value at a distance.
_FILTERS = {
    "linear": (2, lambda x: np.maximum(1 - np.abs(x), 0)),
    "cubic": (4, lambda x: _keys(np.abs(x), -0.5)),
    "lanczos": (6, lambda x: np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)),
}


@functools.lru_cache(maxsize=256)
def table(
    mode: str,
    n: int,
    out: int,
    scale: float | None,
    align_corners: bool,
    antialias: bool,
    dtype: str,
    device: _core.device,
) -> tuple | None:
    """((index, weight), (index, weight) of the adjoint) for mode "nearest", "nearest-exact", "linear", "cubic" or
    "lanczos", or None where nothing changes. `scale` is the scale_factor given, if it is to be used."""
    kind = np.dtype(dtype).type
    if antialias:
        index, weight = _smoothed(mode, n, out, _ratio(n, out, scale, align_corners, kind), kind)
    elif n == out and mode == "linear":
        return None  # whatever the scale_factor, which need not be 1
    else:
        index, weight = _PLACES[mode](n, out, _ratio(n, out, scale, align_corners, kind), align_corners, kind)
    if index.shape == (1, n) and (index == np.arange(n)).all() and (weight == 1).all():
        return None
    return with_adjoint(index, weight, n, device)


def with_adjoint(index: np.ndarray, weight: np.ndarray, n: int, device: _core.device) -> tuple:
    """The table as arrays of the kernel, and that of the adjoint map."""
    return _arrays(index, weight, device), _arrays(*adjoint(index, weight, n), device)


def adjoint(index: np.ndarray, weight: np.ndarray, n: int) -> tuple:
    """The table of the transposed map, from gradients of y to gradients of x; sums are in the order of y's places."""
    places, weights = index.T.ravel(), weight.T.ravel()  # output by output
    output = np.repeat(np.arange(index.shape[1]), index.shape[0])
    real = places < n
    places, weights, output = places[real], weights[real], output[real]
    order = np.argsort(places, kind="stable")
    places, weights, output = places[order], weights[order], output[order]
    count = np.bincount(places, minlength=n)
    tap = np.arange(len(places)) - (np.cumsum(count) - count)[places]
    index_back = np.full((max(count.max(), 1), n), index.shape[1])
    weight_back = np.zeros(index_back.shape, weight.dtype)
    index_back[tap, places], weight_back[tap, places] = output, weights
    return index_back, weight_back


def _arrays(index: np.ndarray, weight: np.ndarray, device: _core.device) -> tuple:
    kept = np.ascontiguousarray(index, np.int32), np.ascontiguousarray(weight)
    there = tuple([_core.to_device(_core.from_buffer(array), device) for array in kept])
    if device.type != "cpu":
        _core.synchronize(device)  # tables are kept, for all streams
    return there


def _ratio(n: int, out: int, scale: float | None, align_corners: bool, kind: type):
    """Elements of the input from one output to the next."""
    if align_corners:
        return kind(n - 1) / kind(out - 1) if out > 1 else kind(0)
    if scale is not None and scale > 0:
        return kind(1.0 / scale)
    return kind(n) / kind(out)


def _source(out: int, ratio, align_corners: bool, kind: type) -> np.ndarray:
    """Where the centre (or with align_corners the corner) of each output lies in the input."""
    o = np.arange(out, dtype=kind)
    return ratio * o if align_corners else ratio * (o + kind(0.5)) - kind(0.5)


def _floor(x: np.ndarray) -> np.ndarray:
    """The floor in single precision, whatever the dtype: so PyTorch finds the nearest element."""
    return np.floor(x.astype(np.float32)).astype(np.int64)


def _nearest(n, out, ratio, align_corners, kind):
    places = _floor(_source(out, ratio, True, kind))
    return np.minimum(places, n - 1)[None], np.ones((1, out), kind)


def _nearest_exact(n, out, ratio, align_corners, kind):
    places = _floor(np.maximum(_source(out, ratio, False, kind), 0) + kind(0.5))
    return np.minimum(places, n - 1)[None], np.ones((1, out), kind)


def _linear(n, out, ratio, align_corners, kind):
    source = np.maximum(_source(out, ratio, align_corners, kind), 0)
    first = np.minimum(_floor(source), n - 1)
    part = np.clip(source - first.astype(kind), 0, 1)
    return np.stack([first, np.minimum(first + 1, n - 1)]), np.stack([1 - part, part])


def _cubic(n, out, ratio, align_corners, kind):
    source = _source(out, ratio, align_corners, kind)
    first = np.minimum(_floor(source), n - 1)
    part = np.clip(source - first.astype(kind), 0, 1)
    index = np.clip(np.stack([first + t for t in (-1, 0, 1, 2)]), 0, n - 1)
    return index, np.stack([_keys(d, -0.75) for d in (part + 1, part, 1 - part, 2 - part)]).astype(kind)


def _keys(x: np.ndarray, a: float) -> np.ndarray:
    """Keys's cubic convolution kernel at distances of 0 to 2 and more ("Cubic convolution interpolation for digital
    image processing", 1981)."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


_PLACES = {"nearest": _nearest, "nearest-exact": _nearest_exact, "linear": _linear, "cubic": _cubic}


def _smoothed(mode: str, n: int, out: int, ratio, kind: type) -> tuple:
    """The filter, made wider by the ratio where the output is smaller, over all elements that it reaches."""
    width, value = _FILTERS[mode]
    stretch = max(ratio, kind(1))
    support = kind(width * 0.5) * stretch
    centre = ratio * (np.arange(out, dtype=kind) + kind(0.5))
    begin = np.maximum((centre - support + kind(0.5)).astype(np.int64), 0)
    count = np.minimum((centre + support + kind(0.5)).astype(np.int64), n) - begin
    t = np.arange(max(min(count.max(), 2 * math.ceil(support) + 1), 1))[:, None]
    weight = value(((t + begin).astype(kind) - centre + kind(0.5)) / stretch).astype(kind)
    weight = np.where(t < count, weight, 0)
    total = weight.sum(0)
    weight = (weight / np.where(total == 0, 1, total)).astype(kind)
    return np.where(t < count, t + begin, n), weight
