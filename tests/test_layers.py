"""Layers: what they compute, how they print, how they start, what they refuse."""

import math

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F
from nncore import nn
from nncore.reference import conv as conv_reference

RANDOM = np.random.default_rng(0)


def draw(*shape):
    return nc.tensor(RANDOM.standard_normal(shape).astype(np.float32))


def equal(got, expected, tolerance=1e-5):
    expected = expected.detach().numpy() if isinstance(expected, nc.Tensor) else expected
    assert got.shape == expected.shape
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


def arrays(module):
    return [p.detach().numpy() for p in module.parameters()]


# A layer, its repr, and an input shape with the output shape that belongs to it.
LAYERS = [
    (lambda: nn.Identity(3, a=4), "Identity()", (2, 3), (2, 3)),
    (lambda: nn.Linear(4, 3), "Linear(in_features=4, out_features=3, bias=True)", (2, 5, 4), (2, 5, 3)),
    (lambda: nn.Linear(4, 3, bias=False), "Linear(in_features=4, out_features=3, bias=False)", (4,), (3,)),
    (lambda: nn.Conv1d(2, 4, 3), "Conv1d(2, 4, kernel_size=(3,), stride=(1,))", (2, 2, 8), (2, 4, 6)),
    (
        lambda: nn.Conv2d(2, 4, 3, 2, 1, 2, 2, False),
        "Conv2d(2, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False)",
        (2, 8, 9),
        (4, 3, 4),
    ),
    (
        lambda: nn.Conv2d(2, 4, (3, 4), padding="same"),
        "Conv2d(2, 4, kernel_size=(3, 4), stride=(1, 1), padding=same)",
        (1, 2, 7, 8),
        (1, 4, 7, 8),
    ),
    (
        lambda: nn.Conv3d(1, 2, (1, 2, 3)),
        "Conv3d(1, 2, kernel_size=(1, 2, 3), stride=(1, 1, 1))",
        (1, 1, 4, 4, 4),
        (1, 2, 4, 3, 2),
    ),
    (
        lambda: nn.MaxPool2d(2),
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        (1, 2, 5, 4),
        (1, 2, 2, 2),
    ),
    (
        lambda: nn.MaxPool1d(3, 1, 1, ceil_mode=True),
        "MaxPool1d(kernel_size=3, stride=1, padding=1, dilation=1, ceil_mode=True)",
        (1, 2, 5),
        (1, 2, 5),
    ),
    (lambda: nn.AvgPool1d(2), "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))", (1, 2, 5), (1, 2, 2)),
    (lambda: nn.AvgPool2d(2, 1, 1), "AvgPool2d(kernel_size=2, stride=1, padding=1)", (2, 3, 3), (2, 4, 4)),
    (lambda: nn.AvgPool3d(2), "AvgPool3d(kernel_size=2, stride=2, padding=0)", (1, 2, 2, 2, 2), (1, 2, 1, 1, 1)),
    (lambda: nn.AdaptiveAvgPool2d((None, 2)), "AdaptiveAvgPool2d(output_size=(None, 2))", (1, 2, 5, 5), (1, 2, 5, 2)),
    (lambda: nn.AdaptiveMaxPool1d(3), "AdaptiveMaxPool1d(output_size=3)", (1, 2, 7), (1, 2, 3)),
    (lambda: nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)", (2, 3, 4), (2, 12)),
    (lambda: nn.Unflatten(1, (2, -1)), "Unflatten(dim=1, unflattened_size=(2, -1))", (2, 6), (2, 2, 3)),
    (lambda: nn.Dropout(), "Dropout(p=0.5, inplace=False)", (3, 3), (3, 3)),
    (lambda: nn.Dropout2d(0.2, True), "Dropout2d(p=0.2, inplace=True)", (2, 3, 3, 3), (2, 3, 3, 3)),
    (lambda: nn.ReLU(True), "ReLU(inplace=True)", (3,), (3,)),
    (lambda: nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)", (3,), (3,)),
    (lambda: nn.ELU(0.5, True), "ELU(alpha=0.5, inplace=True)", (3,), (3,)),
    (lambda: nn.CELU(), "CELU(alpha=1.0)", (3,), (3,)),
    (lambda: nn.SELU(), "SELU()", (3,), (3,)),
    (lambda: nn.GELU("tanh"), "GELU(approximate='tanh')", (3,), (3,)),
    (lambda: nn.SiLU(), "SiLU()", (3,), (3,)),
    (lambda: nn.Mish(), "Mish()", (3,), (3,)),
    (lambda: nn.Hardswish(), "Hardswish()", (3,), (3,)),
    (lambda: nn.Hardsigmoid(), "Hardsigmoid()", (3,), (3,)),
    (lambda: nn.Hardtanh(-2.0, 3.0), "Hardtanh(min_val=-2.0, max_val=3.0)", (3,), (3,)),
    (lambda: nn.ReLU6(), "ReLU6()", (3,), (3,)),
    (lambda: nn.Threshold(0.1, 20, True), "Threshold(threshold=0.1, value=20, inplace=True)", (3,), (3,)),
    (lambda: nn.Sigmoid(), "Sigmoid()", (3,), (3,)),
    (lambda: nn.Tanh(), "Tanh()", (3,), (3,)),
    (lambda: nn.LogSigmoid(), "LogSigmoid()", (3,), (3,)),
    (lambda: nn.Softplus(2, 10), "Softplus(beta=2, threshold=10)", (3,), (3,)),
    (lambda: nn.Hardshrink(), "Hardshrink(0.5)", (3,), (3,)),
    (lambda: nn.Softshrink(0.2), "Softshrink(0.2)", (3,), (3,)),
    (lambda: nn.Softsign(), "Softsign()", (3,), (3,)),
    (lambda: nn.Tanhshrink(), "Tanhshrink()", (3,), (3,)),
    (lambda: nn.PReLU(4), "PReLU(num_parameters=4)", (2, 4), (2, 4)),
    (lambda: nn.Softmax(dim=1), "Softmax(dim=1)", (2, 3), (2, 3)),
    (lambda: nn.LogSoftmax(-1), "LogSoftmax(dim=-1)", (2, 3), (2, 3)),
    (lambda: nn.Softmin(0), "Softmin(dim=0)", (2, 3), (2, 3)),
    (lambda: nn.Softmax2d(), "Softmax2d()", (2, 3, 4, 5), (2, 3, 4, 5)),
]


