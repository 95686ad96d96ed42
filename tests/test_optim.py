"""Optimizers against their NumPy twins, and the manners of param_groups, state and state_dict."""

import copy
import pickle

import numpy as np
import pytest

import nncore as nc
from nncore.reference import optim as reference

# Shapes that meet every part of the kernel: scalars, empty, shorter than a vector, odd tails, more than one block.
SHAPES = [(), (0,), (3,), (17, 5), (1000, 7), (64, 64)]

SETTINGS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "maximize": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.8, "alpha": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.8, "centered": True, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}),
    ("Adadelta", {"lr": 1.0}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.7), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("ASGD", {"lr": 0.01}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 2, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {"lr": 0.01}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.14), "maximize": True}),
    ("MovingAverageSGD", {"lr": 0.1}),
    ("MovingAverageSGD", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("RootEpsRMSprop", {"lr": 0.01}),
    ("RootEpsRMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 0.1, "weight_decay": 0.1}),
]
by_setting = pytest.mark.parametrize(
    ("name", "settings"), SETTINGS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(SETTINGS)]
)


@pytest.fixture
def threads():
    """Sets the number of threads; the old one comes back at the end."""
    before = nc.get_num_threads()
    yield nc.set_num_threads
    nc.set_num_threads(before)


def parameters(dtype="float32", shapes=SHAPES, seed=0):
    random = np.random.default_rng(seed)
    return [nc.nn.Parameter(nc.tensor(random.standard_normal(s).astype(dtype))) for s in shapes]


def set_gradients(params, random):
    """New random gradients for all parameters; returns them as arrays."""
    gradients = [random.standard_normal(tuple(p.shape)).astype(p.detach().numpy().dtype) for p in params]
    for param, gradient in zip(params, gradients, strict=True):
        param.grad = nc.tensor(gradient)
    return gradients


def values(params):
    return [p.detach().numpy().copy() for p in params]


@by_setting
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_five_steps_like_the_reference(name, settings, dtype, isa):
    params = parameters(dtype)
    optimizer = getattr(nc.optim, name)(params, **settings)
    step = getattr(reference, name.lower())
    expected = [(p.astype(np.float64), {}) for p in values(params)]
    random = np.random.default_rng(1)
    for t in range(1, 6):
        gradients = [g.astype(np.float64) for g in set_gradients(params, random)]
        optimizer.step()
        expected = [step(p, g, s, t, **settings) for (p, s), g in zip(expected, gradients, strict=True)]
    # Five roundings for each of five steps, in the size of the values, which stay below 10.
    tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]
    for param, (p, state) in zip(params, expected, strict=True):
        assert len(optimizer.state[param]) == len(state) + ("step" in optimizer.state[param])
        np.testing.assert_allclose(param.detach().numpy(), p, rtol=tolerance, atol=tolerance)
        for key, value in state.items():
            np.testing.assert_allclose(optimizer.state[param][key].numpy(), value, rtol=tolerance, atol=tolerance)
        if "step" in optimizer.state[param]:
            assert optimizer.state[param]["step"].item() == 5


@by_setting
def test_same_bits_for_any_number_of_threads(name, settings, threads):
    found = []
    for count in (1, 2, 3):
        threads(count)
        params = parameters(shapes=[(100_003,), (5,), (30_000,)])
        optimizer = getattr(nc.optim, name)(params, **settings)
        random = np.random.default_rng(2)
        for _ in range(2):
            set_gradients(params, random)
            optimizer.step()
        found.append(b"".join(v.tobytes() for v in values(params)))
    assert found[0] == found[1] == found[2]


def test_any_strides():
    plain = parameters(shapes=[(6, 4), (6, 4)])
    strided = [nc.nn.Parameter(nc.tensor(v).transpose(0, 1).contiguous().transpose(0, 1)) for v in values(plain)]
    assert not strided[0].is_contiguous()
    optimizers = [nc.optim.Adam(params, lr=0.1) for params in (plain, strided)]
    random = np.random.default_rng(3)
    for _ in range(3):
        for p, s, g in zip(plain, strided, set_gradients(plain, random), strict=True):
            s.grad = nc.tensor(g.T.copy()).transpose(0, 1) if p is plain[0] else nc.tensor(g)
        for optimizer in optimizers:
            optimizer.step()
    assert not strided[0].is_contiguous()
    for p, s in zip(values(plain), values(strided), strict=True):
        np.testing.assert_array_equal(p, s)


def test_mixed_dtypes_and_groups_in_one_step():
    a, b = parameters("float32", [(5,)]), parameters("float64", [(5,)])
    before = values(a + b)
    optimizer = nc.optim.SGD([{"params": a, "lr": 1.0}, {"params": b}], lr=0.5, momentum=0.0)
    gradients = set_gradients(a + b, np.random.default_rng(4))
    optimizer.step()
    for rate, param, old, gradient in zip((1.0, 0.5), a + b, before, gradients, strict=True):
        np.testing.assert_allclose(param.detach().numpy(), old - rate * gradient, rtol=1e-6)


