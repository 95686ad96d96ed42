"""Layers and losses beside PyTorch's: one state_dict, one input; the same words, values and gradients."""

import copy
import os
import warnings

import numpy as np
import pytest

import nncore as nc

torch = pytest.importorskip("torch")

SEED = int(os.environ.get("NNCORE_PEER_SEED", "0")) or int.from_bytes(os.urandom(4), "little")

PADS = ("Zero", "Reflection", "Replication", "Circular")
# A layer's name, its arguments, its settings, and the shapes of its inputs.
LAYERS = [
    ("Identity", (1,), {}, [(3,)]),
    ("Linear", (4, 3), {}, [(2, 4), (4,), (2, 3, 4), (0, 4)]),
    ("Linear", (4, 3), {"bias": False}, [(2, 4)]),
    ("Conv1d", (4, 6, 3), {}, [(2, 4, 9), (4, 9)]),
    ("Conv1d", (4, 6, 3), {"padding": "same", "dilation": 2, "groups": 2}, [(2, 4, 9)]),
    ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1}, [(2, 4, 8, 9), (4, 8, 9), (0, 4, 8, 9)]),
    ("Conv2d", (4, 6, (3, 2)), {"groups": 2, "bias": False, "dilation": (1, 2)}, [(2, 4, 8, 9)]),
    ("Conv2d", (4, 4, (3, 4)), {"padding": "same", "padding_mode": "reflect"}, [(2, 4, 8, 9)]),
    ("Conv2d", (4, 4, 3), {"padding": (1, 2), "padding_mode": "replicate"}, [(2, 4, 8, 9)]),
    ("Conv2d", (4, 4, 3), {"padding": 2, "padding_mode": "circular", "groups": 4}, [(2, 4, 8, 9)]),
    ("Conv2d", (4, 4, 3), {"padding": "valid"}, [(2, 4, 8, 9)]),
    ("Conv3d", (2, 3, 2), {"padding": 1, "stride": (1, 2, 1)}, [(2, 2, 4, 5, 3), (2, 4, 5, 3)]),
    ("Conv1d", (4, 4, 3), {"padding": 2, "padding_mode": "replicate"}, [(2, 4, 9), (4, 9)]),
    ("Conv1d", (4, 4, 3), {"padding": "same", "padding_mode": "circular", "dilation": 2}, [(2, 4, 9)]),
    ("Conv3d", (2, 3, 3), {"padding": 1, "padding_mode": "reflect"}, [(1, 2, 4, 3, 5)]),
    ("Conv3d", (2, 3, 3), {"padding": (1, 2, 0), "padding_mode": "replicate"}, [(1, 2, 4, 3, 5)]),
    ("ConvTranspose1d", (4, 6, 3), {}, [(2, 4, 5), (4, 5), (0, 4, 5)]),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "groups": 2, "output_padding": 1, "bias": False}, [(2, 4, 5)]),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}, [(2, 4, 3, 4), (4, 3, 4)]),
    ("ConvTranspose2d", (4, 6, (3, 2), (2, 1), (1, 0), (1, 0), 2, True, (1, 2)), {}, [(2, 4, 3, 4)]),
    ("ConvTranspose3d", (2, 3, 2), {"stride": (1, 2, 1)}, [(2, 2, 2, 3, 2), (2, 2, 3, 2)]),
    ("Unfold", ((2, 3),), {"padding": 1, "stride": (2, 1)}, [(2, 3, 4, 5), (3, 4, 5)]),
    ("Fold", ((4, 5), 2), {"dilation": (1, 2)}, [(2, 8, 9), (8, 9)]),
    ("Upsample", (7,), {}, [(2, 3, 4), (2, 3, 4, 5), (1, 2, 2, 3, 2)]),
    ("Upsample", (), {"scale_factor": (2, 1.5), "mode": "bilinear"}, [(2, 3, 4, 5)]),
    ("Upsample", (), {"scale_factor": 2.6, "mode": "bicubic", "recompute_scale_factor": True}, [(2, 3, 4, 5)]),
    ("Upsample", (), {"scale_factor": 2, "mode": "trilinear", "align_corners": True}, [(1, 2, 2, 3, 2)]),
    ("UpsamplingNearest2d", (), {"scale_factor": 3}, [(2, 3, 4, 5)]),
    ("UpsamplingBilinear2d", ((6, 3),), {}, [(2, 3, 4, 5)]),
    ("PixelShuffle", (2,), {}, [(2, 8, 3, 4), (4, 3, 4)]),
    ("PixelUnshuffle", (2,), {}, [(2, 3, 4, 6)]),
    ("ChannelShuffle", (3,), {}, [(2, 6, 3, 4)]),
    *[("ConstantPad1d", (2, 0.5), {}, [(2, 3, 4), (3, 4)]), ("ConstantPad2d", ((1, 0, 2, 1), 3), {}, [(2, 3, 4, 5)])],
    ("ConstantPad3d", (1, -2.5), {}, [(1, 2, 3, 2, 2)]),
    *[(f"{kind}Pad1d", (width,), {}, [(2, 3, 4), (3, 4)]) for kind in PADS for width in (1, (2, 0))],
    *[(f"{kind}Pad2d", (width,), {}, [(2, 3, 4, 3), (3, 4, 3)]) for kind in PADS for width in (1, (2, 0, 1, 3))],
    *[(f"{kind}Pad3d", (width,), {}, [(1, 2, 2, 3, 4)]) for kind in PADS for width in (1, (1, 0, 2, 1, 0, 1))],
    ("LPPool1d", (1, 3), {"stride": 2}, [(2, 3, 9), (3, 9)]),
    ("LPPool2d", (3, (2, 3)), {"ceil_mode": True}, [(2, 3, 7, 8)]),
    ("LPPool3d", (1, 2), {}, [(1, 2, 5, 4, 3)]),
    ("MaxPool1d", (3,), {"stride": 2, "padding": 1}, [(2, 3, 9), (3, 9)]),
    ("MaxPool2d", (2,), {}, [(2, 3, 7, 8), (3, 7, 8)]),
    ("MaxPool2d", ((3, 2),), {"stride": (1, 2), "padding": 1, "ceil_mode": True}, [(2, 3, 7, 8)]),
    ("MaxPool2d", (2,), {"return_indices": True, "dilation": 2}, [(2, 3, 7, 8)]),
    ("MaxPool3d", (2,), {"ceil_mode": True}, [(1, 2, 5, 4, 3)]),
    ("AvgPool1d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, [(2, 3, 9)]),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, [(2, 3, 7, 8), (3, 7, 8)]),
    ("AvgPool2d", ((2, 3),), {"divisor_override": 5}, [(2, 3, 7, 8)]),
    ("AvgPool3d", (2,), {"padding": 1, "count_include_pad": False}, [(1, 2, 5, 4, 3)]),
    ("AdaptiveMaxPool1d", (4,), {}, [(2, 3, 9)]),
    ("AdaptiveMaxPool2d", ((3, None),), {"return_indices": True}, [(2, 3, 7, 8)]),
    ("AdaptiveMaxPool3d", (2,), {}, [(1, 2, 5, 4, 3)]),
    ("AdaptiveAvgPool1d", (4,), {}, [(2, 3, 9), (3, 9)]),
    ("AdaptiveAvgPool2d", ((None, 3),), {}, [(2, 3, 7, 8)]),
    ("AdaptiveAvgPool3d", ((1, 2, 3),), {}, [(1, 2, 5, 4, 3)]),
    ("BatchNorm1d", (4,), {}, [(9, 4), (3, 4, 5), (0, 4), (2, 4, 20)]),
    ("BatchNorm1d", (4,), {"affine": False, "momentum": None}, [(9, 4), (3, 4, 5), (2, 4, 20)]),
    ("BatchNorm2d", (4,), {"eps": 0.1, "momentum": 0.4}, [(3, 4, 5, 6), (1, 4, 3, 3)]),
    ("BatchNorm2d", (4,), {"track_running_stats": False, "bias": False}, [(3, 4, 5, 6)]),
    ("BatchNorm3d", (2,), {"momentum": None}, [(2, 2, 3, 4, 5), (3, 2, 2, 2, 2)]),
    ("InstanceNorm1d", (4,), {}, [(3, 4, 9), (4, 9)]),
    ("InstanceNorm2d", (4,), {"affine": True, "track_running_stats": True}, [(3, 4, 5, 6), (4, 5, 6)]),
    ("InstanceNorm3d", (2,), {"track_running_stats": True, "momentum": 0.7}, [(2, 2, 3, 4, 5), (2, 3, 4, 5)]),
    ("LayerNorm", (5,), {}, [(3, 5), (5,), (2, 3, 5), (0, 5)]),
    ("LayerNorm", ((3, 5),), {"bias": False, "eps": 0.1}, [(2, 3, 5), (3, 5)]),
    ("LayerNorm", ([3, 5],), {"elementwise_affine": False}, [(2, 3, 5)]),
    ("GroupNorm", (2, 12), {}, [(3, 12), (3, 12, 5), (2, 12, 5, 4)]),
    ("GroupNorm", (3, 6), {"affine": False, "eps": 0.1}, [(2, 6, 5, 4)]),
    ("GroupNorm", (6, 6), {"bias": False}, [(2, 6, 9)]),
    ("RMSNorm", (5,), {}, [(3, 5), (5,), (2, 3, 5)]),
    ("RMSNorm", ((3, 5),), {"eps": 0.1, "elementwise_affine": False}, [(2, 3, 5)]),
    ("LocalResponseNorm", (3,), {"alpha": 0.5}, [(2, 7, 4), (2, 7, 3, 4)]),
    ("LocalResponseNorm", (4,), {"alpha": 0.5, "beta": 0.6, "k": 2.0}, [(1, 7, 3, 4), (2, 3, 2, 2, 2)]),
    ("Flatten", (), {}, [(2, 3, 4), (0, 3)]),
    ("Flatten", (0, 1), {}, [(2, 3, 4)]),
    ("Unflatten", (-1, (2, 2)), {}, [(3, 4)]),
    ("Threshold", (0.1, -2.0), {}, [(3, 4)]),
    ("ReLU", (), {}, [(3, 4), ()]),
    ("ReLU6", (), {}, [(3, 4)]),
    ("Hardtanh", (-0.5, 0.7), {}, [(3, 4)]),
    ("LeakyReLU", (0.2,), {}, [(3, 4)]),
    ("ELU", (0.7,), {}, [(3, 4)]),
    ("CELU", (0.7,), {}, [(3, 4)]),
    ("SELU", (), {}, [(3, 4)]),
    ("GELU", (), {}, [(3, 4)]),
    ("GELU", (), {"approximate": "tanh"}, [(3, 4)]),
    ("SiLU", (), {}, [(3, 4)]),
    ("Mish", (), {}, [(3, 4)]),
    ("Hardswish", (), {}, [(3, 4)]),
    ("Hardsigmoid", (), {}, [(3, 4)]),
    ("Sigmoid", (), {}, [(3, 4)]),
    ("Tanh", (), {}, [(3, 4)]),
    ("LogSigmoid", (), {}, [(3, 4)]),
    ("Softplus", (2.0, 1.0), {}, [(3, 4)]),
    ("Hardshrink", (0.3,), {}, [(3, 4)]),
    ("Softshrink", (0.3,), {}, [(3, 4)]),
    ("Softsign", (), {}, [(3, 4)]),
    ("Tanhshrink", (), {}, [(3, 4)]),
    ("GLU", (), {}, [(3, 4), (6,)]),
    ("GLU", (1,), {}, [(2, 4, 3)]),
    ("PReLU", (), {}, [(3, 4), (2, 3, 4), (4,)]),
    ("PReLU", (4, 0.1), {}, [(3, 4), (2, 4, 5)]),
    ("Softmax", (1,), {}, [(3, 4)]),
    ("Softmax", (), {}, [(3, 4), (4,)]),
    ("Softmin", (0,), {}, [(3, 4)]),
    ("LogSoftmax", (-1,), {}, [(3, 4), ()]),
    ("Softmax2d", (), {}, [(2, 3, 4, 5), (3, 4, 5)]),
]


