"""Optimizers and schedulers beside PyTorch's: the same steps, the same state, the same words."""

import random

import numpy as np
import pytest

import nncore as nc

torch = pytest.importorskip("torch")

SHAPES = [(), (0,), (3,), (17, 5), (1000, 7)]
FLAGS = (False, True)


def settings_of(name, draw):
    """Settings drawn at random from all that the optimizer has."""
    common = {"lr": draw.choice([0.01, 0.3]), "weight_decay": draw.choice([0, 0.1]), "maximize": draw.choice(FLAGS)}
    if name == "SGD":
        momentum, nesterov = draw.choice([0, 0.9]), draw.choice(FLAGS)
        nesterov = nesterov and momentum > 0
        return common | {
            "momentum": momentum,
            "nesterov": nesterov,
            "dampening": 0 if nesterov else draw.choice([0, 0.4]),
        }
    if name == "Adagrad":
        return common | {"lr_decay": draw.choice([0, 0.2]), "initial_accumulator_value": draw.choice([0, 0.5])}
    if name == "RMSprop":
        return common | {
            "alpha": draw.choice([0.99, 0.5]),
            "momentum": draw.choice([0, 0.9]),
            "centered": draw.choice(FLAGS),
        }
    if name == "Adadelta":
        return common | {"rho": draw.choice([0.9, 0.5]), "eps": draw.choice([1e-6, 1e-2])}
    if name == "ASGD":
        return common | {
            "lambd": draw.choice([1e-4, 0.1]),
            "alpha": draw.choice([0.75, 0.3]),
            "t0": draw.choice([1e6, 2]),
        }
    if name == "Rprop":
        sizes = draw.choice([(1e-6, 50), (0.02, 0.4)])
        return {"lr": common["lr"], "maximize": common["maximize"], "etas": (0.4, 1.3), "step_sizes": sizes}
    betas = {"betas": draw.choice([(0.9, 0.999), (0.5, 0.8)])}
    if name == "Adamax":
        return common | betas
    if name in ("NAdam", "RAdam"):
        more = {"momentum_decay": draw.choice([4e-3, 0.2])} if name == "NAdam" else {}
        return common | betas | more | {"decoupled_weight_decay": draw.choice(FLAGS)}
    return common | betas | {"amsgrad": draw.choice(FLAGS)}


def same_parameters(dtype, draw):
    arrays = [draw.standard_normal(shape).astype(dtype) for shape in SHAPES]
    return [torch.nn.Parameter(torch.tensor(a)) for a in arrays], [nc.nn.Parameter(nc.tensor(a)) for a in arrays]


def same_gradients(theirs, ours, draw):
    for a, b in zip(theirs, ours, strict=True):
        gradient = draw.standard_normal(tuple(a.shape)).astype(a.detach().numpy().dtype)
        a.grad, b.grad = torch.tensor(gradient), nc.tensor(gradient)


def expect_same(theirs, ours, tolerance):
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=tolerance, atol=tolerance)


OPTIMIZERS = [
    *("SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"),
]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("trial", range(12))
def test_five_steps(name, dtype, trial):
    seed = random.randrange(2**32)
    print("seed", seed)
    choose, draw = random.Random(seed), np.random.default_rng(seed)
    settings = settings_of(name, choose)
    print(settings)
    theirs, ours = same_parameters(dtype, draw)
    their_optimizer = getattr(torch.optim, name)(theirs, **settings)
    our_optimizer = getattr(nc.optim, name)(ours, **settings)
    assert repr(our_optimizer) == repr(their_optimizer)
    # A centered variance can cancel to nothing, where the last bit decides what its root is divided by.
    tolerance = {"float32": 1e-3 if settings.get("centered") else 3e-5, "float64": 1e-9}[dtype]
    for step in range(5):
        same_gradients(theirs, ours, draw)
        their_optimizer.step()
        our_optimizer.step()
        if step == 2:  # state travels both ways
            state = our_optimizer.state_dict()
            for values in state["state"].values():
                values.update({k: torch.tensor(v.numpy()) for k, v in values.items()})
            their_state = their_optimizer.state_dict()
            their_optimizer.load_state_dict(state)
            our_optimizer.load_state_dict(their_state)
    expect_same(theirs, ours, tolerance)
    their_state, our_state = their_optimizer.state_dict(), our_optimizer.state_dict()
    assert our_state["param_groups"] == their_state["param_groups"]
    assert list(our_state["state"]) == list(their_state["state"])
    for number, values in their_state["state"].items():
        assert list(our_state["state"][number]) == list(values)
        expect_same(values.values(), our_state["state"][number].values(), tolerance)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_defaults(name):
    """The same settings where none are given."""
    (theirs,), (ours,) = ([library.nn.Parameter(library.ones(2))] for library in (torch, nc))
    their_optimizer, our_optimizer = getattr(torch.optim, name)([theirs]), getattr(nc.optim, name)([ours])
    assert our_optimizer.defaults == their_optimizer.defaults
    assert repr(our_optimizer) == repr(their_optimizer)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("trial", range(3))
