"""Cases of attention."""

import numpy as np

from nncore import reference as ref
from nncore.nn import functional as F
from op_cases import Case, Draw, Sample, Wrong, layouts


def attentions(draw: Draw):
    def qkv(*lead, steps=3, seen=5, features=4, width=6):
        return tuple(draw.normal(*lead, *s) for s in ((steps, features), (seen, features), (seen, width)))

    for lead in [(), (2,), (2, 3), (0,)]:
        yield Sample(qkv(*lead), label=f"lead {lead}", smooth=0 not in lead)
    yield Sample(qkv(2, steps=1, seen=1, features=1, width=1), label="size one")
    for steps, seen in [(3, 5), (5, 3), (4, 4)]:
        yield Sample(qkv(2, steps=steps, seen=seen), {"is_causal": True}, f"causal {steps} {seen}")
    q, k, v = qkv(2, 3)
    for shape in [(3, 5), (2, 1, 3, 5), (5,), (3, 1), (2, 3, 1, 5)]:
        yield Sample((q, k, v), {"attn_mask": draw.normal(*shape)}, f"numbers {shape}")
        yield Sample((q, k, v), {"attn_mask": draw.booleans(*shape)}, f"booleans {shape}")
    yield Sample((q, k, v), {"attn_mask": np.arange(3)[:, None] != 1}, "a query that sees nothing")
    blind = np.where(np.arange(15).reshape(3, 5) < 5, -np.inf, 0.5).astype(draw.dtype)
    yield Sample((q, k, v), {"attn_mask": blind}, "minus infinity for a query")
    yield Sample((q, k, v), {"scale": 0.3}, "scale")
    yield Sample((q[:, :1], k[:1], v), label="broadcast")
    yield Sample(
        (draw.normal(2, 6, 3, 4), draw.normal(2, 2, 5, 4), draw.normal(2, 3, 5, 2)), {"enable_gqa": True}, "gqa"
    )
    yield Sample(qkv(2, steps=3, seen=0), label="no key", smooth=False)
    yield Sample(qkv(2, steps=0), label="no query", smooth=False)
    q, k, v = qkv()
    for x in layouts(q):
        yield Sample((x, k, v), label=f"query strides {x.strides}")
    for x in layouts(k):
        yield Sample((q, x, v), label=f"key strides {x.strides}")
    for x in layouts(v):
        yield Sample((q, k, x), label=f"value strides {x.strides}")
    yield Sample(qkv(3, steps=33, seen=17, features=20, width=9), label="odd sizes", smooth=False)
    q, k, v = qkv(features=2)
    yield Sample((q * 100, k, v), label="one key takes all", smooth=False)
    yield Sample((np.where(q > 0, np.nan, q).astype(q.dtype), k, v), label="nan", smooth=False)


def wrong_attentions(draw: Draw):
    q, k, v = draw.normal(2, 3, 4), draw.normal(2, 5, 4), draw.normal(2, 5, 6)
    yield Wrong((q, k.astype(np.float64), v), RuntimeError, "to have the same dtype, but got .*float32, .*float64")
    yield Wrong((q[0, 0], k, v), RuntimeError, r"at least 2 dimensional, but got query \[4\], key \[2, 5, 4\]")
    yield Wrong((q, k[..., :3], v), RuntimeError, "query and key have different numbers of features")
    yield Wrong((q, k, v[:, :4]), RuntimeError, r"key and value have different lengths .*value \[2, 4, 6\]")
    yield Wrong(
        (*(x.astype(np.int64) for x in (q, k, v)),), RuntimeError, "expected dtype float32 or float64, got .*int64"
    )
    mask = draw.booleans(3, 5)
    both = {"attn_mask": mask, "is_causal": True}
    yield Wrong((q, k, v), RuntimeError, "Explicit attn_mask should not be set when is_causal=True", both)
    integers = {"attn_mask": np.ones((3, 5), np.int64)}
    yield Wrong((q, k, v), RuntimeError, "Expected attn_mask dtype to be bool or to match", integers)
    wide = {"attn_mask": draw.booleans(4, 5)}
    yield Wrong((q, k, v), RuntimeError, r"attn_mask \[4, 5\] does not broadcast to .*\[2, 3, 5\]", wide)
    deep = {"attn_mask": draw.booleans(2, 2, 3, 5)}
    yield Wrong((q, k, v), RuntimeError, r"attn_mask \[2, 2, 3, 5\] does not broadcast", deep)
    yield Wrong((q, k, v), RuntimeError, "has to be between 0 and 1, but got 1.5", {"dropout_p": 1.5})
    q, k, v = draw.normal(3, 3, 4), draw.normal(2, 5, 4), draw.normal(2, 5, 6)
    yield Wrong((q, k, v), RuntimeError, "Number of heads in key and value must divide", {"enable_gqa": True})