def to_torch(array):
    return torch.from_numpy(np.array(array))


def first(value):
    return value[0] if isinstance(value, tuple) else value


def gradients(library, outputs, inputs, weights, second=True):
    """First gradients, and the second ones where there are any."""
    make = to_torch if library is torch else nc.tensor
    (gy, *more) = weights
    firsts = library.autograd.grad([outputs], inputs, [make(gy)], create_graph=True, allow_unused=True)
    rough = [(g, make(w)) for g, w in zip(firsts, more, strict=True) if g is not None and g.requires_grad]
    seconds = [None] * len(inputs)
    if rough and second:
        seconds = library.autograd.grad([g for g, _ in rough], inputs, [w for _, w in rough], allow_unused=True)
    return [
        np.zeros(x.shape) if g is None else g.detach().numpy(force=True)  # PyTorch may give a symbolic zero
        for g, x in zip([*firsts, *seconds], [*inputs] * 2, strict=True)
    ]


def expect_equal(ours, theirs, dtype, what):
    rtol, atol = (2e-4, 2e-5) if dtype == "float32" else (1e-9, 1e-10)
    if what.startswith(("CELU", "Hardsigmoid")):
        rtol = max(rtol, 1e-6)  # PyTorch computes some of their constants in float32
    for got, expected in zip(ours, theirs, strict=True):
        assert got.shape == expected.shape, what
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True, err_msg=what)