def test_fifty_steps(name, trial):
    """A bowl of random shape, with settings drawn at random; everything in float64."""
    seed = random.randrange(2**32)
    print("seed", seed)
    choose, draw = random.Random(seed), np.random.default_rng(seed)
    settings = settings_of(name, choose) | {"maximize": False}
    print(settings)
    shape, origin = draw.uniform(0.5, 2, (5, 4)), draw.standard_normal((5, 4))
    found = []
    for library, make in ((torch, torch.tensor), (nc, nc.tensor)):
        p = library.nn.Parameter(make(origin))
        optimizer = getattr(library.optim, name)([p], **settings)
        for _ in range(50):
            optimizer.zero_grad()
            (make(shape) * (p - 1) ** 2).sum().backward()
            optimizer.step()
        found.append(p.detach().numpy())
    tolerance = 1e-4 if settings.get("centered") else 1e-8
    np.testing.assert_allclose(found[1], found[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.1},
        {"lr": 0.05, "history_size": 3},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "lr": 4.0, "max_iter": 7, "history_size": 2},
        {"line_search_fn": "strong_wolfe", "lr": 1e-3, "max_iter": 6, "max_eval": 9},
    ],
)
@pytest.mark.parametrize("trial", range(3))
def test_lbfgs(settings, trial):
    """A valley like Rosenbrock's, ten times milder: the same path, losses and number of evaluations."""
    seed = random.randrange(2**32)
    print("seed", seed)
    origin = np.random.default_rng(seed).uniform(-1.5, 1.5, 8)
    found = []
    for library, make in ((torch, torch.tensor), (nc, nc.tensor)):
        halves = [library.nn.Parameter(make(part.reshape(2, 2))) for part in np.split(origin, 2)]
        optimizer = library.optim.LBFGS(halves, **settings)

        def closure(library=library, halves=halves, optimizer=optimizer):
            optimizer.zero_grad()
            w = library.cat([h.reshape(-1) for h in halves])
            loss = ((1 - w[:-1]) ** 2 + 10 * (w[1:] - w[:-1] ** 2) ** 2).sum()
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item() for _ in range(3)]
        state = optimizer.state[halves[0]]
        found.append((losses, state["func_evals"], state["n_iter"], set(state), repr(optimizer)))
    assert found[1][1:] == found[0][1:]
    # Rounding is magnified in the valley: the paths agree as long as they are far from the minimum.
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5, abs=1e-10)


SCHEDULERS = [
    ("StepLR", {"step_size": 3}),
    ("MultiStepLR", {"milestones": [2, 2, 7, 20], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.7, "total_iters": 9}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.9, "end_factor": 0.2, "total_iters": 11}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 12, "power": 1.7}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 1 - 1 / (epoch + 2)}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 50}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2, "eta_min": 0.02}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [1.0, 2.0], "step_size_up": 4}),
    ("CyclicLR", {"base_lr": [0.1, 0.2], "max_lr": 1.0, "step_size_up": 3, "step_size_down": 5, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "scale_fn": lambda x: 1 / x}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 2, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": [1.0, 2.0], "total_steps": 31}),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 10, "steps_per_epoch": 4, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 35, "anneal_strategy": "linear", "pct_start": 0.11}),
]


def both_optimizers(kind):
    made = []
    for library in (torch, nc):
        params = [library.nn.Parameter(library.ones(2)) for _ in range(2)]
        made.append(getattr(library.optim, kind)([{"params": params[0]}, {"params": params[1], "lr": 0.02}], lr=0.5))
    return made


def follow(theirs, ours, *step_arguments, epochs=30):
    for epoch in range(epochs):
        arguments = [argument(epoch) for argument in step_arguments]
        for scheduler in (theirs, ours):
            scheduler.optimizer.step()
            scheduler.step(*arguments)
        assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-12)
        for a, b in zip(theirs.optimizer.param_groups, ours.optimizer.param_groups, strict=True):
            for key in a.keys() - {"params"}:
                expected = a[key] if a[key] is None or isinstance(a[key], bool) else pytest.approx(a[key], rel=1e-12)
                assert b[key] == expected, key