@pytest.mark.parametrize(("make", "text", "shape", "out"), LAYERS, ids=[layer[1] for layer in LAYERS])
def test_repr_and_shape(make, text, shape, out):
    layer = make()
    assert repr(layer) == text
    y = layer(draw(*shape))
    assert tuple(y.shape) == out
    assert layer.to(nc.float64)(draw(*shape).double()).dtype == nc.float64


def test_linear_and_bilinear():
    layer = nn.Linear(4, 3)
    weight, bias = arrays(layer)
    x = draw(2, 5, 4)
    equal(layer(x), x.numpy() @ weight.T + bias)
    layer(x).sum().backward()
    equal(layer.weight.grad, np.broadcast_to(x.numpy().sum((0, 1)), (3, 4)))
    equal(layer.bias.grad, np.full(3, 10.0, np.float32))

    layer = nn.Bilinear(4, 3, 2)
    assert repr(layer) == "Bilinear(in1_features=4, in2_features=3, out_features=2, bias=True)"
    weight, bias = arrays(layer)
    x, y = draw(2, 5, 4), draw(2, 5, 3)
    equal(layer(x, y), np.einsum("bni,oij,bnj->bno", x.numpy(), weight, y.numpy()) + bias)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_conv_padding_modes(mode):
    layer = nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode)
    if mode != "zeros":
        assert repr(layer).endswith(f"padding=(1, 2), padding_mode={mode})")
    x = draw(2, 2, 5, 6)
    style = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (2, 2)), mode=style)
    equal(layer(x), conv_reference.conv2d(padded, *arrays(layer)))


