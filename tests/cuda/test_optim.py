"""Optimizers on CUDA beside the same on the CPU, and their state on the way from one device to the other."""

import numpy as np
import pytest

import nncore as nc

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

# Every algorithm, with and without each of its states.
SETTINGS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.5}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.8, "centered": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3}),
    ("Adamax", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.7)}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 2}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.14)}),
    ("MovingAverageSGD", {"lr": 0.1, "momentum": 0.5}),
    ("RootEpsRMSprop", {"lr": 0.01}),
]
by_setting = pytest.mark.parametrize(
    ("name", "settings"), SETTINGS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SETTINGS)]
)

# Scalars, empty, shorter than a vector, odd tails, whole blocks, more than one block.
SHAPES = [(), (0,), (3,), (17, 5), (1000, 7), (64, 64), (0, 4)]


def parameters(device, dtypes=("float32", "float64"), shapes=SHAPES):
    random = np.random.default_rng(0)
    values = [random.standard_normal(s).astype(t) for t in dtypes for s in shapes]
    return [nc.nn.Parameter(nc.tensor(v, device=device)) for v in values]


def take_steps(optimizer, params, steps=3, seed=1):
    random = np.random.default_rng(seed)
    for _ in range(steps):
        for param in params:
            gradient = random.standard_normal(tuple(param.shape))
            param.grad = nc.tensor(gradient, dtype=param.dtype, device=param.device)
        optimizer.step()


def expect_close(got, expected):
    for g, e in zip(got, expected, strict=True):
        assert (g.dtype, g.shape) == (e.dtype, e.shape)
        rtol, atol = (4e-6, 4e-6) if e.dtype == nc.float32 else (1e-12, 1e-14)
        np.testing.assert_allclose(g.detach().cpu().numpy(), e.detach().cpu().numpy(), rtol=rtol, atol=atol)


def all_states(optimizer):
    return [value for state in optimizer.state.values() for value in state.values()]


@by_setting
def test_as_on_the_cpu(name, settings):
    both = []
    for device in ("cpu", "cuda"):
        params = parameters(device)
        optimizer = getattr(nc.optim, name)(params, **settings)
        take_steps(optimizer, params)
        both.append((params, all_states(optimizer)))
    for expected, got in zip(*both, strict=True):
        expect_close(got, expected)
    assert all(value.device.type == "cuda" for value in both[1][1])


def test_many_tensors_and_groups():
    """More tensors than one look at the table tells apart; a rate and decay for each group."""
    both = []
    for device in ("cpu", "cuda"):
        params = parameters(device, ["float32"], [(i % 7, i % 3 + 1) for i in range(1100)] + [(1024,), (1025,)])
        groups = [{"params": params[i::3], "lr": 0.1 * (i + 1), "weight_decay": 0.1 * i} for i in range(3)]
        optimizer = nc.optim.SGD(groups, momentum=0.9)
        take_steps(optimizer, params, steps=2)
        both.append(params)
    expect_close(*reversed(both))


def test_strided_and_unaligned_parameters():
    values = np.random.default_rng(0).standard_normal((2, 9, 130)).astype(np.float32)
    both = []
    for device in ("cpu", "cuda"):
        whole, gradients = (nc.tensor(v, device=device) for v in values)
        params = [whole[0, 1:], whole[1:3].t(), whole[3:5, 1::2], whole[5:]]
        for param, gradient in zip(params, [gradients[0, 1:], gradients[1:3].t(), gradients[3:5, ::2], gradients[5:]]):
            param.requires_grad_()
            param.grad = gradient
        nc.optim.Adam(params, lr=0.1).step()
        both.append([whole])
    expect_close(*reversed(both))


def test_rates_may_change_between_steps():
    both = []
    for device in ("cpu", "cuda"):
        params = parameters(device, ["float32"])
        optimizer = nc.optim.Adam(params, lr=0.1)
        schedule = nc.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        for seed in range(3):
            take_steps(optimizer, params, steps=1, seed=seed)
            schedule.step()
        both.append(params)
    expect_close(*reversed(both))