@pytest.mark.parametrize(("name", "settings"), SCHEDULERS, ids=[f"{s[0]}-{i}" for i, s in enumerate(SCHEDULERS)])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_thirty_epochs(name, settings, kind):
    theirs, ours = both_optimizers(kind)
    theirs = getattr(torch.optim.lr_scheduler, name)(theirs, **settings)
    ours = getattr(nc.optim.lr_scheduler, name)(ours, **settings)
    assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr())
    follow(theirs, ours)


@pytest.mark.parametrize("settings", [{}, {"patience": 2, "cooldown": 2}, {"mode": "max", "threshold_mode": "abs"}])
def test_plateau(settings):
    losses = np.random.default_rng().standard_normal(30)
    print(losses)
    settings = {"factor": 0.7, "patience": 1} | settings
    theirs, ours = both_optimizers("SGD")
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings)
    ours = nc.optim.lr_scheduler.ReduceLROnPlateau(ours, **settings)
    follow(theirs, ours, lambda epoch: losses[epoch])


def test_sequential_and_chained():
    def build(module, optimizer):
        first = module.LinearLR(optimizer, total_iters=4)
        second = module.CosineAnnealingLR(optimizer, T_max=9)
        third = module.ExponentialLR(optimizer, gamma=0.8)
        return module.SequentialLR(optimizer, [first, second, third], [5, 14])

    def chain(module, optimizer):
        return module.ChainedScheduler([module.ConstantLR(optimizer), module.StepLR(optimizer, 4)])

    for make in (build, chain):
        theirs, ours = both_optimizers("SGD")
        follow(make(torch.optim.lr_scheduler, theirs), make(nc.optim.lr_scheduler, ours))


def test_warm_restarts_between_epochs():
    theirs, ours = both_optimizers("SGD")
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, T_0=3, T_mult=2)
    ours = nc.optim.lr_scheduler.CosineAnnealingWarmRestarts(ours, T_0=3, T_mult=2)
    follow(theirs, ours, lambda epoch: epoch + 0.3)


@pytest.mark.parametrize("settings", [{}, {"anneal_epochs": 4, "anneal_strategy": "linear"}, {"anneal_epochs": 0}])
def test_swalr(settings):
    theirs, ours = both_optimizers("SGD")
    theirs = torch.optim.swa_utils.SWALR(theirs, swa_lr=[0.05, 0.2], **settings)
    ours = nc.optim.swa_utils.SWALR(ours, swa_lr=[0.05, 0.2], **settings)
    follow(theirs, ours)


AVERAGES = {
    "default": lambda module: {},
    "ema": lambda module: {"avg_fn": module.get_ema_avg_fn(0.7)},
    "ema lists": lambda module: {"multi_avg_fn": module.get_ema_multi_avg_fn(0.7), "use_buffers": True},
    "swa": lambda module: {"avg_fn": module.get_swa_avg_fn()},
    "swa lists": lambda module: {"multi_avg_fn": module.get_swa_multi_avg_fn(), "use_buffers": True},
}


@pytest.mark.parametrize("kind", AVERAGES)
def test_averaged_model(kind):
    draw = np.random.default_rng()
    values = [(draw.standard_normal((2, 3)), draw.standard_normal(2), draw.standard_normal(4)) for _ in range(5)]
    found = []
    for library, make in ((torch, torch.tensor), (nc, nc.tensor)):
        model = library.nn.Linear(3, 2).double()
        model.register_buffer("extra", make(np.zeros(4)))
        average = library.optim.swa_utils.AveragedModel(model, **AVERAGES[kind](library.optim.swa_utils))
        for row in values:
            with library.no_grad():
                for place, value in zip((model.weight, model.bias, model.extra), row, strict=True):
                    place.copy_(make(value))
            average.update_parameters(model)
        found.append({key: value.numpy() for key, value in average.state_dict().items()})
    assert list(found[1]) == list(found[0])
    for key, value in found[0].items():  # PyTorch divides by the count in single precision in "swa lists"
        rtol, atol = (1e-6, 1e-7) if kind == "swa lists" else (1e-12, 0)
        np.testing.assert_allclose(found[1][key], value, rtol=rtol, atol=atol)