def test_dropout_acts_in_training_only():
    x = nc.ones(1000)
    layer = nn.Dropout(0.25)
    y = layer(x).numpy()
    assert set(np.unique(y)) <= {np.float32(0), np.float32(1 / 0.75)}
    assert 650 < np.count_nonzero(y) < 850
    assert layer.eval()(x) is x or (layer(x).numpy() == 1).all()
    y = nn.Dropout2d(0.5)(nc.ones(8, 16, 3, 3)).numpy()
    assert all(len(np.unique(channel)) == 1 for image in y for channel in image)


def test_embedding():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert repr(layer) == "Embedding(5, 3, padding_idx=4)"
    (table,) = arrays(layer)
    np.testing.assert_array_equal(table[4], 0)
    index = nc.tensor([[0, 4], [2, 2]])
    equal(layer(index), table[index.numpy()])
    layer(index).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [1, 0, 2, 0, 0])
    frozen = nn.Embedding.from_pretrained(nc.ones(2, 3))
    assert not frozen.weight.requires_grad


def test_inplace_activations():
    for make in (nn.ReLU, nn.SiLU, nn.ELU, nn.Hardswish, nn.ReLU6, nn.Mish):
        x = draw(7).requires_grad_()
        z = x * 1
        y = make(inplace=True)(z)
        assert y is z
        y.sum().backward()
        other = x.detach().requires_grad_()
        expected = make()(other)
        expected.sum().backward()
        equal(y, expected)
        equal(x.grad, other.grad)


def test_backward_hooks():
    layer, seen = nn.Linear(2, 2), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((m, gi, go)))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    x = draw(3, 2).requires_grad_()
    layer(x).sum().backward()
    ((module, grad_input, grad_output),) = seen
    assert module is layer
    equal(grad_output[0], np.full((3, 2), 2.0, np.float32))
    equal(grad_input[0], x.grad)
    equal(x.grad, np.full((3, 2), 2.0, np.float32) @ arrays(layer)[0])
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 0,))
    x.grad = None
    layer(x).sum().backward()
    equal(x.grad, np.zeros((3, 2), np.float32))


def test_backward_hook_without_input_gradient():
    layer, seen = nn.Linear(2, 2), []
    handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    layer(draw(3, 2)).sum().backward()
    ((grad_input, grad_output),) = seen
    assert grad_input == (None,)
    assert grad_output[0].shape == (3, 2)
    handle.remove()
    layer(draw(3, 2)).sum().backward()
    assert len(seen) == 1


