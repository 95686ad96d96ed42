"""Transformers beside PyTorch's: values, both gradients, words, errors."""

import numpy as np
import pytest

import nncore as nc
from peer.test_attention import made
from peer.test_rnn import MAKE, SEED, compare, errors_agree, pair

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched", "ignore:enable_nested_tensor is True")


@pytest.fixture(autouse=True)
def plain_attention():
    """PyTorch's attention of which there are second derivatives."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        yield


CAUSAL = np.triu(np.full((3, 3), -np.inf), 1)
PADDING = np.array([[False, False, True], [False, True, True]])
SETTINGS = [
    {},
    {"batch_first": True},
    {"norm_first": True},
    {"activation": "gelu", "layer_norm_eps": 1e-3},
    {"bias": False},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(
    "masks", [{}, {"src_mask": CAUSAL}, {"src_key_padding_mask": PADDING}], ids=["", "mask", "pad"]
)
def test_encoder_layer(settings, masks):
    theirs, ours = pair("TransformerEncoderLayer", 4, 2, 6, dropout=0.0, **settings)
    shape = (2, 3, 4) if settings.get("batch_first") else (3, 2, 4)
    x = np.random.default_rng(SEED).standard_normal(shape)
    compare(theirs, ours, [x], lambda library, module, xs: module(xs[0], **made(library, masks)), what=str(settings))
    if "src_key_padding_mask" not in masks:

        def unbatched(library, module, xs):
            return module(xs[0], **made(library, masks))

        compare(
            theirs, ours, [np.random.default_rng(SEED).standard_normal((3, 4))], unbatched, what=f"unbatched {settings}"
        )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_decoder_layer(settings, masked):
    theirs, ours = pair("TransformerDecoderLayer", 4, 2, 6, dropout=0.0, **settings)
    random = np.random.default_rng(SEED)
    arrays = [random.standard_normal((n, 2, 4)) for n in (3, 3)]
    if settings.get("batch_first"):
        arrays = [a.swapaxes(0, 1) for a in arrays]
    masks = {"tgt_mask": CAUSAL, "tgt_is_causal": True, "memory_key_padding_mask": PADDING} if masked else {}
    compare(theirs, ours, arrays, lambda library, module, xs: module(*xs, **made(library, masks)), what=str(settings))


def stack(library, kind: str):
    nn = library.nn
    layer = getattr(nn, f"Transformer{kind}Layer")(4, 2, 6, dropout=0.0)
    return getattr(nn, f"Transformer{kind}")(layer, 2, nn.LayerNorm(4)).double()


@pytest.mark.parametrize("kind", ["Encoder", "Decoder"])
def test_stacks(kind):
    theirs, ours = stack(torch, kind), stack(nc, kind)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    random = np.random.default_rng(SEED)
    arrays = [random.standard_normal((3, 2, 4)) for _ in range(1 if kind == "Encoder" else 2)]
    mask = "mask" if kind == "Encoder" else "tgt_mask"
    bent = CAUSAL + np.eye(3)  # not quite the causal mask, which must not be taken for it
    for masks in ({}, {mask: CAUSAL}, {mask: bent}):
        compare(theirs, ours, arrays, lambda library, module, xs, m=masks: module(*xs, **made(library, m)), what=kind)


def test_transformer():
    theirs, ours = pair("Transformer", 4, 2, 2, 1, 6, dropout=0.0)
    random = np.random.default_rng(SEED)
    arrays = [random.standard_normal((n, 2, 4)) for n in (5, 3)]

    def call(library, module, xs):
        mask = module.generate_square_subsequent_mask(3, dtype=library.float64)
        return module(*xs, tgt_mask=mask)

    compare(theirs, ours, arrays, call, what="transformer")
    compare(theirs, ours, [a[:, 0] for a in arrays], call, what="unbatched transformer")
    np.testing.assert_array_equal(nc.nn.Transformer.generate_square_subsequent_mask(3).numpy(), CAUSAL)


def errors(library):
    """Calls that both refuse."""
    nn = library.nn

    def x(*shape):
        return MAKE[library](np.zeros(shape, np.float32))

    yield lambda: nn.Transformer(4, 2, 1, 1, 6)(x(3, 2, 4), x(3, 5, 4))
    yield lambda: nn.Transformer(4, 2, 1, 1, 6)(x(3, 2, 4), x(3, 2, 8))
    yield lambda: nn.Transformer(4, 2, 1, 1, 6, batch_first=True)(x(5, 2, 4), x(3, 2, 4))
    yield lambda: nn.TransformerEncoderLayer(4, 2, activation="x")
    yield lambda: nn.TransformerEncoderLayer(4, 3)
    yield lambda: nn.TransformerEncoderLayer(4, 2)(x(3, 2, 5))


@pytest.mark.parametrize(("theirs", "ours"), list(zip(errors(torch), errors(nc), strict=True)))
def test_errors(theirs, ours):
    errors_agree(theirs, ours)
