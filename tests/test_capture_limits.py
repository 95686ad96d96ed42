"""What captured functions refuse while recording, and what they notice between calls."""

import numpy as np
import pytest

import nncore as nc
from capture_runs import bits, inputs, mlp, trainer, trajectory
from nncore import nn
from nncore.nn import functional as F


def call_twice(run, args):
    run(*args)
    run(*args)


def refused(function, *args):
    run = nc.capture(function)
    with pytest.raises(nc.CaptureError) as error:
        call_twice(run, args)
    assert run.plans == []
    return str(error.value)


REFUSED = {
    "item": lambda x: x.sum().item(),
    "numpy": lambda x: x.numpy(),
    "tolist": lambda x: x.tolist(),
    "print": lambda x: print(x),
    "repr": lambda x: repr(x),
    "if": lambda x: 1 if x.sum() > 3 else 0,
    "float": lambda x: float(x.sum()),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 0],
    "masked_select": lambda x: nc.masked_select(x, x > 0),
    "tensor": lambda x: x + nc.tensor([1.0, 2.0, 3.0]),
    "from_numpy": lambda x: x + nc.from_numpy(np.ones(3, np.float32)),
    "dlpack": lambda x: np.from_dlpack(x),
    "in place": lambda x: x.add_(1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_refused(name):
    message = refused(REFUSED[name], nc.ones(3))
    assert message.startswith("capture: ")
    if name != "in place":
        assert "test_capture_limits.py" in message  # the line
        assert "lambda x" in message  # and its text


def test_a_refusal_that_the_program_swallows_is_raised_at_the_end():
    def step(x):
        try:
            return x * x.sum().item()
        except RuntimeError:
            return x

    assert "item()" in refused(step, nc.ones(3))


def test_state_that_is_replaced_is_refused():
    class Cell:
        state = nc.zeros(3)

    def step(x):
        Cell.state = Cell.state + x
        return Cell.state

    assert "update it in place" in refused(step, nc.ones(3))


def test_an_error_while_recording_leaves_nothing_behind():
    model = mlp()
    fail = [False, True, False, False, False]

    def step(x):
        y = model(x)
        if fail.pop(0):
            raise KeyError("on purpose")
        return y

    run = nc.capture(step)
    x = nc.randn(2, 8)
    expected = bits([model(x)])
    assert bits([run(x)]) == expected
    with pytest.raises(KeyError, match="on purpose"):
        run(x)
    assert run.plans == []
    assert bits([nc.relu(x)])  # recording is over
    for _ in range(3):
        assert bits([run(x)]) == expected
    assert len(run.plans) == 1


def test_labels_out_of_range_are_found_in_replays_too():
    step = nc.capture(lambda x, t: F.cross_entropy(x, t))
    pick = nc.capture(lambda x, i: x[i])
    x = nc.randn(4, 3)
    for _ in range(3):
        step(x, nc.tensor([0, 1, 2, 0]))
        pick(x, nc.tensor([0, 3]))
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        step(x, nc.tensor([0, 3, 2, 0]))
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        pick(x, nc.tensor([0, 4]))
    assert bits([step(x, nc.tensor([2, 1, 2, 0]))]) == bits([F.cross_entropy(x, nc.tensor([2, 1, 2, 0]))])


def changes():
    """(name, what changes a model between calls)."""

    def new_parameter(model):
        model[0].weight = nn.Parameter(nc.ones(16, 8))

    def new_data(model):
        model[0].weight.data = nc.ones(16, 8)

    def loaded(model):
        model.load_state_dict({k: nc.ones_like(v) for k, v in model.state_dict().items()})

    def evaluated(model):
        model.eval()

    def less_dropout(model):
        model[2].p = 0.1

    def frozen(model):
        model[0].requires_grad_(False)

    def double(model):
        model[0].weight.data.mul_(2)

    return [new_parameter, new_data, loaded, evaluated, less_dropout, frozen, double]


@pytest.mark.parametrize("change", changes(), ids=lambda f: f.__name__)
def test_changes_between_calls_are_noticed(change):
    def run(captured):
        nc.manual_seed(3)
        model = mlp(nn.Dropout(0.5))
        optimizer = nc.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = nc.capture(step) if captured else step
        found = []
        for i, batch in enumerate(inputs(9, (5, 8), (5, 4))):
            if i == 4:
                change(model)
            found += bits([step(*batch)])
        return found + bits(model.parameters())

    assert run(True) == run(False)


def test_optimizer_settings_that_change_the_work(monkeypatch):
    def build():
        model = mlp()
        return trainer(model, nc.optim.SGD(model.parameters(), lr=0.1))

    def between(i, optimizer):
        group = optimizer.param_groups[0]
        if i == 5:
            group["momentum"] = 0.9
        if i == 9:
            group["maximize"] = True
        if i == 12:
            group["lr"] = 0.01

    plain, _ = trajectory(build, inputs(16, (5, 8), (5, 4)), False, between=between)
    replayed, _ = trajectory(build, inputs(16, (5, 8), (5, 4)), True, between=between)
    assert replayed == plain
