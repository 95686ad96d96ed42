"""Averages of weights: what they are, and that they help where steps are noisy. Beside PyTorch: tests/peer."""

import numpy as np
import pytest

import nncore as nc
from nncore import nn
from nncore.optim import swa_utils


def test_mean_of_all_and_moving_average():
    model = nn.Linear(2, 1)
    averages = [
        swa_utils.AveragedModel(model),
        swa_utils.AveragedModel(model, avg_fn=lambda a, p, n: 0.5 * a + 0.5 * p),
        swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5)),
    ]
    seen = []
    for value in (4.0, 8.0, 0.0):
        nn.init.constant_(model.weight, value)
        seen.append(value)
        for average in averages:
            average.update_parameters(model)
    np.testing.assert_allclose(averages[0].module.weight.detach().numpy(), np.mean(seen))
    np.testing.assert_allclose(averages[1].module.weight.detach().numpy(), 3.0)
    np.testing.assert_allclose(averages[2].module.weight.detach().numpy(), 3.0)
    assert averages[0].n_averaged.item() == 3
    assert list(averages[0].state_dict()) == ["n_averaged", "module.weight", "module.bias"]
    x = nc.ones(1, 2)
    np.testing.assert_array_equal(averages[0](x).detach().numpy(), averages[0].module(x).detach().numpy())
    other = swa_utils.AveragedModel(model)
    other.load_state_dict(averages[0].state_dict())
    assert other.n_averaged.item() == 3


def test_the_average_is_nearer_to_the_minimum():
    """Noisy gradients of a bowl: the path circles around its lowest point, its mean lies close to it."""
    random = np.random.default_rng(0)
    model = nn.Linear(20, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    average = swa_utils.AveragedModel(model)
    optimizer = nc.optim.SGD(model.parameters(), lr=0.5)
    for step in range(300):
        noise = random.standard_normal((1, 20)).astype(np.float32)
        model.weight.grad = (model.weight.detach() - 1 + nc.tensor(noise)).detach()
        optimizer.step()
        if step >= 50:
            average.update_parameters(model)
    far = [float((w - 1).norm()) for w in (model.weight.detach(), average.module.weight.detach())]
    assert far[1] < far[0] / 4


def test_averaging_leaves_no_trace_on_the_tape():
    model = nn.Linear(2, 2)
    average = swa_utils.AveragedModel(model)
    average.update_parameters(model)
    average.update_parameters(model)
    assert all(p.is_leaf and p.requires_grad for p in average.parameters())


def test_errors():
    model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"Invalid decay value 1\.5 provided"):
        swa_utils.get_ema_avg_fn(1.5)
    with pytest.raises(ValueError, match="Invalid decay value -1 provided"):
        swa_utils.get_ema_multi_avg_fn(-1)
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        swa_utils.AveragedModel(model, avg_fn=print, multi_avg_fn=print)


@pytest.mark.skipif(not hasattr(nn, "BatchNorm1d"), reason="needs batch norm")
def test_update_bn():
    """The statistics of the whole data, each batch alike, whatever the momentum and the mode were."""
    random = np.random.default_rng(1)
    batches = [nc.tensor(random.standard_normal((8, 3)).astype(np.float32) + 2) for _ in range(4)]
    model = nn.Sequential(nn.BatchNorm1d(3, momentum=0.3), nn.Linear(3, 1)).eval()
    swa_utils.update_bn([(x, None) for x in batches], model)
    mean = np.mean([x.numpy().mean(0) for x in batches], 0)
    np.testing.assert_allclose(model[0].running_mean.numpy(), mean, rtol=1e-5)
    assert model[0].momentum == 0.3
    assert not model.training
    swa_utils.update_bn([], nn.Linear(1, 1))
