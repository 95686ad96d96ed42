"""Captured functions in use: arguments, results, plans, threads, memory, switching off."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import nncore as nc
from capture_runs import bits, inputs, mlp, trainer
from nncore import nn


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


def test_seeding_between_calls():
    noise = nc.capture(lambda x: x + nc.randn(3) * nc.rand(3))
    x = nc.zeros(3)
    nc.manual_seed(4)
    plain = bits(x + nc.randn(3) * nc.rand(3) for _ in range(4))
    for _ in range(3):
        nc.manual_seed(4)
        assert [bits([noise(x)])[0] for _ in range(4)] == plain


def test_switched_off():
    calls = []

    @nc.capture
    def double(x):
        calls.append(1)
        return x * 2

    with nc.no_capture():
        for _ in range(4):
            double(nc.ones(2))
    assert len(calls) == 4
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


def test_instruction_sets_have_plans_of_their_own(isa):
    squares = nc.capture(lambda x: (x * x).sum())
    x = nc.randn(1001)
    other = next((name for name in nc.available_isas() if name != isa), isa)
    for name in (isa, isa, isa, other, other, other, isa):
        nc.use_isa(name)
        assert bits([squares(x)]) == bits([(x * x).sum()])
    assert len(squares.plans) == len({isa, other})


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
