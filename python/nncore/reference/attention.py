"""Attention, from its formula, in float64 and rounded once."""

import numpy as np


def _softmax(x):
    with np.errstate(invalid="ignore"):
        e = np.exp(x - np.max(x, axis=-1, keepdims=True, initial=-np.inf))
        return e / np.sum(e, axis=-1, keepdims=True)


def _added(mask):
    """A mask as numbers to add to scores; True means not seen."""
    return np.where(mask, -np.inf, 0.0) if mask.dtype == bool else mask.astype(np.float64)


def scaled_dot_product_attention(query, key, value, attn_mask=None, is_causal=False, scale=None, enable_gqa=False):
    q, k, v = (x.astype(np.float64) for x in (query, key, value))
    if enable_gqa:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3) for x in (k, v))
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = np.tril(np.ones(scores.shape[-2:], bool))
    if attn_mask is not None:
        scores = scores + _added(~attn_mask if attn_mask.dtype == bool else attn_mask)
    blind = np.all(scores == -np.inf, axis=-1, keepdims=True)
    return (np.where(blind, 0.0, _softmax(np.where(blind, 0.0, scores))) @ v).astype(query.dtype)


def multi_head_attention(query, key, value, heads, in_weights, in_biases, out_weight, out_bias, masks=(), extra=()):
    """(y, weights [N, heads, L, S]) of query [L, N, E], key [S, N, K], value [S, N, V].

    in_weights and in_biases are those of query, key and value; masks broadcast to [N, heads, L, S]; extra holds pairs
    (key, value), each [E], that are put behind the others.
    """
    maps = zip((query, key, value), in_weights, in_biases, strict=True)
    q, k, v = (x.astype(np.float64) @ w.T + b for x, w, b in maps)
    for more_k, more_v in extra:
        k, v = (np.concatenate([x, np.broadcast_to(m, (1, *x.shape[1:]))]) for x, m in ((k, more_k), (v, more_v)))
    # [steps, N, E] as [N, heads, steps, E / heads]
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2, 0, 3) for x in (q, k, v))
    scores = q @ np.swapaxes(k, -1, -2) * q.shape[-1] ** -0.5
    for mask in masks:
        scores = scores + np.pad(_added(mask), [(0, 0)] * (mask.ndim - 1) + [(0, len(extra))])
    weights = _softmax(scores)
    y = (weights @ v).transpose(2, 0, 1, 3).reshape(query.shape) @ out_weight.T + out_bias
    return y.astype(query.dtype), weights.astype(query.dtype)
