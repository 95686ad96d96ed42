"""Reductions, accumulated in float64 and rounded once."""

import numpy as np


def _axes(x, dim):
    if x.ndim == 0 or dim is None or dim in ((), []):
        return None
    return tuple(dim) if isinstance(dim, (tuple, list)) else dim


def _wide(x):
    return x.astype(np.float64 if x.dtype.kind == "f" else np.int64)


def _narrow(y, x):
    return np.asarray(y).astype(x.dtype if x.dtype.kind == "f" else np.int64)


def sum(x, dim=None, keepdim=False):
    return _narrow(np.sum(_wide(x), axis=_axes(x, dim), keepdims=keepdim), x)


def mean(x, dim=None, keepdim=False):
    return _narrow(np.mean(_wide(x), axis=_axes(x, dim), keepdims=keepdim), x)


def expand(x, shape):
    lead = len(shape) - x.ndim
    return np.broadcast_to(x, [n if n >= 0 else x.shape[i - lead] for i, n in enumerate(shape)])
