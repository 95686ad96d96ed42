"""Pooling: the maximum or the mean of each window, window by window."""

import itertools

import numpy as np


def _each(value, spatial):
    value = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return value if len(value) == spatial else value * spatial


def _out_size(n, kernel, stride, pad, dilation, ceil_mode):
    span = n + 2 * pad - dilation * (kernel - 1) - 1
    out = (span + stride - 1 if ceil_mode else span) // stride + 1
    return out - 1 if ceil_mode and (out - 1) * stride >= n + pad else out


def _windows(n, kernel, stride, pad, dilation, ceil_mode):
    """For each output of one axis: the positions inside the input, and how many there are with the padding."""
    for o in range(_out_size(n, kernel, stride, pad, dilation, ceil_mode)):
        start = o * stride - pad
        positions = [start + r * dilation for r in range(kernel)]
        yield [p for p in positions if 0 <= p < n], min(start + kernel, n + pad) - start


def _adaptive_windows(n, out):
    for o in range(out):
        begin, end = o * n // out, -(-(o + 1) * n // out)
        yield list(range(begin, end)), end - begin


def _pool(x, axes, pool):
    """pool(plane, positions along each axis, count with padding) for every plane and window."""
    spatial = len(axes)
    axes = [list(axis) for axis in axes]
    lead = x.shape[: x.ndim - spatial]
    outs = [np.zeros((*lead, *map(len, axes)), x.dtype), np.zeros((*lead, *map(len, axes)), np.int64)]
    for plane in np.ndindex(lead):
        for o in np.ndindex(*map(len, axes)):
            windows = [axis[i] for axis, i in zip(axes, o, strict=True)]
            positions = list(itertools.product(*[w[0] for w in windows]))
            outs[0][plane + o], outs[1][plane + o] = pool(x[plane], positions, np.prod([w[1] for w in windows]))
    return outs


def _largest(plane, positions, _):
    best, at = -np.inf, positions[0]
    for p in positions:
        if plane[p] > best or np.isnan(plane[p]):
            best, at = plane[p], p
    return best, np.ravel_multi_index(at, plane.shape)


def _axes(x, spatial, kernel_size, stride, padding, dilation, ceil_mode):
    kernel = _each(kernel_size, spatial)
    stride = kernel if stride is None else _each(stride, spatial)
    geometry = zip(
        x.shape[x.ndim - spatial :], kernel, stride, _each(padding, spatial), _each(dilation, spatial), strict=True
    )
    return [_windows(*g, ceil_mode) for g in geometry]


def _max_pool(spatial):
    def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        y, index = _pool(x, _axes(x, spatial, kernel_size, stride, padding, dilation, ceil_mode), _largest)
        return (y, index) if return_indices else y

    return max_pool


def _avg_pool(spatial):
    def avg_pool(
        x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        def average(plane, positions, padded):
            total = np.sum([plane[p] for p in positions], dtype=np.float64)
            return total / (divisor_override or (padded if count_include_pad else len(positions))), 0

        return _pool(x, _axes(x, spatial, kernel_size, stride, padding, 1, ceil_mode), average)[0]

    return avg_pool


def _adaptive_axes(x, spatial, output_size):
    own = x.shape[x.ndim - spatial :]
    return [_adaptive_windows(n, n if o is None else o) for n, o in zip(own, _each(output_size, spatial), strict=True)]


def _adaptive_max_pool(spatial):
    def adaptive_max_pool(x, output_size, return_indices=False):
        y, index = _pool(x, _adaptive_axes(x, spatial, output_size), _largest)
        return (y, index) if return_indices else y

    return adaptive_max_pool


def _adaptive_avg_pool(spatial):
    def adaptive_avg_pool(x, output_size):
        def average(plane, positions, _):
            return np.mean([plane[p] for p in positions], dtype=np.float64), 0

        return _pool(x, _adaptive_axes(x, spatial, output_size), average)[0]

    return adaptive_avg_pool


def _lp_pool(spatial):
    def lp_pool(x, norm_type, kernel_size, stride=None, ceil_mode=False):
        def norm(plane, positions, _):
            values = np.array([plane[p] for p in positions], np.float64)
            if np.isinf(norm_type):
                return np.abs(values).max(), 0
            # The mean of the window times its whole size, which counts a window that reaches over the edge for more.
            mean = np.mean(values**norm_type)
            return (mean * np.prod(_each(kernel_size, spatial))) ** (1 / norm_type), 0

        return _pool(x, _axes(x, spatial, kernel_size, stride, 0, 1, ceil_mode), norm)[0]

    return lp_pool


def _max_unpool(spatial):
    def max_unpool(x, indices, kernel_size, stride=None, padding=0, output_size=None):
        kernel = _each(kernel_size, spatial)
        stride = kernel if stride is None else _each(stride, spatial)
        own = x.shape[x.ndim - spatial :]
        if output_size is None:
            axes = zip(own, kernel, stride, _each(padding, spatial), strict=True)
            output_size = [(n - 1) * s + k - 2 * p for n, k, s, p in axes]
        lead, size = x.shape[: x.ndim - spatial], tuple(output_size)[-spatial:]
        y = np.zeros((*lead, int(np.prod(size))), x.dtype)
        for at in np.ndindex(x.shape):
            y[at[: x.ndim - spatial]][indices[at]] = x[at]
        return y.reshape(*lead, *size)

    return max_unpool


lp_pool1d, lp_pool2d, lp_pool3d = map(_lp_pool, (1, 2, 3))
max_unpool1d, max_unpool2d, max_unpool3d = map(_max_unpool, (1, 2, 3))
max_pool1d, max_pool2d, max_pool3d = map(_max_pool, (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = map(_avg_pool, (1, 2, 3))
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = map(_adaptive_max_pool, (1, 2, 3))
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = map(_adaptive_avg_pool, (1, 2, 3))