def compare(theirs, ours, arrays, dtype, what, constants=()):
    """Run both modules on the arrays; compare values and the gradients of inputs and parameters."""
    found = []
    random = np.random.default_rng(SEED + 1)
    weights = None
    for library, module in ((torch, theirs), (nc, ours)):
        make = to_torch if library is torch else nc.tensor
        inputs = [make(a).requires_grad_() for a in arrays]
        y = module(*inputs, *(make(c) for c in constants))
        value, extra = first(y), y[1:] if isinstance(y, tuple) else ()
        values = [v.detach().numpy() for v in (value, *extra)]
        inputs += list(module.parameters())
        if weights is None:
            weights = [random.standard_normal(tuple(t.shape)).astype(dtype) for t in (value, *inputs)]
        second = not what.startswith(FIRST_ONLY)
        found.append(values + gradients(library, value, inputs, weights, second))
    expect_equal(found[1], found[0], dtype, what)


@pytest.mark.parametrize(
    ("name", "args", "settings", "shapes"), LAYERS, ids=[f"{layer[0]}-{i}" for i, layer in enumerate(LAYERS)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_layers(name, args, settings, shapes, dtype):
    torch.manual_seed(SEED)
    theirs = getattr(torch.nn, name)(*args, **settings).to(getattr(torch, dtype))
    ours = getattr(nc.nn, name)(*args, **settings).to(getattr(nc, dtype))
    assert repr(ours) == repr(theirs)
    assert repr(nc.nn.Sequential(ours)) == repr(torch.nn.Sequential(theirs))
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    random = np.random.default_rng(SEED)
    for shape in shapes:
        array = random.standard_normal(shape).astype(dtype)
        compare(theirs, ours, [array], dtype, f"{ours} {shape} seed {SEED}")
    if ours.state_dict().keys() - dict(ours.named_parameters()).keys():  # running statistics, and where they are used
        expect_equal_states(ours, theirs)
        theirs.eval()
        ours.eval()
        compare(theirs, ours, [array], dtype, f"{ours} {shape} evaluation, seed {SEED}")
        expect_equal_states(ours, theirs)


def expect_equal_states(ours, theirs):
    mine, other = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(other)
    for name, value in other.items():
        np.testing.assert_allclose(mine[name].numpy(), value.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
        assert mine[name].numpy().dtype == value.numpy().dtype


@pytest.mark.parametrize("size", [(6, 7), (7, 7), (2, 3, 6, 7)])
def test_max_unpool(size):
    random = np.random.default_rng(SEED)
    x = random.standard_normal((2, 3, 6, 7))
    found = []
    for library, make in ((torch, to_torch), (nc, nc.tensor)):
        pool, unpool = library.nn.MaxPool2d(2, return_indices=True), library.nn.MaxUnpool2d(2)
        y = unpool(*pool(make(x)), output_size=size)
        found.append((repr(unpool), y.numpy()))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[1][1], found[0][1])


def test_conv_transpose_to_an_output_size():
    theirs, ours = torch.nn.ConvTranspose2d(3, 4, 3, 2, 1), nc.nn.ConvTranspose2d(3, 4, 3, 2, 1)
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(SEED).standard_normal((2, 3, 5, 6)).astype("float32")
    for size in [(10, 11), (2, 4, 9, 12)]:
        a, b = theirs(to_torch(x), output_size=size), ours(nc.tensor(x), output_size=size)
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bilinear(dtype):
    theirs = torch.nn.Bilinear(4, 3, 2).to(getattr(torch, dtype))
    ours = nc.nn.Bilinear(4, 3, 2).to(getattr(nc, dtype))
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    random = np.random.default_rng(SEED)
    for batch in [(), (5,), (2, 3)]:
        arrays = [random.standard_normal((*batch, n)).astype(dtype) for n in (4, 3)]
        compare(theirs, ours, arrays, dtype, f"bilinear {batch}")


@pytest.mark.parametrize("settings", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True, "padding_idx": -1}])
def test_embedding(settings):
    theirs, ours = torch.nn.Embedding(6, 3, **settings), nc.nn.Embedding(6, 3, **settings)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({"weight": nc.tensor(theirs.weight.detach().numpy())})
    index = np.random.default_rng(SEED).integers(0, 6, (4, 5))
    a, b = theirs(to_torch(index)), ours(nc.tensor(index))
    np.testing.assert_array_equal(b.detach().numpy(), a.detach().numpy())
    (a * a).sum().backward()
    (b * b).sum().backward()
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_embedding_max_norm():
    theirs, ours = torch.nn.Embedding(6, 3, max_norm=0.5), nc.nn.Embedding(6, 3, max_norm=0.5)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({"weight": nc.tensor(theirs.weight.detach().numpy())})
    index = np.array([1, 4, 1])
    np.testing.assert_allclose(ours(nc.tensor(index)).detach().numpy(), theirs(to_torch(index)).detach().numpy(), 1e-5)
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-5)


