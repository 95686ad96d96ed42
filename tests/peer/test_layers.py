"""Layers beside PyTorch's: one state_dict, one input; the same words, values and gradients."""

import numpy as np
import pytest

import nncore as nc
from peer.modules import SEED, compare, to_torch

torch = pytest.importorskip("torch")

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
