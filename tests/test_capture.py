"""nncore.capture: what replays compute is, bit for bit, what the function computes when it runs as it stands."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import nncore as nc
from nncore import nn
from nncore.nn import functional as F


def inputs(count, *shapes, classes=None):
    """`count` tuples of tensors."""
    rng = np.random.default_rng(0)
    rows = [[nc.tensor(rng.standard_normal(s).astype(np.float32)) for s in shapes] for _ in range(count)]
    if classes is not None:
        for row in rows:
            row.append(nc.tensor(rng.integers(0, classes, shapes[0][0])))
    return rows


def bits(tensors):
    return [t.detach().numpy(force=True).tobytes() for t in tensors]


def trajectory(build, batches, captured, fuse="1", between=lambda i, made: None, monkeypatch=None):
    """The bits of every result, and of all parameters, buffers and gradients at the end."""
    if monkeypatch is not None:
        monkeypatch.setenv("NNCORE_FUSE", fuse)
    nc.manual_seed(1)
    step, model, made = build()
    nc.manual_seed(2)
    run = nc.capture(step) if captured else step
    seen = []
    for i, batch in enumerate(batches):
        result = run(*batch)
        seen += bits(result if isinstance(result, tuple) else (result,))
        between(i, made)
    state = [*model.parameters(), *model.buffers()]
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    return seen + bits(state) + bits(grads), run


def check_same(build, batches, monkeypatch, plans=1, **options):
    plain, _ = trajectory(build, batches, False, **options)
    for fuse in "01":
        replayed, run = trajectory(build, batches, True, fuse, monkeypatch=monkeypatch, **options)
        assert replayed == plain
        assert len(run.plans) == plans
    return run


def trainer(model, optimizer, loss=F.mse_loss, clip=None):
    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return value

    return step, model, optimizer


def mlp(*extra):
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), *extra, nn.Linear(16, 4))


OPTIMIZERS = {
    "sgd": lambda p: nc.optim.SGD(p, lr=0.05),
    "momentum": lambda p: nc.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampened": lambda p: nc.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.5),
    "adagrad": lambda p: nc.optim.Adagrad(p, lr=0.05, lr_decay=0.01),
    "rmsprop": lambda p: nc.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adam": lambda p: nc.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01),
    "adamw": lambda p: nc.optim.AdamW(p, lr=0.01),
    "adamax": lambda p: nc.optim.Adamax(p, lr=0.01),
    "nadam": lambda p: nc.optim.NAdam(p, lr=0.01),
    "radam": lambda p: nc.optim.RAdam(p, lr=0.01),
    "adadelta": lambda p: nc.optim.Adadelta(p, lr=0.5),
    "asgd": lambda p: nc.optim.ASGD(p, lr=0.05, t0=10),
    "rprop": lambda p: nc.optim.Rprop(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name, monkeypatch):
    def build():
        model = mlp(nn.Dropout(0.3))
        return trainer(model, OPTIMIZERS[name](model.parameters()))

    check_same(build, inputs(60, (5, 8), (5, 4)), monkeypatch)


def test_hundreds_of_steps_with_schedule_and_clipping(monkeypatch):
    def build():
        model = mlp(nn.Dropout(0.5))
        optimizer = nc.optim.Adam(model.parameters(), lr=0.01)
        step, model, optimizer = trainer(model, optimizer, clip=0.1)
        return step, model, nc.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)

    check_same(build, inputs(300, (5, 8), (5, 4)), monkeypatch, between=lambda i, scheduler: scheduler.step())


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_counts_and_averages(momentum, monkeypatch):
    def build():
        model = mlp(nn.BatchNorm1d(16, momentum=momentum))
        return trainer(model, nc.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))

    check_same(build, inputs(100, (6, 8), (6, 4)), monkeypatch)


def test_convolutions_and_classes(monkeypatch):
    def build():
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)
        )
        return trainer(model, nc.optim.Adam(model.parameters(), lr=0.01), F.cross_entropy)

    check_same(build, inputs(30, (6, 1, 8, 8), classes=3), monkeypatch)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent(kind, monkeypatch):
    def build():
        class Last(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = getattr(nn, kind)(3, 5, num_layers=2, dropout=0.2, batch_first=True)
                self.head = nn.Linear(5, 2)

            def forward(self, x):
                return self.head(self.layer(x)[0][:, -1])

        model = Last()
        return trainer(model, nc.optim.RMSprop(model.parameters(), lr=0.01))

    check_same(build, inputs(30, (4, 6, 3), (4, 2)), monkeypatch)


def test_attention_and_embedding(monkeypatch):
    def build():
        class Reader(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Embedding(11, 8)
                self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
                self.head = nn.Linear(8, 11)

            def forward(self, tokens):
                return self.head(self.layer(self.table(tokens))).flatten(0, 1)

        model = Reader()
        return trainer(model, nc.optim.AdamW(model.parameters(), lr=0.01), lambda y, t: F.cross_entropy(y, t.flatten()))

    rng = np.random.default_rng(0)
    batches = [tuple(nc.tensor(rng.integers(0, 11, (3, 5))) for _ in range(2)) for _ in range(20)]
    check_same(build, batches, monkeypatch)


def test_gradients_added_up_over_several_calls(monkeypatch):
    """The optimizer's step stands outside: gradients are there in some calls and not in others."""

    def build():
        model = mlp()
        optimizer = nc.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

        def step(x, y):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            return loss

        return step, model, optimizer

    def between(i, optimizer):
        if i % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()

    check_same(build, inputs(41, (5, 8), (5, 4)), monkeypatch, plans=2, between=between)


