"""What batch and instance norm do beside their result: running statistics, modes, states."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nc
from nncore.nn import functional as F
from nncore.testing import gradcheck, gradgradcheck


def normal(*shape, seed=0, dtype=nc.float64):
    return nc.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype)


def test_running_statistics_move_in_place_and_off_the_tape():
    mean, var = nc.zeros(3), nc.ones(3)
    x = normal(8, 3, dtype=nc.float32).requires_grad_()
    before = mean._array.version, var._array.version
    y = F.batch_norm(x, mean, var, training=True, momentum=0.25)
    assert y.requires_grad
    assert not mean.requires_grad
    assert mean._array.version == before[0] + 1
    assert var._array.version == before[1] + 1
    np.testing.assert_allclose(mean.numpy(), 0.25 * x.detach().numpy().mean(0), rtol=1e-6)
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * x.detach().numpy().var(0, ddof=1), rtol=1e-6)
    with nc.no_grad():
        F.batch_norm(x, mean, var, training=True)
    y.sum().backward()  # what backward needs is not the running statistics


def test_a_step_of_the_running_statistics_is_noticed_where_they_were_saved():
    mean, var, factor = nc.zeros(3), nc.ones(3), nc.ones(3, requires_grad=True)
    product = (factor * mean).sum()
    F.batch_norm(normal(4, 3, dtype=nc.float32), mean, var, training=True)
    with pytest.raises(RuntimeError, match=r"in place|inplace"):
        product.backward()


def test_evaluation_keeps_the_statistics_that_it_used():
    layer = nc.nn.BatchNorm1d(3).double()
    x = normal(5, 3).requires_grad_()
    layer(normal(6, 3, seed=1))
    layer.eval()
    expected = nc.autograd.grad(layer(x).sum(), x)[0]
    y = layer(x)
    layer.train()
    layer(normal(6, 3, seed=2))
    np.testing.assert_array_equal(nc.autograd.grad(y.sum(), x)[0].numpy(), expected.numpy())


def test_cumulative_average():
    layer = nc.nn.BatchNorm1d(2, momentum=None, dtype=nc.float64)
    batches = [normal(5, 2, 3, seed=s) for s in range(4)]
    for i, x in enumerate(batches):
        layer(x)
        assert layer.num_batches_tracked.item() == i + 1
    assert layer.num_batches_tracked.dtype is nc.int64
    arrays = [x.numpy() for x in batches]
    np.testing.assert_allclose(layer.running_mean.numpy(), np.mean([a.mean((0, 2)) for a in arrays], 0), rtol=1e-12)
    expected = np.mean([a.var((0, 2), ddof=1) for a in arrays], 0)
    np.testing.assert_allclose(layer.running_var.numpy(), expected, rtol=1e-12)
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0, 0]
    assert layer.running_var.tolist() == [1, 1]
    assert layer.num_batches_tracked.item() == 0


def test_an_empty_batch_leaves_the_running_statistics():
    for function in (lambda x, m, v: F.batch_norm(x, m, v, training=True), F.instance_norm):
        mean, var = nc.zeros(3), nc.ones(3)
        assert function(nc.zeros(0, 3, 4), mean, var).shape == (0, 3, 4)
        assert mean.tolist() == [0, 0, 0]
        assert var.tolist() == [1, 1, 1]


def test_errors_leave_the_running_statistics():
    mean, var = nc.zeros(3), nc.ones(3)
    with pytest.raises(RuntimeError, match="weight should contain 3 elements not 2"):
        F.batch_norm(nc.ones(4, 3), mean, var, nc.ones(2), training=True)
    assert mean.tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="not differentiable with respect to running_mean"):
        F.batch_norm(nc.ones(4, 3), mean.requires_grad_(), var, training=True)


@pytest.mark.parametrize(
    ("layer", "shape", "match"),
    [
        (nc.nn.BatchNorm1d(3), (2, 3, 4, 4), r"expected 2D or 3D input \(got 4D input\)"),
        (nc.nn.BatchNorm2d(3), (2, 3, 4), r"expected 4D input \(got 3D input\)"),
        (nc.nn.BatchNorm3d(3), (2, 3, 4, 4), r"expected 5D input \(got 4D input\)"),
        (nc.nn.InstanceNorm2d(3), (2, 3), r"expected 3D or 4D input \(got 2D input\)"),
        (nc.nn.InstanceNorm1d(3, affine=True), (4, 5), r"size at dim=0 to match num_features \(3\), but got: 4"),
        (nc.nn.BatchNorm1d(3), (1, 3), "Expected more than 1 value per channel when training"),
    ],
)
def test_inputs_that_do_not_fit(layer, shape, match):
    with pytest.raises(ValueError, match=match):
        layer(nc.ones(*shape))


def test_instance_norm_of_other_channels_warns():
    with pytest.warns(UserWarning, match="input's size at dim=1 does not match num_features"):
        nc.nn.InstanceNorm1d(3)(nc.ones(2, 4, 5))


def test_group_norm_needs_whole_groups():
    with pytest.raises(ValueError, match=r"num_channels \(4\) must be divisible by num_groups \(3\)"):
        nc.nn.GroupNorm(3, 4)


def test_states_of_old_files():
    old = {"weight": nc.ones(2), "bias": nc.zeros(2), "running_mean": nc.ones(2), "running_var": nc.ones(2)}
    layer = nc.nn.BatchNorm1d(2)
    assert str(layer.load_state_dict(old)) == "<All keys matched successfully>"
    assert layer.running_mean.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="Unexpected running stats buffer"):
        nc.nn.InstanceNorm1d(2, affine=True).load_state_dict(old)


def test_groups_of_equal_elements_are_0():
    equal = nc.full((4, 2, 50), 7.1)
    results = [F.layer_norm(normal(5, 1), (1,)), F.group_norm(normal(5, 3), 3), F.layer_norm(equal, (50,))]
    results += [F.batch_norm(equal, None, None, training=True), F.batch_norm(equal[:, :, 0], None, None, training=True)]
    for y in results:
        assert not y.numpy().any()


MODES = {
    "batch": lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
    "evaluation": lambda x, w, b: F.batch_norm(x, normal(3, seed=4), normal(3, seed=5).square(), w, b),
    "instance": lambda x, w, b: F.instance_norm(x, None, None, w, b),
    "group": lambda x, w, b: F.group_norm(x, 1, w, b),
    "layer": lambda x, w, b: F.layer_norm(x, (3, 4), w[:, None].expand(3, 4), b[:, None].expand(3, 4)),
    "rms": lambda x, w, b: F.rms_norm(x, (3, 4), w[:, None].expand(3, 4)) + b[:, None],
    "neighbours": lambda x, w, b: F.local_response_norm(x * w[:, None], 2, 0.5) + b[:, None],
}


@pytest.mark.parametrize("mode", MODES)
def test_third_derivatives(mode):
    """The rule of the backward step has derivatives too."""
    inputs = [t.requires_grad_() for t in (normal(2, 3, 4), normal(3, seed=1), normal(3, seed=2))]
    weights = normal(2, 3, 4, seed=3)

    def gradient(*inputs):
        y = (MODES[mode](*inputs) * weights).sum()
        return nc.autograd.grad(y, inputs, create_graph=True)

    assert gradcheck(gradient, inputs, fast_mode=True)
    assert gradgradcheck(gradient, inputs, fast_mode=True)


def test_only_what_is_asked_for():
    """Gradients of some of the inputs alone, as for the first layer of a network or frozen weights."""
    x, w, b = normal(4, 3, 17), normal(3, seed=1), normal(3, seed=2)
    for function in (MODES["batch"], MODES["instance"], lambda x, w, b: F.group_norm(x, 1, w, b)):
        whole = nc.autograd.grad(function(*[t.requires_grad_() for t in (x, w, b)]).square().sum(), (x, w, b))
        for chosen in ((0,), (1,), (2,), (0, 2), (1, 2)):
            inputs = [t.detach().requires_grad_(i in chosen) for i, t in enumerate((x, w, b))]
            wanted = [inputs[i] for i in chosen]
            found = nc.autograd.grad(function(*inputs).square().sum(), wanted)
            for i, g in zip(chosen, found):
                np.testing.assert_array_equal(g.numpy(), whole[i].numpy())