REDUCTIONS = ["none", "mean", "sum"]
LOSSES = [
    ("MSELoss", {}, "any"),
    ("L1Loss", {}, "any"),
    ("SmoothL1Loss", {"beta": 0.4}, "any"),
    ("SmoothL1Loss", {"beta": 0}, "any"),
    ("HuberLoss", {"delta": 0.6}, "any"),
    ("BCELoss", {}, "probability"),
    ("BCEWithLogitsLoss", {}, "logit"),
    ("KLDivLoss", {}, "probability"),
    ("KLDivLoss", {"log_target": True}, "any"),
    ("KLDivLoss", {"reduction": "batchmean"}, "probability"),
]


@pytest.mark.parametrize(("name", "settings", "kind"), LOSSES, ids=[f"{x[0]}-{i}" for i, x in enumerate(LOSSES)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_losses(name, settings, kind, reduction, dtype):
    settings = {"reduction": reduction} | settings
    theirs, ours = getattr(torch.nn, name)(**settings), getattr(nc.nn, name)(**settings)
    assert repr(ours) == repr(theirs)
    random = np.random.default_rng(SEED)
    for shape in [(4, 3), (), (5,), (2, 3, 2)]:
        x, t = (random.uniform(0.05, 0.95, shape).astype(dtype) for _ in range(2))
        if kind != "probability":
            x = random.standard_normal(shape).astype(dtype)
        compare(theirs, ours, [x, t], dtype, f"{name} {settings} {shape} seed {SEED}")
    if kind == "any":
        x, t = random.standard_normal((4, 3)).astype(dtype), random.standard_normal(3).astype(dtype)
        compare(theirs, ours, [x, t], dtype, f"{name} {settings} broadcast seed {SEED}")
        compare(theirs, ours, [t, x], dtype, f"{name} {settings} broadcast input seed {SEED}")


# A loss, its settings, how its differentiable inputs are drawn, and how its constant ones are: by shape.
def signs(random, shape):
    return np.where(random.random(shape) < 0.5, 1.0, -1.0)


def label_lists(random, shape):
    return np.stack([np.append(random.permutation(shape[1])[:2], [-1] * (shape[1] - 2)) for _ in range(shape[0])])


def classes(random, shape):
    return random.integers(0, shape[-1], shape[:-1])


MORE_LOSSES = [
    ("PoissonNLLLoss", {}, 1, [lambda r, s: r.poisson(3.0, s) * 1.0]),
    ("PoissonNLLLoss", {"full": True}, 1, [lambda r, s: r.poisson(3.0, s) * 1.0]),
    ("GaussianNLLLoss", {"full": True}, 2, [lambda r, s: r.uniform(0.1, 1, s)]),
    ("HingeEmbeddingLoss", {"margin": 0.7}, 1, [signs]),
    ("MarginRankingLoss", {"margin": 0.2}, 2, [signs]),
    ("SoftMarginLoss", {}, 1, [signs]),
    ("MultiMarginLoss", {"margin": 0.7}, 1, [classes]),
    ("MultiMarginLoss", {"p": 2}, 1, [classes]),
    ("MultiLabelMarginLoss", {}, 1, [label_lists]),
    ("MultiLabelSoftMarginLoss", {}, 1, [lambda r, s: (r.random(s) < 0.5) * 1.0]),
    ("CosineEmbeddingLoss", {"margin": 0.1}, 2, [lambda r, s: signs(r, s[:-1])]),
    ("TripletMarginLoss", {"swap": True, "p": 3}, 3, []),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, 3, []),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}, 2, []),
    ("CosineSimilarity", {"dim": 0}, 2, []),
]
FIRST_ONLY = ("Hardsigmoid", "MultiMarginLoss", "MultiLabelMarginLoss")  # PyTorch has no second derivative of these