# ---- several heads ----


def heads(query, key, value, w_in, b_in, w_out, b_out, bias_k=None, bias_v=None, **options):
    """multi_head_attention_forward of 2 heads with the arguments that are differentiated in a row."""
    options = {"add_zero_attn": False, "dropout_p": 0.0, **options}
    zero, dropout_p = options.pop("add_zero_attn"), options.pop("dropout_p")
    if isinstance(w_in, (tuple, list)):
        options |= {"use_separate_proj_weight": True}
        options |= dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), w_in, strict=True))
        w_in = None
    y, weights = F.multi_head_attention_forward(
        *(query, key, value, query.shape[-1], 2, w_in, b_in, bias_k, bias_v, zero, dropout_p, w_out, b_out),
        **options,
    )
    return y if weights is None else (y, weights)


def heads_reference(query, key, value, w_in, b_in, w_out, b_out, bias_k=None, bias_v=None, **options):
    batched, get = query.ndim == 3, options.get
    masks = []
    if get("attn_mask") is not None:
        mask = options["attn_mask"]
        masks.append(mask[None, None] if mask.ndim == 2 else mask.reshape(-1, 2, *mask.shape[1:]))
    if get("key_padding_mask") is not None:
        masks.append(options["key_padding_mask"].reshape(-1, 1, 1, key.shape[0]))
    if not batched:
        query, key, value = (x[:, None] for x in (query, key, value))
    extra = [] if bias_k is None else [(bias_k[0, 0], bias_v[0, 0])]
    extra += [(np.zeros(query.shape[-1]),) * 2] * get("add_zero_attn", False)
    w_in = w_in if isinstance(w_in, (tuple, list)) else np.split(w_in, 3)
    b_in = (0, 0, 0) if b_in is None else np.split(b_in, 3)
    b_out = 0 if b_out is None else b_out
    y, weights = ref.attention.multi_head_attention(query, key, value, 2, w_in, b_in, w_out, b_out, masks, extra)
    weights = weights.mean(1) if get("average_attn_weights", True) else weights
    y, weights = (y, weights) if batched else (y[:, 0], weights[0])
    return (y, weights) if get("need_weights", True) else y


def heads_arguments(draw: Draw, lead=(2,), steps=3, seen=5):
    q, k, v = (draw.normal(n, *lead, 4) for n in (steps, seen, seen))
    return q, k, v, draw.normal(12, 4, scale=0.5), draw.normal(12), draw.normal(4, 4, scale=0.5), draw.normal(4)


def multi_heads(draw: Draw):
    for lead in [(2,), (1,), ()]:
        yield Sample(heads_arguments(draw, lead), label=f"lead {lead}")
        yield Sample(heads_arguments(draw, lead), {"need_weights": False}, f"lead {lead}, no weights")
    args = heads_arguments(draw)
    x = args[0]
    yield Sample((x, x, x, *args[3:]), label="one tensor thrice")
    yield Sample((*args[:4], None, args[5], None), label="no biases")
    yield Sample(args, {"average_attn_weights": False}, "weights of each head")
    padding = np.array([[False] * 5, [False, True, False, True, True]])
    for options in [
        {"key_padding_mask": padding},
        {"key_padding_mask": draw.normal(2, 5)},
        {"attn_mask": np.triu(np.ones((3, 5), bool), 1)},
        {"attn_mask": draw.normal(4, 3, 5)},
        {"attn_mask": draw.normal(3, 5), "key_padding_mask": np.where(padding, -np.inf, 0).astype(draw.dtype)},
        {"add_zero_attn": True, "attn_mask": draw.booleans(3, 5), "key_padding_mask": padding},
    ]:
        for more in ({}, {"need_weights": False}):
            yield Sample(args, {**options, **more}, f"{list(options)} {more}")
    yield Sample((*args, draw.normal(1, 1, 4), draw.normal(1, 1, 4)), {"key_padding_mask": padding}, "bias_k, bias_v")
    yield Sample(
        heads_arguments(draw, ()),
        {"key_padding_mask": padding[1], "attn_mask": np.triu(np.ones((2, 3, 5), bool), 1)},
        "unbatched",
    )
    k, v = draw.normal(5, 2, 3), draw.normal(5, 2, 7)
    apart = (draw.normal(4, 4), draw.normal(4, 3), draw.normal(4, 7))
    yield Sample((x, k, v, apart, *args[4:]), label="features of key and value of their own")


