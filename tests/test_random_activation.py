"""Activations that draw random numbers, and those that overwrite their input."""

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F
from nncore import nn


def test_rrelu():
    x = nc.tensor(np.linspace(-2, 2, 401).astype(np.float32), requires_grad=True)
    np.testing.assert_array_equal(F.rrelu(x, 0.1, 0.3).detach().numpy(), F.leaky_relu(x, 0.2).detach().numpy())
    nc.manual_seed(0)
    y = F.rrelu(x, 0.1, 0.3, training=True)
    slopes = (y / x).detach().numpy()[:200]
    assert slopes.min() >= 0.1
    assert slopes.max() < 0.3
    assert slopes.std() > 0.04
    np.testing.assert_array_equal(y.detach().numpy()[200:], x.detach().numpy()[200:])
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy()[:200], slopes, rtol=1e-5)
    nc.manual_seed(0)
    layer = nn.RReLU(0.1, 0.3)
    np.testing.assert_array_equal(layer(x).detach().numpy(), y.detach().numpy())
    assert repr(layer) == "RReLU(lower=0.1, upper=0.3)"
    with pytest.raises(RuntimeError, match="Lower bound should be less than or equal to the upper bound"):
        F.rrelu(x, 0.5, 0.1)


def test_gumbel_softmax():
    nc.manual_seed(1)
    z = nc.log(nc.tensor([0.2, 0.5, 0.3])).expand(20000, 3).contiguous().requires_grad_()
    hard = F.gumbel_softmax(z, tau=0.5, hard=True)
    np.testing.assert_allclose(hard.detach().numpy().sum(1), 1, rtol=1e-5)
    assert set(np.round(np.unique(hard.detach().numpy()), 5)) == {0, 1}
    np.testing.assert_allclose(hard.detach().numpy().mean(0), [0.2, 0.5, 0.3], atol=0.012)
    (hard * nc.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert np.abs(z.grad.numpy()).max() > 0.01
    soft = F.gumbel_softmax(z.detach(), tau=5.0, dim=1).numpy()
    np.testing.assert_allclose(soft.sum(1), 1, rtol=1e-5)
    assert soft.max() < 0.99
    with pytest.warns(UserWarning, match="`eps` parameter is deprecated"):
        F.gumbel_softmax(z, eps=1e-3)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("relu", ()),
        ("leaky_relu", (0.2,)),
        ("elu", (0.7,)),
        ("celu", (0.7,)),
        ("selu", ()),
        ("hardtanh", (-0.3, 0.4)),
        ("threshold", (0.1, 5.0)),
        ("rrelu", (0.1, 0.3)),
    ],
)
def test_in_place(name, args):
    values = nc.tensor(np.random.default_rng(0).standard_normal(20))
    x, leaf = values.clone(), values.clone().requires_grad_()
    expected = getattr(F, name)(leaf, *args)
    assert getattr(F, name + "_")(x, *args) is x
    np.testing.assert_array_equal(x.numpy(), expected.detach().numpy())
    other = values.clone().requires_grad_()
    getattr(F, name + "_")(other * 1.0, *args).sum().backward()
    expected.sum().backward()
    np.testing.assert_array_equal(other.grad.numpy(), leaf.grad.numpy())


def test_logistic_with_tensors():
    """Limits, steepness and middle can be learned: they get gradients, and those have gradients."""
    x = nc.tensor(np.linspace(-3, 3, 7))
    parameters = [nc.tensor(v, dtype=nc.float64, requires_grad=True) for v in (2.0, 1.5, 0.3)]
    np.testing.assert_allclose(
        F.logistic(x, *parameters).detach().numpy(), F.logistic(x, 2.0, 1.5, 0.3).numpy(), rtol=1e-14
    )
    assert nc.testing.gradgradcheck(lambda *p: F.logistic(x, *p), tuple(parameters))
    assert repr(nn.Logistic(2.0, 0.5, 1.0)) == "Logistic(A=2.0, a=0.5, x0=1.0)"
    assert repr(nn.SlopeSigmoid(3.0)) == "SlopeSigmoid(a=3.0)"
    np.testing.assert_array_equal(nn.Logistic(2.0, 0.5, 1.0)(x).numpy(), F.logistic(x, 2.0, 0.5, 1.0).numpy())
    np.testing.assert_array_equal(nn.SlopeSigmoid(3.0)(x).numpy(), F.slope_sigmoid(x, 3.0).numpy())