@pytest.mark.parametrize(
    ("name", "settings", "count", "constants"), MORE_LOSSES, ids=[f"{x[0]}-{i}" for i, x in enumerate(MORE_LOSSES)]
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_more_losses(name, settings, count, constants, reduction, dtype):
    settings = settings if name.endswith(("Distance", "Similarity")) else {"reduction": reduction} | settings
    theirs, ours = getattr(torch.nn, name)(**settings), getattr(nc.nn, name)(**settings)
    assert repr(ours) == repr(theirs)
    random = np.random.default_rng(SEED)
    for shape in [(4, 3), (5, 7), (2, 4)]:
        arrays = [random.standard_normal(shape).astype(dtype) for _ in range(count)]
        given = [make(random, shape) for make in constants]
        given = [g.astype(dtype) if g.dtype == np.float64 else g for g in given]
        compare(theirs, ours, arrays, dtype, f"{name} {settings} {shape} seed {SEED}", constants=given)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ctc(reduction, zero_infinity, dtype):
    """Values and gradients by log_probs and logits: different lengths, repeats, impossible samples, no labels."""
    random = np.random.default_rng(SEED)
    for steps, count, width, blank in [(12, 4, 4, 0), (7, 3, 5, 2), (5, 1, 1, 1)]:
        z = random.standard_normal((steps, count, 4)).astype(dtype)
        labels = (random.integers(1, 4, (count, width)) + blank) % 4
        lengths = random.integers(0, width + 1, count)
        frames = random.integers(1, steps + 1, count)
        row = np.concatenate([r[:n] for r, n in zip(labels, lengths)])
        for batch, targets in ((slice(None), labels), (slice(None), row), (0, labels[0, : lengths[0]])):
            found = []
            for library, make in ((torch, to_torch), (nc, nc.tensor)):
                loss = library.nn.CTCLoss(blank, reduction, zero_infinity)
                x = make(z[:, batch]).requires_grad_()
                log_probs = library.log_softmax(x, -1)
                leaf = log_probs.detach().requires_grad_()
                call = (make(targets), make(np.asarray(frames[batch])), make(np.asarray(lengths[batch])))
                value = loss(leaf, *call)
                gy = make(np.arange(1, value.numel() + 1).reshape(value.shape).astype(dtype))
                (by_leaf,) = library.autograd.grad([value], [leaf], [gy])
                (by_logits,) = library.autograd.grad([loss(log_probs, *call)], [x], [gy])
                found.append([v.detach().numpy() for v in (value, by_leaf, by_logits)])
            expect_equal(found[1], found[0], dtype, f"ctc {labels} {frames} {lengths} {reduction} seed {SEED}")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["BCELoss", "BCEWithLogitsLoss"])