def wrong_heads(draw: Draw):
    q, k, v, *rest = heads_arguments(draw)
    error = AssertionError
    yield Wrong((q[0, 0], k, v, *rest), error, "query should be unbatched 2D or batched 3D tensor but received 1-D")
    yield Wrong((q[:, 0], k, v, *rest), error, r"For unbatched \(2-D\) `query`, expected 2-D `key` and `value`.*3-D")
    yield Wrong((q, k[:3], v, *rest), error, "key shape .* does not match value shape")
    apart = (draw.normal(4, 4),) * 3
    yield Wrong((q, k[:3], v, apart, *rest[1:]), error, "key's sequence and batch dims .* do not match")
    yield Wrong((q, k, v, None, *rest[1:]), error, "the weights of the projections asked for are missing")
    yield Wrong((q[..., :3], k, v, *rest), error, "embed_dim 3 not divisible by num_heads 2")
    for options, kind, match in [
        ({"is_causal": True}, RuntimeError, "Need attn_mask if specifying the is_causal hint"),
        ({"attn_mask": draw.booleans(2, 2)}, RuntimeError, r"2D attn_mask is .*\[2, 2\]\), but should be \(3, 5\)"),
        ({"attn_mask": draw.booleans(2, 3, 5)}, RuntimeError, r"3D attn_mask is .*, but should be \(4, 3, 5\)"),
        ({"attn_mask": draw.booleans(5)}, error, "expected `attn_mask` to be `None`, 2-D or 3-D but found 1-D"),
        ({"attn_mask": np.ones((3, 5), np.int64)}, error, "only bool and floating types of attn_mask are supported"),
        (
            {"key_padding_mask": draw.booleans(5)},
            error,
            "expected `key_padding_mask` to be `None` or 2-D but found 1-D",
        ),
        (
            {"key_padding_mask": draw.booleans(3, 5)},
            error,
            r"Expected key_padding_mask of shape \(2, 5\), but got \(3, 5",
        ),
        ({"bias_k": draw.normal(1, 1, 4)}, error, "bias_k and bias_v are given together or not at all"),
    ]:
        yield Wrong((q, k, v, *rest), kind, match, options)


def layers(draw: Draw):
    """A character model's, GPT-2's at a short and a long context, and a vision transformer's."""
    for name, batch, heads, steps, features, causal in [
        ("32 steps", 32, 4, 32, 16, True),
        ("128 steps", 8, 12, 128, 64, True),
        ("512 steps", 2, 12, 512, 64, True),
        ("197 patches", 8, 6, 197, 64, False),
    ]:
        q, k, v = (draw.normal(batch, heads, steps, features) for _ in range(3))
        yield Sample((q, k, v), {"is_causal": causal}, f"{name}, {batch}x{heads}x{features}")


# The products of softmax, whose exponents are good to the rounding of the scores.
ROUNDED = {"float32": (2e-5, 1e-5), "float64": (1e-12, 1e-13)}

CASES = [
    Case(
        "scaled_dot_product_attention",
        F.scaled_dot_product_attention,
        ref.attention.scaled_dot_product_attention,
        attentions,
        wrong_attentions,
        tolerance=ROUNDED,
        benchmark=layers,
    ),
    Case("multi_head_attention_forward", heads, heads_reference, multi_heads, wrong_heads, tolerance=ROUNDED),
]