def test_forward_hooks():
    layer, seen = nn.Linear(2, 2), []
    handles = [
        layer.register_forward_pre_hook(lambda m, args: (args[0] * 0,)),
        layer.register_forward_pre_hook(lambda m, args, kwargs: seen.append(kwargs), with_kwargs=True, prepend=True),
        layer.register_forward_hook(lambda m, args, out: out + 1),
        layer.register_forward_hook(lambda m, args, kwargs, out: seen.append(out), with_kwargs=True),
    ]
    y = layer(draw(1, 2))
    equal(y, (arrays(layer)[1] + 1)[None])
    assert seen[0] == {}
    assert seen[1] is y
    for handle in handles:
        handle.remove()
    assert not layer._forward_hooks
    assert not layer._forward_pre_hooks
    layer.register_forward_hook(lambda m, args, out: seen.append("always"), always_call=True)
    with pytest.raises(RuntimeError):
        layer(draw(1, 3))
    assert seen[-1] == "always"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
        (lambda: nn.Conv2d(4, 3, 3, groups=0), ValueError, "groups must be a positive integer"),
        (lambda: nn.Conv2d(4, 3, 3, padding="x"), ValueError, "Invalid padding string 'x'"),
        (lambda: nn.Conv2d(4, 3, 3, 2, "same"), ValueError, "padding='same' is not supported for strided"),
        (lambda: nn.Conv2d(4, 3, 3, padding_mode="x"), ValueError, "padding_mode must be one of"),
        (lambda: nn.Bilinear(0, 1, 1), ValueError, "in1_features must be > 0"),
        (lambda: nn.Dropout(2), ValueError, "dropout probability has to be between 0 and 1, but got 2"),
        (lambda: nn.Unflatten(1, 3), TypeError, "unflattened_size must be a tuple of ints, but found type int"),
        (lambda: nn.Unflatten(1, (3, 1.5)), TypeError, "found element of type float at pos 1"),
        (lambda: nn.Embedding(3, 4, padding_idx=5), AssertionError, "Padding_idx must be within num_embeddings"),
        (lambda: nn.Embedding(3, 4, _weight=nc.ones(2, 4)), AssertionError, "Shape of weight does not match"),
        (lambda: nn.Hardtanh(1, 1), AssertionError, r"max_val \(1\) must be greater than min_val \(1\)"),
        (lambda: nn.Softmax2d()(draw(2, 2)), ValueError, "expected input to be 3D or 4D, got 2D"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


# nn.init


def spread(t):
    return float(t.detach().numpy().std())


def test_default_starts():
    for layer, fan_in in ((nn.Linear(50, 80), 50), (nn.Conv2d(4, 60, 5, groups=2), 50)):
        for values in arrays(layer):
            assert np.abs(values).max() <= 1 / math.sqrt(fan_in)
            assert values.std() == pytest.approx(1 / math.sqrt(3 * fan_in), rel=0.15)
    assert spread(nn.Embedding(200, 50).weight) == pytest.approx(1, rel=0.05)
    assert nn.PReLU().weight.item() == 0.25
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        nn.Linear(0, 3)


def test_the_seed_decides():
    layers = []
    for seed in (1, 1, 2):
        nc.manual_seed(seed)
        layers.append(nn.Linear(3, 3).weight.detach().numpy().copy())
    assert (layers[0] == layers[1]).all()
    assert (layers[0] != layers[2]).any()


def test_init_distributions():
    w = nc.empty(120, 80, requires_grad=True)
    init = nn.init
    assert init.uniform_(w, -1, 3) is w
    assert spread(w) == pytest.approx(4 / math.sqrt(12), rel=0.05)
    assert spread(init.normal_(w, 2.0, 0.5)) == pytest.approx(0.5, rel=0.05)
    assert spread(init.xavier_uniform_(w, gain=2.0)) == pytest.approx(2 * math.sqrt(2 / 200), rel=0.05)
    assert spread(init.xavier_normal_(w)) == pytest.approx(math.sqrt(2 / 200), rel=0.05)
    assert spread(init.kaiming_uniform_(w, nonlinearity="relu")) == pytest.approx(math.sqrt(2 / 80), rel=0.05)
    assert spread(init.kaiming_normal_(w, mode="fan_out", a=1)) == pytest.approx(math.sqrt(1 / 120), rel=0.05)
    values = init.trunc_normal_(w, std=2.0, a=-1.0, b=3.0).detach().numpy()
    assert values.min() >= -1
    assert values.max() <= 3
    inside = np.random.default_rng(1).standard_normal(200_000) * 2
    inside = inside[(inside >= -1) & (inside <= 3)]
    assert values.mean() == pytest.approx(inside.mean(), abs=0.05)
    assert values.std() == pytest.approx(inside.std(), rel=0.05)
    with pytest.warns(UserWarning, match="mean is more than 2 std"):
        init.trunc_normal_(w, mean=9.0)
    assert w.requires_grad
    assert w.is_leaf


def test_init_matrices():
    init = nn.init
    np.testing.assert_array_equal(init.eye_(nc.empty(2, 3)).numpy(), np.eye(2, 3))
    np.testing.assert_array_equal(init.ones_(nc.empty(2)).numpy(), [1, 1])
    np.testing.assert_array_equal(init.zeros_(nc.empty(2)).numpy(), [0, 0])
    np.testing.assert_array_equal(init.constant_(nc.empty(2), 0.3).numpy(), np.float32([0.3, 0.3]))
    for shape in [(7, 4), (4, 7), (6, 2, 3)]:
        q = init.orthogonal_(nc.empty(*shape), gain=2.0).numpy().reshape(shape[0], -1)
        small = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    zeros = (init.sparse_(nc.empty(20, 6), 0.3, std=1.0).numpy() == 0).sum(0)
    np.testing.assert_array_equal(zeros, 6)
    x = draw(1, 3, 5, 5)
    equal(F.conv2d(x, init.dirac_(nc.empty(3, 3, 3, 3)), padding=1), x)
    y = F.conv2d(x[:, :2], init.dirac_(nc.empty(4, 1, 3, 3), groups=2), padding=1, groups=2).numpy()
    np.testing.assert_array_equal(y[0, [0, 2]], x.numpy()[0, :2])
    np.testing.assert_array_equal(y[0, [1, 3]], 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.init.eye_(nc.empty(3)), "Only tensors with 2 dimensions are supported"),
        (lambda: nn.init.dirac_(nc.empty(3, 3)), "Only tensors with 3, 4, or 5 dimensions are supported"),
        (lambda: nn.init.dirac_(nc.empty(3, 3, 3), groups=2), "dim 0 must be divisible by groups"),
        (lambda: nn.init.xavier_normal_(nc.empty(3)), "Fan in and fan out can not be computed"),
        (lambda: nn.init.kaiming_normal_(nc.empty(3, 3), mode="x"), "Mode x not supported"),
        (lambda: nn.init.orthogonal_(nc.empty(3)), "Only tensors with 2 or more dimensions are supported"),
        (lambda: nn.init.sparse_(nc.empty(3), 0.5), "Only tensors with 2 dimensions are supported"),
        (lambda: nn.init.calculate_gain("x"), "Unsupported nonlinearity x"),
        (lambda: nn.init.calculate_gain("leaky_relu", True), "negative_slope True not a valid number"),
    ],
)
def test_init_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# nn.utils


