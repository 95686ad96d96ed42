"""Looking at plans: the summary, the profile and its trace, the picture."""

import json
import subprocess
import sys

import pytest

import nncore as nc
from nncore import nn


@pytest.fixture
def plan():
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, 1))
    optimizer = nc.optim.Adam(model.parameters())

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    run = nc.capture(step)
    for _ in range(3):
        run(nc.ones(4, 8))
    (plan,) = run.plans
    plan.model, plan.optimizer = model, optimizer
    return plan


def test_summary_lists_launches_lines_and_memory(plan):
    text = plan.summary()
    assert "test_plan_report.py" in text
    assert "in step: loss.backward()" in text
    lines = text.splitlines()
    (adam,) = [line for line in lines if " adam " in line]
    assert "float32[16, 8]" in adam
    product = next(line for line in lines if " gemm " in line)
    assert f"{4 * (4 * 8 + 8 * 16 + 4 * 16 + 16):,}" in product  # bytes of x, weight, result and bias
    assert lines[-2].endswith(f"of {plan.native.recorded_launches} recorded launches")
    assert "bytes of the plan" in lines[-1]
    assert 0 < plan.native.peak_bytes <= plan.native.memory_bytes


def test_a_plan_needs_little_more_than_the_peak_of_eager_execution():
    def run(x):
        for _ in range(20):
            x = (x + 1).tanh()
        return x

    captured = nc.capture(run)
    for _ in range(2):
        captured(nc.ones(10000))
    (plan,) = captured.plans
    assert plan.native.memory_bytes <= 3 * 40000


def test_profile_times_each_launch_and_changes_nothing(plan, tmp_path):
    states = [t for state in plan.optimizer.state.values() for t in state.values()]
    everything = [*plan.model.parameters(), *plan.model.buffers(), *states]
    before = [t.detach().clone() for t in everything]
    generator = nc.default_generator.get_state()
    profile = plan.profile(repeats=5, trace=tmp_path / "trace.json")
    for now, then in zip(everything, before, strict=True):
        assert nc.equal(now.detach(), then)
    assert nc.equal(nc.default_generator.get_state(), generator)
    assert len(profile.rows) == len(plan.launches())
    assert all(row.seconds >= 0 for row in profile.rows)
    starts = [row.start for row in profile.rows]
    assert starts == sorted(starts)
    assert sum(count for _, count, _ in profile.by_kernel()) == len(profile.rows)
    text = str(profile)
    assert "adam" in text
    assert "a replay" in text
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [e["name"] for e in events] == [row.launch.kernel for row in profile.rows]
    assert all(e["ph"] == "X" and e["dur"] >= 0 for e in events)
    assert "loss.backward()" in " ".join(e["args"]["where"] for e in events)


def test_profile_checks_its_argument(plan):
    with pytest.raises(ValueError, match="at least 1 repeat, got 0"):
        plan.profile(repeats=0)


def test_names(plan):
    assert repr(plan) == f"<plan of {len(plan.launches())} steps for inputs [4, 8]>"


def test_picture(plan, tmp_path):
    figure = nc.viz.plan(plan, repeats=2)
    figure.savefig(tmp_path / "plan.png")
    above, below = figure.axes
    assert sum(len(bars) for bars in above.containers) == len(plan.launches())
    assert len(below.collections) > 5
    assert below.get_xlabel() == "launch"


def test_nncore_profile_sees_replays(plan):
    with nc.profile() as times:
        plan.native.replay()
    assert {"gemm", "adam"} <= {row.kernel for row in times.rows}


def test_training_command_with_and_without(tmp_path):
    weights = []
    for name, options in {"with": [], "without": ["--no-capture"]}.items():
        out = tmp_path / name
        command = [
            sys.executable,
            "-m",
            "nncore",
            "train",
            "--epochs",
            "2",
            "--threads",
            "1",
            "--out",
            str(out),
            *options,
        ]
        subprocess.run(command, check=True, capture_output=True)
        weights.append((out / "last.safetensors").read_bytes())
    assert weights[0] == weights[1]
