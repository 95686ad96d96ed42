"""Softmax and the losses on class scores, in float64 and rounded once."""

import numpy as np


def log_softmax(x, dim=None, dtype=None):
    wide = x.astype(np.float64)
    shifted = wide - np.max(wide, axis=dim, keepdims=True, initial=-np.inf)
    return (shifted - np.log(np.sum(np.exp(shifted), axis=dim, keepdims=True))).astype(dtype or x.dtype)


def softmax(x, dim=None, dtype=None):
    wide = x.astype(np.float64)
    e = np.exp(wide - np.max(wide, axis=dim, keepdims=True, initial=-np.inf))
    return (e / np.sum(e, axis=dim, keepdims=True)).astype(dtype or x.dtype)


def softmin(x, dim=None, dtype=None):
    return softmax(-x, dim, dtype)


def _rows(x):
    """x as [rows, classes]."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) if x.ndim > 1 else x[None]


def _reduce(losses, shape, dtype, reduction, total):
    if reduction == "none":
        return losses.reshape(shape).astype(dtype)
    return np.asarray(np.sum(losses) / (total if reduction == "mean" else 1), dtype)


def _indices(x, target, weight, ignore_index):
    """The targets as one row, which of them count, and the weight of each."""
    rows = target.reshape(-1).astype(np.int64)
    counts = rows != ignore_index
    rows = np.where(counts, rows, 0)
    weights = np.ones(x.shape[min(x.ndim - 1, 1)]) if weight is None else weight.astype(np.float64)
    return rows, counts, weights


def _shape(x, target):
    return target.shape if x.ndim > 1 else ()


def nll_loss(x, target, weight=None, ignore_index=-100, reduction="mean"):
    t, counts, weights = _indices(x, target, weight, ignore_index)
    w = np.where(counts, weights[t], 0)
    losses = np.where(counts, -w * np.take_along_axis(_rows(x), t[:, None], 1)[:, 0], 0)
    return _reduce(losses, _shape(x, target), x.dtype, reduction, w.sum())


def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    log_p = log_softmax(_rows(x), 1, np.float64)
    classes = log_p.shape[1]
    if np.issubdtype(target.dtype, np.floating):
        q = _rows(target).astype(np.float64)
        counts, total, shape = np.ones(len(q), bool), len(q), (x.shape[:1] + x.shape[2:] if x.ndim > 1 else ())
        weights = np.ones(classes) if weight is None else weight.astype(np.float64)
    else:
        t, counts, weights = _indices(x, target, weight, ignore_index)
        q, total, shape = np.eye(classes)[t], np.where(counts, weights[t], 0).sum(), _shape(x, target)
    if not np.issubdtype(target.dtype, np.floating) and label_smoothing == 0:
        log_p = np.where(q > 0, log_p, 0)  # classes other than the target's do not enter, not even as 0 * -inf
    q = (1 - label_smoothing) * q + label_smoothing / max(classes, 1)
    losses = np.where(counts, -np.sum(q * weights * log_p, axis=1), 0)
    return _reduce(losses, shape, x.dtype, reduction, total)