def test_weighted_binary_losses(name, reduction):
    random = np.random.default_rng(SEED)
    x, t = random.uniform(0.05, 0.95, (4, 3)), random.uniform(0, 1, (4, 3))
    for shape in [(3,), (4, 1), (4, 3)]:
        weight = random.uniform(0, 2, shape)
        made = []
        for library, make in ((torch, to_torch), (nc, nc.tensor)):
            settings = {"weight": make(weight), "reduction": reduction}
            if name == "BCEWithLogitsLoss":
                settings["pos_weight"] = make(weight + 1)
            made.append(getattr(library.nn, name)(**settings))
        compare(*made, [x, t], "float64", f"{name} {shape} seed {SEED}")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_class_losses(reduction, smoothing, weighted, dtype):
    random = np.random.default_rng(SEED)
    weight = random.uniform(0.1, 2, 5).astype(dtype)
    for shape in [(4, 5), (5,), (2, 5, 3), (2, 5, 3, 2)]:
        x = random.standard_normal(shape).astype(dtype)
        t = random.integers(0, 5, shape[:1] + shape[2:] if len(shape) > 1 else ())
        if t.size > 1:
            t.flat[0] = -100
        made = []
        for library, make in ((torch, to_torch), (nc, nc.tensor)):
            given = make(weight) if weighted else None
            made.append(library.nn.CrossEntropyLoss(given, reduction=reduction, label_smoothing=smoothing))
        assert repr(made[1]) == repr(made[0])
        compare(*made, [x], dtype, f"cross entropy {shape} seed {SEED}", constants=[t])
        if not smoothing:
            made = [
                library.nn.NLLLoss(make(weight) if weighted else None, reduction=reduction)
                for library, make in ((torch, to_torch), (nc, nc.tensor))
            ]
            compare(*made, [x], dtype, f"nll {shape} seed {SEED}", constants=[t])


