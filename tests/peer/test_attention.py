"""Attention, transformers and bags of embeddings beside PyTorch's: values, both gradients, words, errors."""

import numpy as np
import pytest

import nncore as nc
from peer.test_rnn import MAKE, SEED, compare, errors_agree, pair

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched", "ignore:enable_nested_tensor is True")


@pytest.fixture(autouse=True)
def plain_attention():
    """PyTorch's attention of which there are second derivatives."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        yield


HEADS = [
    {},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    {"kdim": 3, "vdim": 5},
    {"kdim": 3, "vdim": 5, "bias": False, "batch_first": True},
    {"batch_first": True},
]
MASKS = {
    "none": {},
    "padding": {"key_padding_mask": np.array([[False, True, False], [False, False, True]])},
    "padding numbers": {"key_padding_mask": np.array([[0.0, -1.0, 2.0], [0.5, 0.0, -np.inf]])},
    "mask": {"attn_mask": np.array([[False, True, True], [False, False, True], [False, False, False]])},
    "mask numbers": {"attn_mask": np.arange(36.0).reshape(4, 3, 3) / 9},
    "both": {
        "key_padding_mask": np.array([[False, False, True], [False, False, False]]),
        "attn_mask": np.array([[False, True, False], [False, False, True], [False, False, False]]),
    },
    "causal": {"attn_mask": np.triu(np.full((3, 3), -np.inf), 1), "is_causal": True},
}


def made(library, options):
    """The options with arrays as tensors of the library."""
    return {k: MAKE[library](v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


def present(results):
    return [r for r in results if r is not None]


@pytest.mark.parametrize("settings", HEADS, ids=str)
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("how", [{}, {"need_weights": False}, {"average_attn_weights": False}], ids=str)
def test_multihead_attention(settings, masks, how):
    theirs, ours = pair("MultiheadAttention", 4, 2, **settings)
    random = np.random.default_rng(SEED)
    arrays = [random.standard_normal((3, 2, n)) for n in (4, settings.get("kdim", 4), settings.get("vdim", 4))]
    if settings.get("batch_first"):
        arrays = [a.swapaxes(0, 1) for a in arrays]

    def call(library, module, xs):
        return present(module(*xs, **how, **made(library, MASKS[masks])))

    compare(theirs, ours, arrays, call, what=f"{settings} {masks} {how}")
    if "kdim" not in settings:

        def of_itself(library, module, xs):
            return present(module(xs[0], xs[0], xs[0], **how, **made(library, MASKS[masks])))

        compare(theirs, ours, arrays[:1], of_itself, what=f"self {settings} {masks} {how}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unbatched_attention_and_other_lengths(dtype):
    theirs, ours = pair("MultiheadAttention", 6, 3, dtype=dtype)
    random = np.random.default_rng(SEED)
    for lead in ((), (2,), (0,)):
        arrays = [random.standard_normal((n, *lead, 6)).astype(dtype) for n in (4, 5, 5)]
        compare(theirs, ours, arrays, lambda library, module, xs: list(module(*xs)), dtype, f"lead {lead}")


def test_attention_starts_as_in_pytorch():
    layer = nc.nn.MultiheadAttention(64, 4, add_bias_kv=True)
    bound = np.sqrt(6 / (64 + 192))
    weight = layer.in_proj_weight.detach().numpy()
    assert np.abs(weight).max() <= bound
    assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
    assert not layer.in_proj_bias.detach().numpy().any()
    assert not layer.out_proj.bias.detach().numpy().any()
    assert np.abs(layer.out_proj.weight.detach().numpy()).max() <= 1 / 8


def test_dropout_of_weights():
    nc.manual_seed(0)
    x = nc.ones(50, 1, 4)
    layer = nc.nn.MultiheadAttention(4, 2, dropout=0.5)
    _, weights = layer(x, x, x, average_attn_weights=False)
    found = weights.detach().numpy() * 50
    assert set(np.round(np.unique(found), 4)) == {0.0, 2.0}
    assert found.mean() == pytest.approx(1, rel=0.05)
    y = nc.nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=1.0)
    assert not y.numpy().any()
    _, weights = layer.eval()(x, x, x)
    np.testing.assert_allclose(weights.detach().numpy(), 1 / 50, rtol=1e-6)


def errors(library):
    """Calls that both refuse."""
    nn, make = library.nn, MAKE[library]

    def x(*shape, dtype=np.float32):
        return make(np.zeros(shape, dtype))

    q, k, v = x(2, 3, 4), x(2, 5, 4), x(2, 5, 6)
    attention = nn.functional.scaled_dot_product_attention
    yield lambda: attention(q, k, v, x(3, 5, dtype=bool), is_causal=True)
    yield lambda: attention(q, x(2, 5, 4, dtype=np.float64), v)
    yield lambda: attention(q, k[:, :, :3], v)
    yield lambda: attention(q, k, v[:, :4])
    yield lambda: attention(x(4), k[0], v[0])
    yield lambda: attention(q, k, v, x(3, 5, dtype=np.int64))
    yield lambda: attention(q, k, v, x(3, 5, dtype=np.float64))
    yield lambda: attention(q, k, v, x(4, 5))
    yield lambda: attention(x(2, 4, 3, 4), x(2, 3, 5, 4), x(2, 3, 5, 4), enable_gqa=True)
    yield lambda: attention(q, k, v, dropout_p=1.5)
    yield lambda: nn.MultiheadAttention(5, 2)
    yield lambda: nn.MultiheadAttention(0, 2)
    layer, s = nn.MultiheadAttention(4, 2), x(3, 2, 4)
    yield lambda: layer(s, s, s, is_causal=True)
    yield lambda: layer(s, s, s, attn_mask=x(2, 2, dtype=bool))
    yield lambda: layer(s, s, s, attn_mask=x(2, 3, 3))
    yield lambda: layer(s, s, s, attn_mask=x(3, 3, dtype=np.int64))
    yield lambda: layer(s, s[:2], s)
    yield lambda: layer(s[..., :3], s, s)
    yield lambda: layer(s, s, s, key_padding_mask=x(3, 2, dtype=bool))
    yield lambda: layer(s, s, s, key_padding_mask=x(3, dtype=bool))
    yield lambda: layer(s[0, 0], s, s)
    yield lambda: layer(s[0], s, s)
    index = make(np.array([1, 2, 4]))

    def bag(offsets, given=index, **options):
        offsets = None if offsets is None else make(np.array(offsets, np.int64))
        return nn.functional.embedding_bag(given, x(5, 3), offsets, **options)

    yield lambda: bag(None)
    yield lambda: bag([1, 2])
    yield lambda: bag([0, 4])
    yield lambda: bag([0], index[None])
    yield lambda: bag(None, index[None, None])
    yield lambda: bag([], include_last_offset=True)
    yield lambda: bag([0], mode="x")
    yield lambda: bag([0], mode="max", scale_grad_by_freq=True)
    yield lambda: bag([0], mode="max", sparse=True)
    yield lambda: bag([0], per_sample_weights=x(3))
    yield lambda: bag([0], mode="sum", per_sample_weights=x(2))
    yield lambda: bag([0], mode="sum", per_sample_weights=x(3, dtype=np.float64))
    yield lambda: bag([0], padding_idx=7)
    yield lambda: nn.EmbeddingBag(5, 3, padding_idx=5)
    yield lambda: nn.EmbeddingBag(5, 3, _weight=x(3, 5))
    yield lambda: nn.EmbeddingBag.from_pretrained(x(3))


@pytest.mark.parametrize(("theirs", "ours"), list(zip(errors(torch), errors(nc), strict=True)))
def test_errors(theirs, ours):
    errors_agree(theirs, ours)


BAGS = [
    {},
    {"mode": "sum"},
    {"mode": "max"},
    {"mode": "max", "padding_idx": 0},
    {"mode": "sum", "padding_idx": -2},
    {"padding_idx": 3},
    {"include_last_offset": True, "mode": "sum"},
]


@pytest.mark.parametrize("settings", BAGS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_embedding_bag(settings, dtype):
    theirs, ours = pair("EmbeddingBag", 6, 3, dtype=dtype, **settings)
    random = np.random.default_rng(SEED)
    index, offsets = random.integers(0, 6, 9), np.array([0, 2, 2, 5, 9])
    if settings.get("mode") == "max":
        parts = [(index, offsets[:4])]
    else:
        parts = [(index, offsets), (index[:8].reshape(2, 4), None), (index.astype(np.int32), offsets.astype(np.int32))]
    for given, begin in parts:
        found = []
        for library, module in ((torch, theirs), (nc, ours)):
            make = MAKE[library]
            module.zero_grad()
            y = module(make(given), None if begin is None else make(begin))
            (y * y).sum().backward()
            found.append([y.detach().numpy(), module.weight.grad.numpy()])
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6, err_msg=f"{settings} seed {SEED}")


def test_embedding_bag_with_weights_and_norm():
    theirs, ours = pair("EmbeddingBag", 6, 3, mode="sum", max_norm=0.7)
    random = np.random.default_rng(SEED)
    index, factors = random.integers(0, 6, (2, 4)), random.standard_normal((2, 4))
    found = []
    for library, module in ((torch, theirs), (nc, ours)):
        weights = MAKE[library](factors).requires_grad_()
        y = module(MAKE[library](index), None, weights)
        (y * y).sum().backward()
        found.append(
            [y.detach().numpy(), module.weight.detach().numpy(), module.weight.grad.numpy(), weights.grad.numpy()]
        )
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-8)


def test_embedding_bag_by_frequency():
    """A row's gradient over how often it is used; PyTorch divides by another row's count (docs/differences.md)."""
    random = np.random.default_rng(SEED)
    index, table = np.array([[1, 1, 4], [1, 2, 4]]), nc.tensor(random.standard_normal((5, 3)), requires_grad=True)
    for mode in ("sum", "mean"):
        y = [nc.nn.functional.embedding_bag(nc.tensor(index), table, mode=mode, scale_grad_by_freq=s) for s in (0, 1)]
        plain, scaled = (nc.autograd.grad((v * v).sum(), table)[0].numpy() for v in y)
        np.testing.assert_allclose(scaled, plain / np.array([1, 3, 1, 1, 2])[:, None], rtol=1e-12)
    theirs, ours = (
        library.nn.EmbeddingBag(5, 3, max_norm=0.5, norm_type=1.0, scale_grad_by_freq=True) for library in (torch, nc)
    )
    assert repr(ours) == repr(theirs)
