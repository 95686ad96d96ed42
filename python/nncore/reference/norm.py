"""Normalisation as it is written in the papers, in float64 and rounded once."""

import numpy as np


def _normalise(x, axes, weight, bias, eps, affine, centered=True):
    """(x - mean) / sqrt(var + eps) over the axes, then weight and bias, which `affine` brings to x's shape."""
    wide = x.astype(np.float64)
    mean = wide.mean(axes, keepdims=True) if centered else 0
    y = (wide - mean) / np.sqrt(((wide - mean) ** 2).mean(axes, keepdims=True) + eps)
    y = y * (1 if weight is None else affine(weight)) + (0 if bias is None else affine(bias))
    return y.astype(x.dtype)


def _of_channels(x):
    """What brings a parameter [C] to [1, C, 1, ...]."""
    return lambda p: p.astype(np.float64).reshape(1, -1, *[1] * (x.ndim - 2))


def _fixed(x, mean, var, weight, bias, eps):
    wide = _of_channels(x)
    y = (x - wide(mean)) / np.sqrt(wide(var) + eps)
    return (y * (1 if weight is None else wide(weight)) + (0 if bias is None else wide(bias))).astype(x.dtype)


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if not training:
        return _fixed(x, running_mean, running_var, weight, bias, eps)
    return _normalise(x, (0, *range(2, x.ndim)), weight, bias, eps, _of_channels(x))


def instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    if not use_input_stats:
        return _fixed(x, running_mean, running_var, weight, bias, eps)
    return _normalise(x, tuple(range(2, x.ndim)), weight, bias, eps, _of_channels(x))


def running_statistics(x, running_mean, running_var, momentum, of_samples):
    """Where the running statistics of batch norm, or of instance norm, go with x."""
    axes = tuple(range(2, x.ndim)) if of_samples else (0, *range(2, x.ndim))
    wide = x.astype(np.float64)
    mean, var = wide.mean(axes), wide.var(axes, ddof=1)
    if of_samples:
        mean, var = mean.mean(0), var.mean(0)
    moved = [(1 - momentum) * old + momentum * new for old, new in ((running_mean, mean), (running_var, var))]
    return [m.astype(x.dtype) for m in moved]


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    grouped = x.reshape(x.shape[0], num_groups, int(np.prod(x.shape[1:])) // num_groups)
    y = _normalise(grouped.astype(np.float64), 2, None, None, eps, None).reshape(x.shape)
    wide = _of_channels(x)
    return (y * (1 if weight is None else wide(weight)) + (0 if bias is None else wide(bias))).astype(x.dtype)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    axes = tuple(range(-len(normalized_shape), 0))
    return _normalise(x, axes, weight, bias, eps, lambda p: p.astype(np.float64))


def rms_norm(x, normalized_shape, weight=None, eps=None):
    axes = tuple(range(-len(normalized_shape), 0))
    eps = np.finfo(x.dtype).eps if eps is None else eps
    return _normalise(x, axes, weight, None, eps, lambda p: p.astype(np.float64), centered=False)


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    wide = x.astype(np.float64)
    y = np.empty(x.shape)
    for c in range(x.shape[1]):
        window = wide[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
        y[:, c] = wide[:, c] / (k + alpha / size * (window**2).sum(1)) ** beta
    return y.astype(x.dtype)