def lenet(library):
    nn = library.nn
    features = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 5), nn.ReLU())
    head = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(200, 20), nn.GELU(), nn.Linear(20, 10))
    return nn.Sequential(features, head)


@pytest.mark.parametrize(
    ("optimizer", "settings"), [("SGD", {"lr": 0.1, "momentum": 0.9}), ("AdamW", {"lr": 1e-2}), ("RMSprop", {})]
)
def test_training(optimizer, settings):
    """A small network learns the same in both libraries, from the same start."""
    torch.manual_seed(SEED)
    theirs, ours = lenet(torch).double(), lenet(nc).double()
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    random = np.random.default_rng(SEED)
    x, t = random.standard_normal((8, 1, 28, 28)), random.integers(0, 10, 8)
    optimizers = [
        getattr(library.optim, optimizer)(model.parameters(), **settings)
        for library, model in ((torch, theirs), (nc, ours))
    ]
    for _ in range(5):
        losses = []
        for library, model, stepper, make in zip((torch, nc), (theirs, ours), optimizers, (to_torch, nc.tensor)):
            stepper.zero_grad()
            loss = library.nn.functional.cross_entropy(model(make(x)), make(t))
            loss.backward()
            norm = library.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            stepper.step()
            losses.append((loss.item(), norm.item()))
        assert losses[1] == pytest.approx(losses[0], rel=1e-7)
    for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-6, atol=1e-8)