def test_parameters_without_gradient_stay():
    params = parameters(shapes=[(4,), (4,)])
    before = values(params)
    optimizer = nc.optim.Adam(params)
    params[0].grad = nc.ones(4)
    optimizer.step()
    np.testing.assert_array_equal(params[1].detach().numpy(), before[1])
    assert list(optimizer.state) == [params[0]]
    optimizer.zero_grad()
    assert params[0].grad is None
    optimizer.step()  # nothing to do
    params[0].grad = nc.ones(4)
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(params[0].grad.numpy(), np.zeros(4))


def test_settings_may_change_between_steps():
    (param,) = parameters(shapes=[(4,)])
    optimizer = nc.optim.SGD([param], lr=0.5)
    param.grad = nc.ones(4)
    start = values([param])[0]
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    np.testing.assert_allclose(param.detach().numpy(), start - 0.75, rtol=1e-6)
    optimizer.add_param_group({"params": parameters(shapes=[(2,)]), "lr": 1.0})
    optimizer.param_groups[1]["params"][0].grad = nc.ones(2)
    second = values(optimizer.param_groups[1]["params"])[0]
    optimizer.step()
    np.testing.assert_allclose(optimizer.param_groups[1]["params"][0].detach().numpy(), second - 1.0, rtol=1e-6)


def test_a_step_counts_as_a_change():
    (param,) = parameters(shapes=[(4,)])
    before = param._version
    param.grad = nc.ones(4)
    nc.optim.SGD([param]).step()
    assert param._version > before


def test_closure_runs_with_gradients_on():
    (param,) = parameters(shapes=[(4,)])
    optimizer = nc.optim.SGD([param])
    seen = []

    def closure():
        seen.append(nc.is_grad_enabled())
        param.grad = nc.ones(4)
        return 7.0

    with nc.no_grad():
        assert optimizer.step(closure) == 7.0
    assert seen == [True]


def test_nan_and_infinity_pass_through():
    param = nc.nn.Parameter(nc.zeros(3))
    param.grad = nc.tensor([float("nan"), float("inf"), 1.0])
    nc.optim.Adam([param], amsgrad=True).step()
    np.testing.assert_array_equal(np.isnan(param.detach().numpy()), [True, True, False])


