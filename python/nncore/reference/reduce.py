"""Reductions, accumulated in float64 or int64 and rounded once."""

import numpy as np


def _axes(x, dim):
    if x.ndim == 0 or dim is None or dim in ((), []):
        return None
    return tuple(dim) if isinstance(dim, (tuple, list)) else dim


def _wide(x):
    return x.astype(np.float64 if x.dtype.kind == "f" else np.int64)


def _narrow(y, x):
    return np.asarray(y).astype(x.dtype if x.dtype.kind == "f" else np.int64)


def _along(f, x, dim, keepdim):
    return _narrow(f(_wide(x), axis=_axes(x, dim), keepdims=keepdim), x)


def sum(x, dim=None, keepdim=False):
    return _along(np.sum, x, dim, keepdim)


def mean(x, dim=None, keepdim=False):
    return _along(np.mean, x, dim, keepdim)


def prod(x, dim=None, keepdim=False):
    return _along(np.prod, x, dim, keepdim)


def amax(x, dim=None, keepdim=False):
    return np.max(x, axis=_axes(x, dim), keepdims=keepdim)


def amin(x, dim=None, keepdim=False):
    return np.min(x, axis=_axes(x, dim), keepdims=keepdim)


def argmax(x, dim=None, keepdim=False):
    return np.asarray(np.argmax(x, axis=_axes(x, dim), keepdims=keepdim))


def argmin(x, dim=None, keepdim=False):
    return np.asarray(np.argmin(x, axis=_axes(x, dim), keepdims=keepdim))


def max(x, dim, keepdim=False):
    return amax(x, dim, keepdim), argmax(x, dim, keepdim)


def min(x, dim, keepdim=False):
    return amin(x, dim, keepdim), argmin(x, dim, keepdim)


def any(x, dim=None, keepdim=False):
    return np.asarray(np.any(x != 0, axis=_axes(x, dim), keepdims=keepdim))


def all(x, dim=None, keepdim=False):
    return np.asarray(np.all(x != 0, axis=_axes(x, dim), keepdims=keepdim))


def count_nonzero(x, dim=None):
    return np.asarray(np.count_nonzero(x, axis=_axes(x, dim)), dtype=np.int64)


def cumsum(x, dim):
    return _narrow(np.cumsum(_wide(x), axis=dim).reshape(x.shape), x)


def cumprod(x, dim):
    return _narrow(np.cumprod(_wide(x), axis=dim).reshape(x.shape), x)


def var(x, dim=None, keepdim=False, correction=1):
    wide, axes = _wide(x), _axes(x, dim)
    squares = (wide - np.mean(wide, axis=axes, keepdims=True)) ** 2
    freedom = np.maximum(0.0, x.size / np.maximum(np.size(np.sum(wide, axis=axes)), 1) - correction)
    return _narrow(np.sum(squares, axis=axes, keepdims=keepdim) / freedom, x)


def std(x, dim=None, keepdim=False, correction=1):
    return _narrow(np.sqrt(var(_wide(x), dim, keepdim, correction)), x)


def var_mean(x, dim=None, keepdim=False, correction=1):
    return var(x, dim, keepdim, correction), mean(x, dim, keepdim)


def std_mean(x, dim=None, keepdim=False, correction=1):
    return std(x, dim, keepdim, correction), mean(x, dim, keepdim)


def logsumexp(x, dim, keepdim=False):
    wide, axes = _wide(x), _axes(x, dim)
    top = np.max(wide, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    y = np.log(np.sum(np.exp(wide - top), axis=axes, keepdims=True)) + top
    return _narrow(y if keepdim else y.reshape(np.sum(wide, axis=axes).shape), x)


def vector_norm(x, ord=2, dim=None, keepdim=False):
    size, axes = np.abs(_wide(x)), _axes(x, dim)
    if ord == 0:
        return _narrow(np.sum(size != 0, axis=axes, keepdims=keepdim), x)
    if np.isinf(ord):
        return _narrow((np.max if ord > 0 else np.min)(size, axis=axes, keepdims=keepdim), x)
    return _narrow(np.sum(size**ord, axis=axes, keepdims=keepdim) ** (1 / ord), x)


def expand(x, shape):
    lead = len(shape) - x.ndim
    return np.broadcast_to(x, [n if n >= 0 else x.shape[i - lead] for i, n in enumerate(shape)])