def test_warnings_are_the_same():
    """Where PyTorch warns, so do we, and in its words."""

    def calls(library, make):
        F = library.nn.functional  # noqa: N806
        x, t = make(np.ones((2, 3))) * 0.5, make(np.ones(3)) * 0.5
        yield lambda: F.mse_loss(x, t)
        yield lambda: F.l1_loss(x, t)
        yield lambda: F.smooth_l1_loss(x, t)
        yield lambda: F.huber_loss(x, t)
        yield lambda: F.kl_div(x, x)
        yield lambda: library.nn.L1Loss(size_average=False)
        yield lambda: library.nn.MSELoss(reduce=False)
        yield lambda: F.softmax(x)

    for theirs, ours in zip(calls(torch, to_torch), calls(nc, nc.tensor), strict=True):
        said = []
        for call in (theirs, ours):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                call()
            said.append([(w.category, str(w.message).replace("nncore.Size", "torch.Size")) for w in caught])
        assert said[0] == said[1]


def test_module_trees_print_alike():
    def build(library):
        nn = library.nn
        block = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        table = nn.ModuleDict({"a": block, "b": nn.ModuleList([copy.deepcopy(block) for _ in range(3)])})
        return nn.Sequential(table, nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 2), nn.Linear(1, 2)]), nn.ModuleList())

    assert repr(build(nc)) == repr(build(torch))
    assert list(build(nc).state_dict()) == list(build(torch).state_dict())


@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"affine": False}])
@pytest.mark.parametrize("kind", ["conv", "transposed", "linear", "one feature"])
def test_batch_norm_folded_into_the_layer_before(kind, settings):
    """The parameters are PyTorch's, and the folded layer does what the two did."""
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    statistics = {"running_mean": random.standard_normal(4), "running_var": random.uniform(0.1, 2, 4)}
    made = []
    for library in (torch, nc):
        nn = library.nn
        layer = {
            "conv": lambda nn=nn: nn.Conv2d(3, 4, 3, bias="bias" not in settings),
            "transposed": lambda nn=nn: nn.ConvTranspose2d(3, 4, 3),
            "linear": lambda nn=nn: nn.Linear(3, 4, bias="bias" not in settings),
            "one feature": lambda nn=nn: nn.Linear(3, 4),
        }[kind]()
        features = 1 if kind == "one feature" else 4
        norm = (
            nn.BatchNorm2d(features, **settings)
            if kind in ("conv", "transposed")
            else nn.BatchNorm1d(features, **settings)
        )
        make = to_torch if library is torch else nc.tensor
        for name, value in statistics.items():
            getattr(norm, name).copy_(make(value[:features].astype(np.float32)))
        made.append((layer.eval(), norm.eval()))
    (theirs, _), (ours, our_norm) = made
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    fold = "fuse_linear_bn_eval" if isinstance(ours, nc.nn.Linear) else "fuse_conv_bn_eval"
    more = (True,) if kind == "transposed" else ()
    folded = getattr(nc.nn.utils, fold)(ours, our_norm, *more)
    if fold == "fuse_conv_bn_eval" or not settings:  # PyTorch's linear layers need a weight and a bias
        expected = getattr(torch.nn.utils, fold)(*made[0], *more)
        assert repr(folded) == repr(expected)
        for name in ("weight", "bias"):
            x, y = getattr(expected, name), getattr(folded, name)
            np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy(), rtol=1e-5, atol=1e-6)
            assert y.requires_grad == x.requires_grad
    if kind != "one feature":
        x = nc.tensor(random.standard_normal((2, 3) if kind == "linear" else (2, 3, 6, 5)).astype(np.float32))
        np.testing.assert_allclose(folded(x).detach().numpy(), our_norm(ours(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError, match="Fusion only for eval"):
        getattr(nc.nn.utils, fold)(ours.train(), our_norm)
    ours.eval()
    with pytest.raises(AssertionError, match="must not be None"):
        getattr(nc.nn.utils, fold)(ours, nc.nn.BatchNorm1d(4, track_running_stats=False).eval())
