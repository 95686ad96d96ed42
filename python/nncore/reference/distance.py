"""Distances and similarities of vectors."""

import numpy as np


def norm(x, p, axis=-1, keepdims=False):
    """(sum of |x|^p)^(1/p), a count for 0, the largest for inf."""
    size = np.abs(x)
    if p == 0:
        return np.asarray((size != 0).sum(axis, keepdims=keepdims), x.dtype)
    if np.isinf(p):
        return size.max(axis, keepdims=keepdims)
    return np.asarray((size**p).sum(axis, keepdims=keepdims) ** (1 / p), x.dtype)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    d = x1 - x2 + x1.dtype.type(eps)
    return np.asarray(norm(d if d.ndim else d.reshape(1), p, -1, keepdim and d.ndim > 0))


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    x1, x2 = np.broadcast_arrays(x1, x2)
    if x1.ndim == 0:
        return cosine_similarity(x1.reshape(1), x2.reshape(1), 0, eps)
    a, b = (x / np.maximum(norm(x, 2, dim, True), x.dtype.type(eps)) for x in (x1, x2))
    return np.asarray((a * b).sum(dim))


def cdist(x1, x2, p=2.0, compute_mode=None):
    return norm(x1[..., :, None, :] - x2[..., None, :, :], p)


def pdist(input, p=2.0):
    first, second = np.triu_indices(len(input), 1)
    return norm(input[first] - input[second], p)


def normalize(input, p=2.0, dim=1, eps=1e-12):
    return input / np.maximum(norm(input, p, dim, True), input.dtype.type(eps))