@by_setting
@pytest.mark.parametrize(("start", "end"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_state_moves_between_devices(name, settings, start, end):
    """Training goes on elsewhere as it would have gone on here."""
    params = parameters(start, ["float32"], [(3,), (17, 5)])
    optimizer = getattr(nc.optim, name)(params, **settings)
    take_steps(optimizer, params, steps=2)
    moved = [nc.nn.Parameter(p.detach().to(end, copy=True)) for p in params]
    other = getattr(nc.optim, name)(moved, **settings)
    other.load_state_dict(optimizer.state_dict())
    take_steps(optimizer, params, steps=2, seed=2)
    take_steps(other, moved, steps=2, seed=2)
    expect_close(moved, params)
    expect_close(all_states(other), all_states(optimizer))
    assert all(value.device.type == end for value in all_states(other))


def test_parameters_that_moved():
    """SGD without momentum has no state: it follows its parameters."""
    layer = nc.nn.Linear(3, 2)
    optimizer = nc.optim.SGD(layer.parameters(), lr=0.5)
    for device in ("cpu", "cuda", "cpu"):
        layer.to(device)
        before = layer.weight.detach().cpu().numpy().copy()
        take_steps(optimizer, [layer.weight], steps=1)
        np.testing.assert_allclose(
            layer.weight.detach().cpu().numpy(), before - 0.5 * layer.weight.grad.cpu().numpy(), rtol=1e-6
        )


def test_a_state_must_be_where_its_parameter_is():
    parameter = nc.nn.Parameter(nc.ones(3, device="cuda"))
    parameter.grad = nc.ones(3, device="cuda")
    optimizer = nc.optim.Adam([parameter])
    optimizer.state[parameter] = {
        name: nc.zeros(shape, device=device)
        for name, shape, device in (("step", (), "cuda"), ("exp_avg", (3,), "cpu"), ("exp_avg_sq", (3,), "cuda"))
    }
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        optimizer.step()
    np.testing.assert_array_equal(parameter.detach().cpu().numpy(), [1, 1, 1])


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad(set_to_none):
    parameter = nc.nn.Parameter(nc.ones(3, device="cuda"))
    parameter.grad = nc.ones(3, device="cuda")
    nc.optim.SGD([parameter]).zero_grad(set_to_none)
    assert (parameter.grad is None) if set_to_none else (parameter.grad.tolist() == [0, 0, 0])


@pytest.mark.parametrize("name", ["SGD", "Adam", "ASGD"])
def test_parameters_on_two_devices(name):
    """Two groups, each on both devices, and a rate that changes: as all on the CPU."""

    def run(devices):
        params = [nc.nn.Parameter(nc.arange(1.0, 4.0 + i, device=device)) for i, device in enumerate(devices * 2)]
        groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.3}]
        optimizer, norms = getattr(nc.optim, name)(groups, lr=0.1), []
        for step in range(4):
            optimizer.zero_grad()
            for param in (params[:1], params[1:2], params, params)[step]:  # one device, the other, both
                (param * param).sum().backward()
            norms.append(nc.nn.utils.clip_grad_norm_(params, 8.0).item())
            optimizer.step()
            optimizer.param_groups[0]["lr"] *= 0.5
        assert [p.device.type for p in params] == devices * 2
        return [*(p.detach().cpu().numpy() for p in params), np.array(norms)]

    for mixed, plain in zip(run(["cpu", "cuda"]), run(["cpu", "cpu"]), strict=True):
        np.testing.assert_allclose(mixed, plain, rtol=1e-6)


def test_nothing_is_stepped_where_one_device_has_a_bad_gradient():
    here, there = nc.nn.Parameter(nc.ones(2)), nc.nn.Parameter(nc.ones(2, device="cuda"))
    optimizer = nc.optim.Adam([here, there])
    here.grad = nc.ones(2)
    there.grad = nc.ones(2, device="cuda")
    optimizer.step()
    kept = [here.detach().clone(), there.detach().clone()]
    optimizer.state[there]["exp_avg"] = nc.ones(3, device="cuda")
    with pytest.raises(RuntimeError, match="adam: the state expects shape"):
        optimizer.step()
    for param, value in zip((here, there), kept, strict=True):
        assert param.tolist() == value.tolist()
