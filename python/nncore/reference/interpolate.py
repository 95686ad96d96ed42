"""Interpolation as weights between every input and every output of an axis: a matrix for each, applied in turn."""

import numpy as np


def interpolate(
    x, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False
):
    spatial = x.ndim - 2
    scales = [None] * spatial
    if size is None:
        scales = [float(s) for s in np.broadcast_to(scale_factor, spatial)]
        size = [int(n * s) for n, s in zip(x.shape[2:], scales, strict=True)]
        if recompute_scale_factor or mode == "area":
            scales = [None] * spatial
    if mode == "nearest" and spatial == 2:  # an extent kept or doubled is so whatever the scale_factor
        pairs = zip(x.shape[2:], np.broadcast_to(size, spatial), scales, strict=True)
        scales = [None if out in (n, 2 * n) else scale for n, out, scale in pairs]
    y = x.astype(np.float64)
    for axis, (out, scale) in enumerate(zip(np.broadcast_to(size, spatial), scales, strict=True), start=2):
        n = x.shape[axis]
        if mode == "area":
            weights = _areas(n, out)
        else:
            weights = [_weights(mode, n, o, *_place(n, out, o, scale, align_corners)) for o in range(out)]
        moved = np.moveaxis(y, axis, -1)
        # What has no weight takes no part: infinity times 0 is no number.
        y = np.stack([moved[..., row != 0] @ row[row != 0] for row in weights], axis)
    return y.astype(x.dtype)


def resample(x, *tables):
    """For each of the last axes y[o] = the sum over t of weight[t, o] * x[index[t, o]]; index n stands for nothing."""
    for axis, table in enumerate(tables, x.ndim - len(tables)):
        if table is not None:
            n, moved = x.shape[axis], np.moveaxis(x, axis, -1)
            terms = [
                np.where(i < n, moved[..., np.minimum(i, n - 1)] * x.dtype.type(w), 0)
                for i, w in zip(np.asarray(table[0]), np.asarray(table[1]), strict=True)
            ]
            x = np.moveaxis(np.sum(terms, axis=0, dtype=x.dtype), -1, axis)
    return x


def _place(n, out, o, scale, align_corners):
    """Where output o looks at, and how far apart two outputs look."""
    if align_corners:
        ratio = (n - 1) / (out - 1) if out > 1 else 0.0
        return o * ratio, ratio
    ratio = 1 / scale if scale else n / out
    return (o + 0.5) * ratio - 0.5, ratio


def _weights(mode, n, o, place, ratio):
    """The weight of each of the n inputs in output o."""
    row = np.zeros(n)
    if mode == "nearest":
        row[min(int(o * ratio), n - 1)] = 1
    elif mode == "nearest-exact":
        row[min(int(place + 0.5), n - 1)] = 1
    elif mode.endswith("linear"):
        place = max(place, 0)
        first = min(int(place), n - 1)
        row[first] += 1 - (place - first)
        row[min(first + 1, n - 1)] += place - first
    elif mode == "bicubic":
        for i in range(-3, n + 3):
            row[min(max(i, 0), n - 1)] += _cubic(abs(place - i), -0.75)
    return row


def _cubic(d, a):
    if d >= 2:
        return 0.0
    return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d < 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a


def _areas(n, out):
    rows = np.zeros((out, n))
    for o in range(out):
        rows[o, o * n // out : -(-(o + 1) * n // out)] = 1
    return rows / rows.sum(1, keepdims=True)
