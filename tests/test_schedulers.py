"""Learning-rate schedulers against their closed forms, and their state."""

import math
import warnings

import pytest

import nncore as nc
from nncore.optim import lr_scheduler as schedulers
from nncore.optim import swa_utils

EPOCHS = 30


def optimizer_with(*rates, kind="SGD", **settings):
    groups = [{"params": [nc.nn.Parameter(nc.ones(1))], "lr": rate} for rate in rates]
    return getattr(nc.optim, kind)(groups, **settings)


def rates_of(scheduler, epochs=EPOCHS):
    """The rate of the first group in each epoch."""
    rates = []
    for _ in range(epochs):
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
        assert scheduler.get_last_lr() == [g["lr"] for g in scheduler.optimizer.param_groups]
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def cosine(epoch, period, low=0.0):
    return low + (1 - low) * (1 + math.cos(math.pi * epoch / period)) / 2


CLOSED_FORMS = [
    ("StepLR", {"step_size": 4, "gamma": 0.5}, lambda t: 0.5 ** (t // 4)),
    ("MultiStepLR", {"milestones": [3, 3, 8], "gamma": 0.5}, lambda t: 0.5 ** (2 * (t >= 3) + (t >= 8))),
    ("ConstantLR", {"factor": 0.25, "total_iters": 4}, lambda t: 0.25 if t < 4 else 1.0),
    ("LinearLR", {"start_factor": 0.2, "total_iters": 8}, lambda t: 0.2 + 0.8 * min(t, 8) / 8),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 3}, lambda t: 1 - 0.9 * min(t, 3) / 3),
    ("ExponentialLR", {"gamma": 0.9}, lambda t: 0.9**t),
    ("PolynomialLR", {"total_iters": 10, "power": 2.0}, lambda t: (1 - min(t, 10) / 10) ** 2),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}, lambda t: 1 / (1 + t)),
    ("MultiplicativeLR", {"lr_lambda": lambda t: 0.95}, lambda t: 0.95**t),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.1}, lambda t: cosine(t, 7, 0.1)),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "eta_min": 0.1}, lambda t: cosine(t % 5, 5, 0.1)),
    (
        "CosineAnnealingWarmRestarts",
        {"T_0": 2, "T_mult": 2},
        lambda t: next(cosine(t - 2 * (k - 1), 2 * k, 0) for k in (1, 2, 4, 8, 16) if t < 2 * (2 * k - 1)),
    ),
]
CLOSED_FORMS += [
    ("CyclicLR", {"base_lr": 0.0, "max_lr": 2.0, "step_size_up": 3}, lambda t: 1 - abs(t % 6 - 3) / 3),
]
by_form = pytest.mark.parametrize(
    ("name", "settings", "form"), CLOSED_FORMS, ids=[f"{c[0]}-{i}" for i, c in enumerate(CLOSED_FORMS)]
)


@by_form
def test_closed_form(name, settings, form):
    scheduler = getattr(schedulers, name)(optimizer_with(2.0, 3.0), **settings)
    expected = [2.0 * form(t) if "eta_min" not in settings else None for t in range(EPOCHS)]
    if "eta_min" in settings:  # eta_min is a rate, not a factor: check with a base of 1
        scheduler = getattr(schedulers, name)(optimizer_with(1.0, 3.0), **settings)
        expected = [form(t) for t in range(EPOCHS)]
    assert rates_of(scheduler) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@by_form
def test_state_dict_continues(name, settings, form):
    first = getattr(schedulers, name)(optimizer_with(1.0, 0.5), **settings)
    rates_of(first, 6)
    optimizer = optimizer_with(9.0, 9.0)
    optimizer.load_state_dict(first.optimizer.state_dict())
    second = getattr(schedulers, name)(optimizer, last_epoch=first.last_epoch, **settings)
    second.load_state_dict(first.state_dict())
    optimizer.load_state_dict(first.optimizer.state_dict())
    assert rates_of(second, 10) == rates_of(first, 10)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle(strategy):
    optimizer = optimizer_with(1.0, momentum=0.9)
    scheduler = schedulers.OneCycleLR(optimizer, max_lr=1.0, total_steps=10, pct_start=0.4, anneal_strategy=strategy)
    rates, momenta = [], []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.index(max(rates)) == 3
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 25 / 1e4)
    assert momenta[0] == pytest.approx(0.95)
    assert momenta[-1] == pytest.approx(0.95)
    assert min(momenta) == pytest.approx(0.85)
    with pytest.raises(ValueError, match=r"Tried to step 11 times. The specified number of total steps is 10"):
        scheduler.step()


def test_one_cycle_moves_beta1_and_has_three_phases():
    optimizer = optimizer_with(1.0, kind="Adam")
    scheduler = schedulers.OneCycleLR(optimizer, max_lr=1.0, epochs=5, steps_per_epoch=4, three_phase=True)
    rates = rates_of(scheduler, 20)
    assert rates.index(max(rates)) == 5
    assert rates[10] == pytest.approx(1 / 25)
    assert optimizer.param_groups[0]["betas"][1] == 0.999


