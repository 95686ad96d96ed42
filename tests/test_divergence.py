"""What the Wasserstein losses are for: bounds, slopes, and the penalty. Values: tests/op_cases/divergence.py."""

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F
from nncore import nn
from nncore.testing import gradcheck, gradgradcheck


def normal(*shape, seed=0):
    return nc.tensor(np.random.default_rng(seed).standard_normal(shape))


def test_shift_costs_its_length():
    x = normal(1000)
    for shift in (-3.0, 0.0, 0.25):
        for p in (1.0, 2.0):
            assert F.wasserstein_distance(x, x + shift, p=p).item() == pytest.approx(abs(shift), abs=1e-12)


def test_copies_of_samples_are_weights():
    x, y = normal(3), normal(4, seed=1)
    copies = nc.tensor(np.repeat(x.numpy(), [1, 3, 2]))
    for p in (1.0, 2.0):
        weighted = F.wasserstein_distance(x, y, nc.tensor([1.0, 3.0, 2.0]).double(), p=p)
        assert weighted.item() == pytest.approx(F.wasserstein_distance(copies, y, p=p).item(), rel=1e-12)


def test_slope_by_weights():
    x, y, w = normal(4), normal(6, seed=1), (normal(4, seed=2).abs() + 0.2).detach()
    for p in (1.0, 2.0):
        assert gradcheck(lambda w, p=p: F.wasserstein_distance(x, y, w, p=p), (w.requires_grad_(),))


def test_slopes_where_supports_are_apart():
    """KL is infinite, JS flat, Wasserstein's slope points home."""
    x = nc.tensor([10.0, 11.0], requires_grad=True)
    F.wasserstein_distance(x, nc.tensor([0.0, 1.0])).backward()
    np.testing.assert_allclose(x.grad.numpy(), [0.5, 0.5])
    z = nc.tensor([200.0, 0.0], requires_grad=True)
    loss = F.js_div(z, nc.tensor([0.0, 200.0]), logits=True)
    assert loss.item() == pytest.approx(np.log(2), rel=1e-6)
    loss.backward()
    np.testing.assert_allclose(z.grad.numpy(), 0, atol=1e-6)


def test_js_is_symmetric_and_bounded():
    p, q = (nc.softmax(normal(5, 7, seed=s) * 30, 1) for s in (0, 1))
    forth, back = (F.js_div(*pair, reduction="none").numpy() for pair in ((p, q), (q, p)))
    np.testing.assert_allclose(forth, back, rtol=1e-12)
    assert (forth > 0).all()
    assert (forth <= np.log(2)).all()


def test_gradient_penalty_of_a_linear_critic():
    w = nc.tensor([3.0, 4.0], requires_grad=True)
    real, fake = normal(8, 2).float(), normal(8, 2, seed=1).float()
    penalty = F.gradient_penalty(lambda x: x @ w, real, fake)
    assert penalty.item() == pytest.approx(10 * (5 - 1) ** 2)
    penalty.backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * 10 * (5 - 1) * np.array([3, 4]) / 5, rtol=1e-6)
    assert F.gradient_penalty(lambda x: x @ w, real, fake, weight=1.0).item() == pytest.approx(16)


def test_gradient_penalty_is_at_points_between():
    """The critic x^2 has slope 2 |x|: with real and fake at 1 the penalty is at 1 for any draw; the seed decides."""
    seen = []

    def critic(x):
        seen.append(x.detach().numpy().copy())
        return (x * x).sum((1, 2))

    real, fake = nc.ones(50, 1, 1), nc.zeros(50, 1, 1)
    for seed in (1, 1, 2):
        F.gradient_penalty(critic, real, fake, generator=nc.Generator().manual_seed(seed))
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()
    assert seen[0].min() >= 0
    assert seen[0].max() <= 1
    assert seen[0].std() > 0.2


def test_gradient_penalty_by_parameters():
    real, fake = normal(5, 3), normal(5, 3, seed=1)
    parameters = tuple(normal(*shape, seed=s).requires_grad_() for s, shape in enumerate([(4, 3), (4,), (1, 4)]))

    def penalty(w1, b1, w2):
        def critic(x):
            return F.linear(F.linear(x, w1, b1).tanh(), w2)

        return F.gradient_penalty(critic, real, fake, generator=nc.Generator().manual_seed(3))

    assert gradcheck(penalty, parameters)
    assert gradgradcheck(penalty, parameters)


def test_gradient_penalty_of_misfits():
    with pytest.raises(RuntimeError, match=r"samples \[N, ...\] of one shape, got \[2\] and \[3\]"):
        F.gradient_penalty(lambda x: x, nc.ones(2), nc.ones(3))


def test_modules():
    x, y = normal(4, 3).softmax(1), normal(4, 3, seed=1).softmax(1)
    cases = [
        (nn.JSDivLoss(reduction="sum"), F.js_div(x, y, reduction="sum")),
        (nn.JSDivLoss(logits=True, dim=0), F.js_div(x, y, logits=True, dim=0)),
        (nn.WassersteinDistance(p=2.0), F.wasserstein_distance(x, y, p=2.0)),
        (nn.WassersteinCriticLoss(), F.wasserstein_critic_loss(x, y)),
    ]
    for module, expected in cases:
        np.testing.assert_array_equal(module(x, y).numpy(), expected.numpy())
    assert nn.WassersteinGeneratorLoss()(x).item() == -x.mean().item()
    assert repr(nn.WassersteinDistance()) == "WassersteinDistance(p=1.0)"
