"""Penalties on weights, and layers that are frozen."""

import numpy as np
import pytest

import nncore as nc
from nncore import nn
from nncore.nn.utils import clip_weights_, l1_penalty, l2_penalty
from nncore.testing import gradcheck, gradgradcheck


def arrays(seed=0):
    random = np.random.default_rng(seed)
    return [
        nc.tensor(random.uniform(0.2, 1, s) * random.choice([-1, 1], s), requires_grad=True) for s in [(3, 2), (4,)]
    ]


def test_values_and_gradients():
    w = arrays()
    flat = np.concatenate([t.detach().numpy().ravel() for t in w])
    assert l1_penalty(w, 0.3).item() == pytest.approx(0.3 * np.abs(flat).sum())
    assert l2_penalty(iter(w), 0.3).item() == pytest.approx(0.3 * (flat**2).sum())
    assert l2_penalty(w[0]).item() == pytest.approx((w[0].detach().numpy() ** 2).sum())
    for penalty in (l1_penalty, l2_penalty):
        assert gradcheck(lambda *p, f=penalty: f(p, 0.3), tuple(w))
        assert gradgradcheck(lambda *p, f=penalty: f(p, 0.3), tuple(w))


def test_l2_is_weight_decay():
    found = []
    for decay, strength in ((0.2, 0.0), (0.0, 0.1)):
        layer = nn.Linear(2, 1, bias=False)
        nn.init.constant_(layer.weight, 1.5)
        optimizer = nc.optim.SGD(layer.parameters(), lr=0.1, weight_decay=decay)
        for _ in range(3):
            optimizer.zero_grad()
            (layer(nc.ones(4, 2)).mean() + l2_penalty(layer.parameters(), strength)).backward()
            optimizer.step()
        found.append(layer.weight.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_clip_weights():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    clip_weights_(model.parameters(), 0.1)
    assert max(float(p.detach().abs().max()) for p in model.parameters()) <= np.float32(0.1)
    assert all(p.is_leaf and p.requires_grad for p in model.parameters())


def test_errors():
    with pytest.raises(ValueError, match="l1_penalty: expected at least one parameter"):
        l1_penalty([])
    with pytest.raises(ValueError, match="clip_weights_: expected a limit above 0, got 0"):
        clip_weights_(nc.ones(2), 0)


def test_frozen_layers_stay():
    """requires_grad_(False) takes a layer out of training: no gradient, no step, the same output for the same input."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    before = [p.detach().numpy().copy() for p in model.parameters()]
    optimizer = nc.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(nc.ones(5, 3)).sum().backward()
        optimizer.step()
    after = [p.detach().numpy() for p in model.parameters()]
    assert model[0].weight.grad is None
    for i, (a, b) in enumerate(zip(before, after)):
        assert np.array_equal(a, b) == (i < 2)