def test_plateau():
    optimizer = optimizer_with(1.0)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, factor=0.1, patience=2, cooldown=1, min_lr=1e-2)
    rates = []
    for loss in [5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]:
        scheduler.step(nc.tensor(float(loss)))
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01])
    best = schedulers.ReduceLROnPlateau(optimizer_with(1.0), mode="max", patience=0, threshold_mode="abs", threshold=1)
    for accuracy in [1.0, 2.5, 3.0]:
        best.step(accuracy)
    assert best.get_last_lr() == pytest.approx([0.1])


def test_sequential_and_chained():
    optimizer = optimizer_with(1.0)
    warmup = schedulers.LinearLR(optimizer, start_factor=0.5, total_iters=4)
    decay = schedulers.ExponentialLR(optimizer, gamma=0.5)
    scheduler = schedulers.SequentialLR(optimizer, [warmup, decay], milestones=[4])
    assert rates_of(scheduler, 8) == pytest.approx([0.5, 0.625, 0.75, 0.875, 1.0, 0.5, 0.25, 0.125])
    state = scheduler.state_dict()
    assert [s["last_epoch"] for s in state["_schedulers"]] == [3, 4]
    scheduler.load_state_dict(state)

    optimizer = optimizer_with(1.0)
    parts = [schedulers.ConstantLR(optimizer, 0.5, 2), schedulers.ExponentialLR(optimizer, 0.5)]
    assert rates_of(schedulers.ChainedScheduler(parts), 4) == pytest.approx([0.5, 0.25, 0.25, 0.125])


def test_step_with_epoch_uses_the_closed_form():
    scheduler = schedulers.StepLR(optimizer_with(1.0), step_size=2, gamma=0.5)
    scheduler.optimizer.step()
    with pytest.warns(UserWarning, match="The epoch parameter"):
        scheduler.step(9)
    assert scheduler.get_last_lr() == [0.5**4]


def test_stepping_before_the_optimizer_warns():
    scheduler = schedulers.ExponentialLR(optimizer_with(1.0), gamma=0.5)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    scheduler = schedulers.ExponentialLR(optimizer_with(1.0), gamma=0.5)
    scheduler.optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda o: schedulers.StepLR(3, 2), TypeError, "int is not an Optimizer"),
        (lambda o: schedulers.StepLR(o, 2, last_epoch=3), KeyError, "'initial_lr' is not specified in param_groups"),
        (lambda o: schedulers.LambdaLR(o, [abs, abs]), ValueError, "Expected 1 lr_lambdas, but got 2"),
        (lambda o: schedulers.ConstantLR(o, 2.0), ValueError, "Constant multiplicative factor expected"),
        (lambda o: schedulers.LinearLR(o, 0.0), ValueError, "Starting multiplicative factor expected"),
        (lambda o: schedulers.LinearLR(o, end_factor=2.0), ValueError, "Ending multiplicative factor expected"),
        (lambda o: schedulers.CosineAnnealingWarmRestarts(o, 0), ValueError, "Expected positive integer T_0"),
        (lambda o: schedulers.OneCycleLR(o, 1.0), ValueError, "You must define either total_steps OR"),
        (lambda o: schedulers.OneCycleLR(o, 1.0, total_steps=-1), ValueError, "Expected positive integer total_steps"),
        (lambda o: schedulers.OneCycleLR(o, [1.0, 2.0], 5), ValueError, "max_lr must have the same length"),
        (lambda o: schedulers.OneCycleLR(o, 1.0, 5, pct_start=2.0), ValueError, "Expected float between 0 and 1"),
        (lambda o: schedulers.CyclicLR(o, 0.1, 1.0, mode="x"), ValueError, "mode is invalid and scale_fn is None"),
        (lambda o: schedulers.CyclicLR(o, [0.1, 0.2], 1.0), ValueError, "base_lr must have the same length"),
        (lambda o: swa_utils.SWALR(o, 0.1, anneal_strategy="x"), ValueError, "one of 'cos' or 'linear', instead got x"),
        (lambda o: swa_utils.SWALR(o, 0.1, anneal_epochs=-1), ValueError, "equal or greater than 0, got -1"),
        (lambda o: schedulers.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda o: schedulers.ReduceLROnPlateau(o, mode="x"), ValueError, "mode x is unknown"),
        (lambda o: schedulers.SequentialLR(o, [], []), ValueError, "expects at least one scheduler"),
        (
            lambda o: schedulers.SequentialLR(o, [schedulers.StepLR(o, 1)], [1]),
            ValueError,
            "number of schedulers provided to be one more",
        ),
        (
            lambda o: schedulers.SequentialLR(o, [schedulers.ReduceLROnPlateau(o)], []),
            ValueError,
            "does not support `ReduceLROnPlateau`",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(optimizer_with(1.0))