@by_setting
def test_state_dict_continues_where_it_was(name, settings):
    first, random = parameters(), np.random.default_rng(5)
    optimizer = getattr(nc.optim, name)(first, **settings)
    for _ in range(2):
        set_gradients(first, random)
        optimizer.step()
    second = [nc.nn.Parameter(nc.tensor(v)) for v in values(first)]
    other = getattr(nc.optim, name)(second, lr=123.0)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == settings["lr"]
    for a, b in zip(first, second, strict=True):
        gradient = random.standard_normal(tuple(a.shape)).astype(np.float32)
        a.grad, b.grad = nc.tensor(gradient), nc.tensor(gradient)
    optimizer.step()
    other.step()
    for a, b in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_state_dict_layout():
    params = parameters(shapes=[(2,), (3,)])
    optimizer = nc.optim.AdamW([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    set_gradients(params, np.random.default_rng(6))
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert state["param_groups"][1]["lr"] == 0.5
    assert list(state["state"]) == [0, 1]
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["state"][0]["step"].shape == ()


def test_copies_and_pickles():
    params = parameters(shapes=[(4,)])
    optimizer = nc.optim.SGD(params, lr=0.1, momentum=0.9)
    set_gradients(params, np.random.default_rng(7))
    optimizer.step()
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (param,) = other.param_groups[0]["params"]
        assert param is not params[0]
        param.grad = nc.zeros(4)
        other.step()
        assert set(other.state) == {param}


def test_hooks():
    params, calls = parameters(shapes=[(2,)]), []
    optimizer = nc.optim.SGD(params)
    before = optimizer.register_step_pre_hook(lambda *args: calls.append("pre"))
    optimizer.register_step_post_hook(lambda *args: calls.append("post"))
    optimizer.step()
    before.remove()
    optimizer.step()
    assert calls == ["pre", "post", "post"]


def test_repr():
    optimizer = nc.optim.SGD(parameters(shapes=[(2,)]), lr=0.1)
    assert repr(optimizer).startswith("SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n")


def _sgd(*args, **kwargs):
    return nc.optim.SGD(*args, **kwargs)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: _sgd(p), TypeError, "should be an iterable of Tensors or dicts, but got Parameter"),
        (lambda p: _sgd([]), ValueError, "optimizer got an empty parameter list"),
        (lambda p: _sgd([3]), TypeError, "can only optimize Tensors, but one of the params is int"),
        (lambda p: _sgd([{"params": [p]}, {"params": [p]}]), ValueError, "appear in more than one parameter group"),
        (lambda p: _sgd([{"params": {p}}]), TypeError, "need to be organized in ordered collections"),
        (lambda p: _sgd([p]).add_param_group(3), TypeError, "param_group must be a dict, but got <class 'int'>"),
        (lambda p: _sgd([("a", p), nc.ones(2)]), ValueError, "all optimizer params should be with/without names"),
        (lambda p: _sgd([("a", p)]).add_param_group({"params": [nc.ones(2)]}), ValueError, "param group without names"),
        (lambda p: _sgd([p]).add_param_group({"params": [("b", nc.ones(2))]}), ValueError, "param group with names"),
        (lambda p: _sgd([p], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda p: _sgd([p], lr=nc.ones(2)), ValueError, "Tensor lr must be 1-element"),
        (lambda p: nc.optim.Adam([p], betas=(nc.tensor(0.9), 0.99)), ValueError, "either both floats or both Tensors"),
        (lambda p: _sgd([p], momentum=-1), ValueError, "Invalid momentum value: -1"),
        (lambda p: _sgd([p], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
        (lambda p: _sgd([p], nesterov=True), ValueError, "Nesterov momentum requires a momentum and zero dampening"),
        (lambda p: _sgd([p], differentiable=True), ValueError, "differentiable=True is not supported"),
        (lambda p: nc.optim.Adam([p], betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
        (lambda p: nc.optim.Adam([p], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda p: nc.optim.RMSprop([p], alpha=-1), ValueError, "Invalid alpha value: -1"),
        (lambda p: nc.optim.Adadelta([p], rho=1.5), ValueError, "Invalid rho value: 1.5"),
        (lambda p: nc.optim.Adamax([p], betas=(0.9, 1.0)), ValueError, "Invalid beta parameter at index 1: 1.0"),
        (lambda p: nc.optim.NAdam([p], momentum_decay=-1), ValueError, "Invalid momentum_decay value: -1"),
        (lambda p: nc.optim.RAdam([p], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
        (lambda p: nc.optim.ASGD([p], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda p: nc.optim.Rprop([p], etas=(1.1, 1.2)), ValueError, "Invalid eta values: 1.1, 1.2"),
        (lambda p: nc.optim.MovingAverageSGD([p], momentum=1.0), ValueError, "Invalid momentum value: 1.0"),
        (lambda p: nc.optim.LBFGS([p], lr=-1), ValueError, "Invalid learning rate: -1"),
        (
            lambda p: nc.optim.LBFGS([{"params": [p]}, {"params": [nc.ones(1)]}]),
            ValueError,
            "LBFGS doesn't support per",
        ),
        (lambda p: nc.optim.Newton([p], damping=-1), ValueError, "Invalid damping value: -1"),
        (lambda p: nc.optim.Newton([nc.ones(50, 50)]), ValueError, "at most 2000 numbers, .* got 2500"),
        (lambda p: nc.optim.Adagrad([p], lr_decay=-1), ValueError, "Invalid lr_decay value: -1"),
        (
            lambda p: _sgd([p]).load_state_dict({"state": {}, "param_groups": []}),
            ValueError,
            "loaded state dict has a different number of parameter groups",
        ),
        (
            lambda p: _sgd([p]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}),
            ValueError,
            "doesn't match the size of optimizer's group",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(nc.nn.Parameter(nc.ones(2)))


def test_gradient_of_another_shape_is_an_error():
    (param,) = parameters(shapes=[(4,)])
    with pytest.raises(RuntimeError, match=r"gradient of shape .*\[3\].* tensor of shape .*\[4\]"):
        param.grad = nc.ones(3)
    param.grad = nc.ones(4)
    param.grad.data = nc.ones(3)
    with pytest.raises(RuntimeError, match=r"sgd: the gradient expects shape \[4\] .* got \[3\]"):
        nc.optim.SGD([param]).step()


def test_duplicates_warn():
    (param,) = parameters(shapes=[(4,)])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        nc.optim.SGD([param, param])


def test_rprop_leaves_out_a_step_that_turns():
    param = nc.nn.Parameter(nc.tensor([1.0]))
    optimizer = nc.optim.Rprop([param], lr=0.1)
    path = []
    for slope in (1.0, 1.0, -1.0, -1.0, 0.0):
        param.grad = nc.tensor([slope])
        optimizer.step()
        path.append(param.item())
    np.testing.assert_allclose(path, [0.9, 0.78, 0.78, 0.84, 0.84], rtol=1e-6)


def test_asgd_averages_after_t0():
    param = nc.nn.Parameter(nc.tensor([0.0]))
    optimizer = nc.optim.ASGD([param], lr=1.0, lambd=0.0, t0=2)
    path = []
    for _ in range(6):
        param.grad = nc.tensor([-1.0])
        optimizer.step()
        path.append(param.item())
    np.testing.assert_allclose(path, [1, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(optimizer.state[param]["ax"].numpy(), np.mean(path[3:]))


def test_the_kernel_refuses_missing_scalars():
    param = nc.ones(2)._array
    hyper = nc.zeros(1, 8, dtype=nc.float64)._array
    for name in ("asgd", "nadam"):
        with pytest.raises(TypeError, match=f"{name}: expected `step` and . scalar states"):
            nc._core.optim_step(name, [(param, param, param, param, None, None, 0, 0)], [hyper])
    with pytest.raises(TypeError, match="rows of 8 to 10 values"):
        nc._core.optim_step("adam", [(param, param)], [hyper])
