"""Losses as modules, and what they say about questionable inputs. Values and gradients: tests/op_cases/loss.py."""

import warnings

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F
from nncore import nn


def pair(seed=0, shape=(4, 3)):
    random = np.random.default_rng(seed)
    return (nc.tensor(random.uniform(0.1, 0.9, shape).astype(np.float32)) for _ in range(2))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(
    ("module", "function", "settings"),
    [
        (nn.MSELoss, F.mse_loss, {}),
        (nn.L1Loss, F.l1_loss, {}),
        (nn.SmoothL1Loss, F.smooth_l1_loss, {"beta": 0.3}),
        (nn.HuberLoss, F.huber_loss, {"delta": 0.3}),
        (nn.BCELoss, F.binary_cross_entropy, {"weight": nc.tensor([1.0, 2.0, 3.0])}),
        (nn.BCEWithLogitsLoss, F.binary_cross_entropy_with_logits, {"pos_weight": nc.tensor([1.0, 2.0, 3.0])}),
        (nn.KLDivLoss, F.kl_div, {"log_target": True}),
    ],
)
def test_modules_call_the_functions(module, function, settings, reduction):
    x, t = pair()
    loss = module(reduction=reduction, **settings)
    assert repr(loss) == f"{module.__name__}()"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kl_div's, on the mean
        got, expected = loss(x, t), function(x, t, reduction=reduction, **settings)
    np.testing.assert_array_equal(got.numpy(), expected.numpy())


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_class_losses(reduction):
    random = np.random.default_rng(1)
    x = nc.tensor(random.standard_normal((5, 3)).astype(np.float32))
    t, weight = nc.tensor([0, 2, 1, -100, 2]), nc.tensor([1.0, 2.0, 3.0])
    loss = nn.CrossEntropyLoss(weight, reduction=reduction, label_smoothing=0.1)
    expected = F.cross_entropy(x, t, weight, reduction=reduction, label_smoothing=0.1)
    np.testing.assert_array_equal(loss(x, t).numpy(), expected.numpy())
    assert list(loss.state_dict()) == ["weight"]
    log_p = F.log_softmax(x, 1)
    loss, expected = nn.NLLLoss(weight, reduction=reduction), F.cross_entropy(x, t, weight, reduction=reduction)
    np.testing.assert_allclose(loss(log_p, t).numpy(), expected.numpy(), rtol=1e-5)


def test_weights_are_state():
    loss = nn.BCEWithLogitsLoss(weight=nc.ones(2), pos_weight=nc.ones(2))
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    assert loss.double().pos_weight.dtype == nc.float64


def test_warnings():
    x, t = pair()
    row = nc.tensor(t.numpy()[0])
    for function in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss):
        with pytest.warns(UserWarning, match=r"Using a target size \(nncore.Size\(\[3\]\)\) that is different"):
            assert function(x, row).shape == ()
    with pytest.warns(UserWarning, match="'mean' divides the total loss by both the batch size"):
        F.kl_div(x, t)
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="reduction='none' instead"):
        assert F.l1_loss(x, t, reduce=False).shape == (4, 3)


def test_broadcasting_beyond_the_input():
    x, t = pair()
    row = nc.tensor(x.numpy()[0])
    with pytest.warns(UserWarning, match="likely lead to incorrect results"):
        loss = F.mse_loss(row, t, reduction="none")
    np.testing.assert_allclose(loss.numpy(), (row.numpy() - t.numpy()) ** 2, rtol=1e-6)


def test_integer_targets():
    x = nc.tensor([0.5, 2.5])
    assert F.mse_loss(x, nc.tensor([1, 2])).item() == 0.25
    with pytest.raises(RuntimeError, match="mse_loss: expected floating point"):
        F.mse_loss(nc.tensor([1]), nc.tensor([2]))


def test_batchmean_divides_by_rows():
    x, t = pair()
    total = F.kl_div(x, t, reduction="sum").item()
    assert F.kl_div(x, t, reduction="batchmean").item() == pytest.approx(total / 4, rel=1e-6)


def test_binary_cross_entropy_at_the_ends():
    x = nc.tensor([0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(x, nc.tensor([1.0, 0.0]), reduction="sum")
    assert loss.item() == 200
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), [-1e12, 1e12], rtol=1e-5)


def test_kl_div_of_zero_targets():
    t = nc.tensor([0.0, 1.0], requires_grad=True)
    x = nc.tensor([-1.0, -2.0], requires_grad=True)
    loss = F.kl_div(x, t, reduction="sum")
    assert loss.item() == 2
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, -1])
    assert np.isfinite(t.grad.numpy()).all()


def test_cosine_of_a_zero_vector():
    """PyTorch's second derivative by x is NaN there, where the norm has none; 0 is taken for it, as everywhere."""
    x, y = nc.zeros(2, 3, requires_grad=True), nc.ones(2, 3, requires_grad=True)
    first = nc.autograd.grad(F.cosine_similarity(x, y).sum(), [x, y], create_graph=True)
    np.testing.assert_allclose(first[0].detach().numpy(), 1e8 / np.sqrt(3), rtol=1e-6)
    for gradient in first:
        for second in nc.autograd.grad((gradient * nc.arange(3)).sum(), [x, y], retain_graph=True):
            assert np.isfinite(second.numpy()).all()


def test_bce_with_logits_is_exact_at_large_scores():
    scores = nc.tensor([-90.0, -20.0, 20.0, 90.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(scores, nc.tensor([0.0, 0.0, 1.0, 1.0]), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), np.exp([-90.0, -20.0, -20.0, -90.0]), rtol=1e-5, atol=1e-40)
    (slope,) = nc.autograd.grad(loss.sum(), scores)
    np.testing.assert_allclose(slope.numpy()[:2], np.exp([-90.0, -20.0]), rtol=1e-5, atol=1e-40)
