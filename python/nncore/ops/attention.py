"""Attention: weighted means of values, with weights from the products of queries and keys (Vaswani et al., 2017)."""

from __future__ import annotations

import math
import warnings

from nncore import _core
from nncore.autocast_mode import casts_products
from nncore.grad_mode import _mode
from nncore.ops.creation import ones, zeros
from nncore.ops.dropout import dropout
from nncore.ops.elementwise import where
from nncore.ops.gemm import linear, matmul
from nncore.ops.index import masked_fill
from nncore.ops.join import cat, repeat_interleave
from nncore.ops.matrices import tril
from nncore.ops.pad import pad
from nncore.ops.softmax_xent import softmax
from nncore.tensor import Tensor


@casts_products("cpu", "cuda")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale query key^T + mask) value, with scale 1 / sqrt(E) where none is given.

    Shapes: query [..., L, E], key [..., S, E], value [..., S, V], result [..., L, V]; leading dimensions broadcast.
    attn_mask broadcasts to [..., L, S]: where it is boolean True means "takes part", otherwise it is added, with the
    dtype of query. is_causal lets query i see keys 0 to i only, instead of a mask. A query that may see no key gets
    zeros. dropout_p > 0 drops weights, whether training or not. enable_gqa: query has a multiple of the heads
    (dimension -3) of key and value, which are repeated. dtypes: float32, float64.
    Raises RuntimeError where shapes or dtypes do not fit.

    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> x = nc.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> F.scaled_dot_product_attention(x, x, x, is_causal=True)
    tensor([[1.0000, 0.0000],
            [0.3302, 0.6698]])
    """
    name = "scaled_dot_product_attention"
    _check_attention(name, query, key, value, attn_mask, is_causal, enable_gqa)
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"{name}: dropout probability has to be between 0 and 1, but got {dropout_p}")
    if enable_gqa:
        key, value = (repeat_interleave(x, query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else math.inf
    scores = matmul(query * scale, key.transpose(-2, -1))
    if is_causal:
        attn_mask = tril(ones(*scores.shape[-2:], dtype=_core.dtype.bool, device=query.device))
    if attn_mask is not None:
        fits = attn_mask.ndim <= scores.ndim and all(
            m in (1, s) for m, s in zip(reversed(attn_mask.shape), reversed(scores.shape), strict=False)
        )
        if not fits:
            raise RuntimeError(
                f"{name}: attn_mask {list(attn_mask.shape)} does not broadcast to the weights' shape "
                f"{list(scores.shape)}"
            )
        scores = where(attn_mask, scores, -math.inf) if attn_mask.dtype == _core.dtype.bool else scores + attn_mask
    weights = softmax(scores, -1) if attn_mask is None or is_causal else _softmax_or_zeros(scores)
    if dropout_p > 0:
        weights = dropout(weights, dropout_p)
    return matmul(weights, value)


def _softmax_or_zeros(scores: Tensor) -> Tensor:
    """softmax over the last dimension, zeros where every score is -inf."""
    blind = (scores == -math.inf).all(-1, keepdim=True)
    if _mode.notes is None and not blind.any():  # a plan would not look again
        return softmax(scores, -1)
    # Before softmax too: the gradient through a row of -inf is NaN, whatever it is multiplied with.
    return masked_fill(softmax(masked_fill(scores, blind, 0.0), -1), blind, 0.0)


def _check_attention(name: str, query: Tensor, key: Tensor, value: Tensor, mask, is_causal: bool, gqa: bool) -> None:
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            f"{name}: Expected query, key, and value to have the same dtype, but got {query.dtype}, {key.dtype} and "
            f"{value.dtype}"
        )
    if not query.is_floating_point():
        raise RuntimeError(f"{name}: expected dtype float32 or float64, got {query.dtype}")
    shapes = f"query {list(query.shape)}, key {list(key.shape)}, value {list(value.shape)}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(f"{name}: Expected query, key, and value to all be at least 2 dimensional, but got {shapes}")
    if query.shape[-1] != key.shape[-1]:
        raise RuntimeError(f"{name}: query and key have different numbers of features ({shapes})")
    if key.shape[-2] != value.shape[-2]:
        raise RuntimeError(f"{name}: key and value have different lengths ({shapes})")
    if gqa:
        three = min(query.ndim, key.ndim, value.ndim) >= 3
        if not three or any(x.shape[-3] == 0 or query.shape[-3] % x.shape[-3] for x in (key, value)):
            raise RuntimeError(
                f"{name}: Number of heads in key and value must divide the number of heads in query ({shapes})"
            )
    if mask is None:
        return
    if is_causal:
        raise RuntimeError(f"{name}: Explicit attn_mask should not be set when is_causal=True")
    if mask.dtype not in (_core.dtype.bool, query.dtype):
        raise RuntimeError(
            f"{name}: Expected attn_mask dtype to be bool or to match query dtype, but got attn_mask.dtype: "
            f"{mask.dtype} and query.dtype: {query.dtype}"
        )


# ---- several heads ----


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads, each over its own linear maps of query, key and value, side by side, then a last map:

    head_h = softmax(Q_h K_h^T / sqrt(E / heads) + masks) V_h,  y = concat(head_1, ..., head_H) W_out^T + b_out

    Shapes: query [L, N, E] or [L, E], key [S, N, K], value [S, N, V]. in_proj_weight [3 E, E] holds the three maps, or
    q_proj_weight [E, E], k_proj_weight [E, K], v_proj_weight [E, V] with use_separate_proj_weight. bias_k and bias_v
    [1, 1, E] are one more key and value; add_zero_attn adds one of zeros. Masks (True or -inf: not seen; other numbers
    are added to the scores): key_padding_mask [N, S] or [S], attn_mask [L, S] or [N * heads, L, S]. static_k, static_v
    [N * heads, S, E / heads] stand for the mapped keys and values. is_causal says that attn_mask is causal.
    Returns y, shaped as query, and the weights [N, L, S] averaged over heads or [N, heads, L, S], or None.

    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> x, w = nc.ones(2, 1, 2), nc.ones(6, 2)
    >>> F.multi_head_attention_forward(x, x, x, 2, 1, w, None, None, None, False, 0.0, nc.ones(2, 2), None)[0].flatten()
    tensor([4., 4., 4., 4.])
    """
    batched = _check_heads(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    (tgt_len, bsz, embed_dim), src_len = query.shape, key.shape[0]
    head_dim = embed_dim // num_heads
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    key_padding_mask = _additive(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype)
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint is enough
    else:
        attn_mask = _additive(attn_mask, "attn_mask", None, "", query.dtype)
        is_causal = is_causal and key_padding_mask is None
    _expect(embed_dim == embed_dim_to_check, f"expecting embedding dimension of {embed_dim_to_check}, got {embed_dim}")
    _expect(head_dim * num_heads == embed_dim, f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        same = key.shape[:2] == value.shape[:2]
        _expect(same, f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    else:
        _expect(key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}")
        weights = (in_proj_weight,)
    _expect(all(w is not None for w in weights), "the weights of the projections asked for are missing")
    q, k, v = _projected(query, key, value, weights, in_proj_bias)

    attn_mask = _checked_mask(attn_mask, bsz * num_heads, tgt_len, src_len)
    masks = [attn_mask, key_padding_mask]
    _expect((bias_k is None) == (bias_v is None), "bias_k and bias_v are given together or not at all")
    if bias_k is not None and bias_v is not None:
        _expect(static_k is None and static_v is None, "bias cannot be added to static key and value")
        k, v = cat([k, bias_k.repeat(1, bsz, 1)]), cat([v, bias_v.repeat(1, bsz, 1)])
        masks = [None if m is None else pad(m, (0, 1)) for m in masks]

    def heads(x: Tensor, static: Tensor | None) -> Tensor:
        """[steps, N, E] as [N * heads, steps, E / heads]."""
        if static is None:
            return x.reshape(x.shape[0], bsz * num_heads, head_dim).transpose(0, 1)
        _expect(
            static.shape[0] == bsz * num_heads and static.shape[2] == head_dim,
            f"expecting static key and value [{bsz * num_heads}, S, {head_dim}], got {list(static.shape)}",
        )
        return static

    q, k, v = heads(q, None), heads(k, static_k), heads(v, static_v)
    if add_zero_attn:
        nothing = zeros(bsz * num_heads, 1, head_dim, dtype=k.dtype, device=k.device)
        k, v = cat([k, nothing], 1), cat([v, nothing], 1)
        masks = [None if m is None else pad(m, (0, 1)) for m in masks]
    mask = _merged(*masks, bsz, num_heads, k.shape[1])
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        scores = matmul(q * math.sqrt(1.0 / head_dim), k.transpose(-2, -1))
        shares = softmax(scores if mask is None else scores + mask, -1)
        shares = dropout(shares, dropout_p) if dropout_p > 0 else shares
        y = matmul(shares, v)
        shares = shares.reshape(bsz, num_heads, tgt_len, k.shape[1])
        shares = shares.mean(1) if average_attn_weights else shares
    else:
        y, shares = scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal), None
    y = linear(y.transpose(0, 1).reshape(tgt_len, bsz, embed_dim), out_proj_weight, out_proj_bias)
    if batched:
        return y, shares
    return y.squeeze(1), None if shares is None else shares.squeeze(0)


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(f"multi_head_attention_forward: {message}")


def _check_heads(query: Tensor, key: Tensor, value: Tensor, key_padding_mask, attn_mask, num_heads: int) -> bool:
    """Whether the input is a batch."""
    _expect(
        query.ndim in (2, 3),
        f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D tensor",
    )
    batched = query.ndim == 3
    kind = "batched (3-D)" if batched else "unbatched (2-D)"
    _expect(
        key.ndim == value.ndim == query.ndim,
        f"For {kind} `query`, expected {query.ndim}-D `key` and `value` but found {key.ndim}-D and {value.ndim}-D",
    )
    if key_padding_mask is not None:
        _expect(
            key_padding_mask.ndim == query.ndim - 1,
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {query.ndim - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead",
        )
    if attn_mask is not None:
        _expect(
            attn_mask.ndim in (2, 3),
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D",
        )
        if not batched and attn_mask.ndim == 3:
            shape = (num_heads, query.shape[0], key.shape[0])
            _expect(tuple(attn_mask.shape) == shape, f"Expected `attn_mask` {shape} but got {attn_mask.shape}")
    return batched


def _additive(mask: Tensor | None, name: str, other: Tensor | None, other_name: str, dtype: _core.dtype):
    """The mask as numbers to be added to the scores: -inf where a boolean one is True."""
    if mask is None:
        return None
    if mask.dtype != _core.dtype.bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    if other is not None and mask.dtype != other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=4,
        )
    if mask.is_floating_point():
        return mask
    return zeros(*mask.shape, dtype=dtype, device=mask.device).masked_fill(mask, -math.inf)


def _projected(query: Tensor, key: Tensor, value: Tensor, weights: tuple, bias: Tensor | None) -> tuple:
    """Queries, keys and values; in one product where the three come from one tensor and one weight."""
    if len(weights) == 1:
        if query is key and key is value:
            return linear(query, weights[0], bias).chunk(3, -1)
        weights = weights[0].chunk(3)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return tuple([linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)])


def _checked_mask(mask: Tensor | None, heads: int, tgt_len: int, src_len: int) -> Tensor | None:
    """attn_mask as [1 or N * heads, L, S]."""
    if mask is None:
        return None
    expected = (tgt_len, src_len) if mask.ndim == 2 else (heads, tgt_len, src_len)
    if tuple(mask.shape) != expected:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}.")
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _merged(mask: Tensor | None, key_padding_mask: Tensor | None, bsz: int, heads: int, src_len: int) -> Tensor | None:
    """Both masks as one that broadcasts to [N * heads, L, S]."""
    if key_padding_mask is None:
        return mask
    shape = tuple(key_padding_mask.shape)
    _expect(shape == (bsz, src_len), f"Expected key_padding_mask of shape {(bsz, src_len)}, but got {shape}")
    padding = key_padding_mask.reshape(bsz, 1, 1, src_len).expand(bsz, heads, 1, src_len)
    padding = padding.reshape(bsz * heads, 1, src_len)
    return padding if mask is None else mask + padding