def test_gradients_filled_with_zeros(monkeypatch):
    def build():
        model = mlp()
        optimizer = nc.optim.SGD(model.parameters(), lr=0.05)

        def step(x, y):
            optimizer.zero_grad(set_to_none=False)
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    check_same(build, inputs(20, (5, 8), (5, 4)), monkeypatch)


def test_forward_and_update_captured_apart():
    def build(captured):
        model = mlp()
        optimizer = nc.optim.Adam(model.parameters(), lr=0.01)

        def step(x, y):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            return loss

        def update():
            optimizer.step()
            optimizer.zero_grad()

        return step, model, nc.capture(update) if captured else update

    def run(captured):
        made = lambda: build(captured)  # noqa: E731
        return trajectory(made, inputs(20, (5, 8), (5, 4)), captured, between=lambda i, update: update())[0]

    assert run(True) == run(False)


def test_gradient_penalty_differentiates_twice(monkeypatch):
    def build():
        critic = mlp()
        optimizer = nc.optim.Adam(critic.parameters(), lr=0.01)

        def step(real, fake):
            optimizer.zero_grad()
            mix = nc.rand(5, 1)
            x = (mix * real + (1 - mix) * fake).requires_grad_()
            (g,) = nc.autograd.grad(critic(x).sum(), (x,), create_graph=True)
            loss = critic(fake).mean() - critic(real).mean() + 10 * ((g.norm(2, dim=1) - 1) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss, g.detach()

        return step, critic, optimizer

    check_same(build, inputs(30, (5, 8), (5, 8)), monkeypatch)


def test_inference_with_structured_arguments_and_results():
    model = mlp().eval()

    @nc.capture
    def predict(batch, scale=1.0):
        with nc.no_grad():
            y = model(batch["x"]) * scale
        return {"y": y, "best": (y.argmax(1), y.max())}

    for _ in range(6):
        x = nc.randn(3, 8)
        for scale in (1.0, 2.0):
            found = predict({"x": x}, scale=scale)
            y = model(x) * scale
            assert bits([found["y"], *found["best"]]) == bits([y, y.argmax(1), y.max()])
    assert len(predict.plans) == 2
    assert not found["y"].requires_grad


def test_shapes_have_plans_of_their_own_and_the_oldest_goes():
    double = nc.capture(lambda x: x * 2, max_plans=2)
    for _ in range(3):
        for n in (1, 2, 3, 2):
            assert double(nc.full((n,), 3)).tolist() == [6] * n
    assert len(double.plans) <= 2


def test_results_are_overwritten_and_saved_values_notice():
    double = nc.capture(lambda x: x * 2)
    first = [double(nc.full((2,), float(i))) for i in range(3)][-1]
    kept = first.clone()
    w = nc.ones(2, requires_grad=True)
    product = (w * first).sum()  # saves `first`
    double(nc.full((2,), 7.0))
    assert first.tolist() == [14.0, 14.0]
    assert kept.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_arguments_that_require_gradients():
    square = nc.capture(lambda x: (x * x).sum().backward())
    for i in range(4):
        x = nc.full((2,), float(i)).requires_grad_()
        square(x)
        assert x.grad.tolist() == [2.0 * i, 2.0 * i]


def call_twice(run, args):
    run(*args)
    run(*args)


def test_one_tensor_for_two_arguments():
    product = nc.capture(lambda x, y: (x * y).sum().backward())
    for i in range(4):
        for same in (True, False):
            x = nc.full((2,), float(i)).requires_grad_()
            y = x if same else nc.full((2,), 5.0).requires_grad_()
            product(x, y)
            assert x.grad.tolist() == [2.0 * i if same else 5.0] * 2
            assert y.grad.tolist() == [2.0 * i if same else float(i)] * 2


def test_the_same_tensors_in_other_places():
    def order(x, y=None):
        return x[0] - x[1] if isinstance(x, list) else y - x

    captured = nc.capture(order)
    for i in range(4):
        x, y = nc.full((2,), i), nc.full((2,), 10)
        assert captured([x, y]).tolist() == [i - 10] * 2
        assert captured(x, y).tolist() == [10 - i] * 2
        assert captured(x, y=y).tolist() == [10 - i] * 2


def test_plans_know_whether_gradients_were_recorded():
    w = nn.Parameter(nc.ones(2))
    seen = nc.capture(lambda x: x * 2 if (x * w).requires_grad else x * 3)
    for _ in range(4):
        assert seen(nc.ones(2)).tolist() == [2, 2]
        with nc.no_grad():
            assert seen(nc.ones(2)).tolist() == [3, 3]


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
        assert "test_capture.py" in message  # the line
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


def test_seeding_between_calls():
    noise = nc.capture(lambda x: x + nc.randn(3) * nc.rand(3))
    x = nc.zeros(3)
    nc.manual_seed(4)
    plain = bits(x + nc.randn(3) * nc.rand(3) for _ in range(4))
    for _ in range(3):
        nc.manual_seed(4)
        assert [bits([noise(x)])[0] for _ in range(4)] == plain


def test_switched_off(monkeypatch):
    calls = []

    @nc.capture
    def double(x):
        calls.append(1)
        return x * 2

    with nc.no_capture():
        for _ in range(4):
            double(nc.ones(2))
    monkeypatch.setenv("NNCORE_CAPTURE", "0")
    for _ in range(4):
        double(nc.ones(2))
    assert len(calls) == 8
    assert double.plans == []


def test_captured_functions_within_each_other_and_methods():
    class Scaler:
        def __init__(self, factor):
            self.factor = factor

        @nc.capture
        def scale(self, x):
            return x * self.factor

    twice, thrice = Scaler(2), Scaler(3)
    both = nc.capture(lambda x: twice.scale(x) + thrice.scale(x))
    for i in range(5):
        x = nc.full((2,), i)
        assert both(x).tolist() == [5 * i] * 2
        assert twice.scale(x).tolist() == [2 * i] * 2
        assert thrice.scale(x).tolist() == [3 * i] * 2
    assert len(both.plans) == len(twice.scale.plans) == 1


def test_threads_have_plans_of_their_own():
    model = mlp().eval()
    predict = nc.capture(lambda x: model(x))
    wrong = []

    def work(seed):
        for i in range(30):
            x = nc.full((4, 8), float(seed * 100 + i))
            if bits([predict(x)]) != bits([model(x)]):
                wrong.append((seed, i))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_plan_outlives_what_it_needs_and_gives_its_memory_back():
    gc.collect()
    before = nc.memory_stats()["live_bytes"]
    model = mlp()
    gone = weakref.ref(model)
    step = trainer(model, nc.optim.Adam(model.parameters()))[0]
    run = nc.capture(step)
    for batch in inputs(4, (64, 8), (64, 4)):
        loss = run(*batch)
    plan = run.plans[0]
    del model, step, run, batch
    gc.collect()
    plan.native.replay()
    assert np.isfinite(loss.item())
    del plan, loss
    gc.collect()
    assert gone() is None
    assert nc.memory_stats()["live_bytes"] == before


def test_arguments_are_checked():
    with pytest.raises(TypeError, match="expected a function, got int"):
        nc.capture(3)
    with pytest.raises(ValueError, match="max_plans must be a positive integer, got 0"):
        nc.capture(lambda x: x, max_plans=0)
    with pytest.raises(nc.CaptureError, match="NumPy array"):
        nc.capture(lambda x: x)(np.ones(2))
    w = nc.ones(2, requires_grad=True)
    with pytest.raises(nc.CaptureError, match="detach"):
        nc.capture(lambda x: x)(w * 2)


def test_steady_replays_ask_the_system_for_nothing():
    model = mlp()
    step = trainer(model, nc.optim.Adam(model.parameters()))[0]
    run = nc.capture(step)
    batches = inputs(5, (5, 8), (5, 4))
    for batch in batches:
        run(*batch)
    before = nc.memory_stats()["system_allocations"]
    for batch in batches * 3:
        run(*batch)
    assert nc.memory_stats()["system_allocations"] == before


def test_environment_switches_it_off_for_a_process():
    program = "import nncore as nc; f = nc.capture(lambda x: x * 2); [f(nc.ones(1)) for _ in range(3)]; print(f.plans)"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NNCORE_CAPTURE": "0", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