def test_clipping():
    params = [nn.Parameter(nc.zeros(3)), nn.Parameter(nc.zeros(2, 2)), nn.Parameter(nc.zeros(1))]
    for p in params[:2]:
        p.grad = draw(*p.shape) * 5
    before = [p.grad.numpy().copy() for p in params[:2]]
    norm = math.sqrt(sum((g**2).sum() for g in before))
    assert nn.utils.clip_grad_norm_(params, 1.0).item() == pytest.approx(norm, rel=1e-5)
    for p, g in zip(params[:2], before, strict=True):
        equal(p.grad, g / norm)
    assert nn.utils.clip_grad_norm_(params, 10.0, norm_type=math.inf).item() <= 1
    nn.utils.clip_grad_value_(params, 0.1)
    assert max(np.abs(p.grad.numpy()).max() for p in params[:2]) == pytest.approx(0.1)
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    params[0].grad = nc.tensor([float("nan")] * 3)
    with pytest.raises(
        RuntimeError, match=r"The total norm of order 2.0 for gradients from `parameters` is non-finite"
    ):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)


def test_parameters_as_a_vector():
    layer = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    np.testing.assert_array_equal(vector.detach().numpy(), np.concatenate([a.ravel() for a in arrays(layer)]))
    new = nc.arange(8).float()
    nn.utils.vector_to_parameters(new, layer.parameters())
    np.testing.assert_array_equal(layer.bias.detach().numpy(), [6, 7])
    assert layer.weight.data_ptr() == new.data_ptr()
