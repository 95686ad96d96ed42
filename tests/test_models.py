"""The networks: shapes, parameter counts, gradients that arrive."""

import numpy as np
import pytest

import nncore as nc
from nncore import models


@pytest.mark.parametrize(
    ("make", "shape", "parameters"),
    [
        (lambda: models.MLP(784, (256, 128), 10), (1, 28, 28), 235_146),
        (lambda: models.MLP(4, (), 3), (4,), 15),
        (lambda: models.LeNet5(), (1, 28, 28), 61_706),
        (lambda: models.LeNet5(5, image_size=32), (1, 32, 32), 61_281),
        (lambda: models.SmallCNN(), (1, 28, 28), 421_642),
        (lambda: models.SmallCNN(3, 7, image_size=9, width=4, hidden=5), (3, 9, 9), 615),
    ],
)
def test_forward_and_backward(make, shape, parameters):
    nc.manual_seed(0)
    model = make()
    assert sum(p.numel() for p in model.parameters()) == parameters
    x = nc.from_numpy(np.random.default_rng(0).standard_normal((6, *shape), dtype=np.float32))
    y = model(x)
    assert y.shape == (6, [p.shape[0] for p in model.parameters()][-1])
    y.sum().backward()
    assert all(p.grad is not None and np.isfinite(p.grad.numpy()).all() for p in model.parameters())
    model.eval()
    np.testing.assert_array_equal(model(x).detach().numpy(), model(x).detach().numpy())


def test_image_sizes():
    with pytest.raises(ValueError, match="image_size should be 28 or 32, got 8"):
        models.LeNet5(image_size=8)
    with pytest.raises(ValueError, match="at least 4, got 3"):
        models.SmallCNN(image_size=3)
