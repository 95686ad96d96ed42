"""Elementwise steps in a row on CUDA become one launch (csrc/core/plan_chain.cpp, cuda/chain.cuh): with the bits of the
launches that it replaces, in the plan and in eager execution."""

import re
from pathlib import Path

import numpy as np
import pytest

import nncore as nc
from elementwise_names import ARITHMETIC, BACKWARD, BITWISE, PARAMS, PREDICATES, UNARY
from nncore import _core, nn
from nncore.nn import functional as F
from nncore.ops.apply import native

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

# Operations of integers too.
WHOLE = ["neg", "abs", "sign", "square", "floor", "ceil", "round", "trunc", "relu", "hardtanh", "clamp", "threshold"]

COUNTS = [1, 6, 1023]
HALVES = [nc.float16, nc.bfloat16]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42, -3.0, 5.0, 1e6, -1e30]


def test_the_lists_are_those_of_the_kernels():
    text = (Path(__file__).parents[2] / "csrc/math/elementwise.h").read_text()
    counts = [len(found.split(",")) for found in re.findall(r"Ops =\s*List<(.*?)>", text, re.DOTALL)]
    assert counts == [len(UNARY), len(ARITHMETIC) + len(PREDICATES) + len(BITWISE)]


def drawn(count, seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        return nc.from_numpy(rng.integers(0 if dtype == np.uint8 else -40, 40, count).astype(dtype)).cuda()
    values = (2 * rng.standard_normal(count)).astype(dtype)
    values[7 : 7 + len(SPECIAL)] = SPECIAL[: max(0, count - 7)]
    return nc.from_numpy(values[rng.permutation(count)]).cuda()


def bits(results):
    """The bytes of all results, every NaN the same one."""
    results = results if isinstance(results, tuple) else (results,)
    arrays = [(t.float() if t.dtype in HALVES else t).detach().cpu().numpy() for t in results]
    return [np.where(np.isnan(a), np.nan, a).astype(a.dtype).tobytes() for a in arrays]


def replayed(function, args, fuse, monkeypatch, restore):
    monkeypatch.setenv("NNCORE_FUSE", fuse)
    restore()
    run = nc.capture(function)
    found = [bits(run(*args)) for _ in range(4)]
    (plan,) = run.plans
    return found, [row.kernel for row in plan.launches()]


def joined(function, *args, monkeypatch, restore=lambda: None):
    """The launches without and with joining, after a check that the bits are those of running the function."""
    restore()
    plain = [bits(function(*args)) for _ in range(4)]
    apart, apart_launches = replayed(function, args, "0", monkeypatch, restore)
    together, launches = replayed(function, args, "1", monkeypatch, restore)
    assert apart == plain
    assert together == plain
    return apart_launches, launches


def unary(name, x):
    return native(getattr(_core, name), x, params=PARAMS.get(name, ()))


def backward(name, gy, saved):
    return native(getattr(_core, name + "_backward"), gy, saved, params=PARAMS.get(name, ()))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, dtype, count, monkeypatch):
    x, y = drawn(count, 0, dtype), drawn(count, 1, dtype)
    apart, launches = joined(lambda x, y: unary(name, x * 1.25) * y, x, y, monkeypatch=monkeypatch)
    assert apart == ["mul", name, "mul"]
    assert launches == [f"mul + {name} + mul"]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BACKWARD)
def test_backward(name, dtype, count, monkeypatch):
    gy, saved = drawn(count, 2, dtype), drawn(count, 3, dtype)
    _, launches = joined(lambda g, s: g + backward(name, g * 0.5, s), gy, saved, monkeypatch=monkeypatch)
    assert launches == [f"mul + {name} + add"]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("name", ARITHMETIC + PREDICATES + BITWISE)
def test_binary(name, dtype, count, monkeypatch):
    whole = np.issubdtype(dtype, np.integer)
    if (name in BITWISE and not whole) or (name in ("div", "atan2") and whole):
        pytest.skip("not defined for this dtype")
    x, y = drawn(count, 4, dtype), drawn(count, 5, dtype)
    if whole and name in ("fmod", "remainder", "floor_divide"):
        y = y.abs() + 1
    op, number = getattr(_core, name), 3 if whole else 2.5

    def run(x, y):
        with_array, with_number, number_first = native(op, x, y), native(op, x, number), native(op, number, y)
        if name in PREDICATES:
            return nc.where(with_array, x, y), with_number & number_first, with_array
        return with_array + with_number * number_first, with_array

    apart, launches = joined(run, x, y, monkeypatch=monkeypatch)
    assert len(launches) < len(apart)
    assert launches[-1].startswith(f"{name} + {name} + {name} + ")


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("name", WHOLE)
def test_unary_of_integers(name, dtype, count, monkeypatch):
    x = drawn(count, 6, dtype)
    _, launches = joined(lambda x: unary(name, x + 2) * 3, x, monkeypatch=monkeypatch)
    assert launches == [f"add + {name} + mul"]


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_halves_are_rounded_after_each_step(name, half, monkeypatch):
    x, y = drawn(1023, 7).to(half), drawn(1023, 8).to(half)

    def run(x, y):
        z = unary(name, x * 1.25)
        return z + backward(name, y, z) if name in BACKWARD else z + y, z < y

    _, launches = joined(run, x, y, monkeypatch=monkeypatch)
    assert len(launches) == 1
    assert launches[0].startswith(f"mul + {name} + ")


@pytest.mark.parametrize("count", COUNTS)
def test_booleans(count, monkeypatch):
    x, y = drawn(count, 7), drawn(count, 8)

    def run(x, y):
        mask = (x < y) & (x > -1) | (y != y) ^ (x == 0)
        return nc.where(mask, x, y * 2), mask, mask.to(nc.float32) * 2, (x * mask).to(nc.bool)

    _, launches = joined(run, x, y, monkeypatch=monkeypatch)
    assert len(launches) == 1


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("half", HALVES, ids=str)
def test_roundings_to_halves_and_bytes(half, count, monkeypatch):
    x = drawn(count, 9)
    byte = drawn(count, 10, np.uint8)

    def run(x, byte):
        positive, low = (x > 0).to(half), (x * 3).to(half)
        return positive, low, low.to(nc.float32) - x, byte.to(nc.float32) / 255 - 0.5

    _, launches = joined(run, x, byte, monkeypatch=monkeypatch)
    assert len(launches) == 1


@pytest.mark.parametrize("dtype", [nc.float32, nc.float64, nc.int64, nc.bool, *HALVES], ids=str)
def test_fills_are_numbers(dtype, monkeypatch):
    x = (drawn(515, 11) > 0).to(dtype)

    def run(x):
        y = nc.full_like(x, 3)
        return nc.full_like(x, 1), (x.logical_and(y) if dtype is nc.bool else y * x), nc.zeros_like(x)

    _, launches = joined(run, x, monkeypatch=monkeypatch)
    assert len(launches) == 1
    assert launches[0].startswith("fill + fill + ")


def test_more_values_than_registers(monkeypatch):
    """Seven intermediate results live at once: what has no slot goes through memory."""

    def run(x, y):
        a, b, c, d = x + 1, x * y, y - 3, x.exp()
        e, f, g = x * x, y.tanh(), x / y
        return ((a * b + c * d) * (e - f) + g) * (a + b) * (c + d) * (e + f)

    x, y = drawn(777, 11), drawn(777, 12)
    apart, launches = joined(run, x, y, monkeypatch=monkeypatch)
    assert len(launches) == 2  # of 16 links at most
    assert len(apart) == 19


def test_memory_in_place_and_arrays_that_are_read_again(monkeypatch):
    w, m = nc.zeros(515, device="cuda"), nc.zeros(515, device="cuda")

    def restore():
        w.fill_(0.5)
        m.fill_(-1.0)

    def run(x):
        before = w * 2
        m.mul_(0.9).add_(x)
        w.sub_(m * 0.1)
        m.mul_(2)
        return before, w + 0, x + before

    x = drawn(515, 13)
    apart, launches = joined(run, x, monkeypatch=monkeypatch, restore=restore)
    assert len(launches) == 1 < len(apart)


def test_a_single_value_for_all_and_parts_of_arrays(monkeypatch):
    x, scale = drawn(1026, 14), drawn(1, 15)

    def run(x, scale):
        part = x[1:1025]  # begins off the multiples of 16 bytes
        return (part * scale[0] + 1).sigmoid() - part

    _, launches = joined(run, x, scale, monkeypatch=monkeypatch)
    assert launches == ["mul + add + sigmoid + sub"]


def test_what_does_not_fit_stays_apart(monkeypatch):
    x = drawn(120 * 120, 16).view(120, 120)
    _, launches = joined(lambda x: (x + x.T).exp() * x[:, :1], x, monkeypatch=monkeypatch)
    assert launches == ["add", "exp", "mul"]

    # Other dtypes and other lengths end a chain.
    _, launches = joined(lambda x: (x.double() * 2, x[:5] + 1), drawn(65, 18), monkeypatch=monkeypatch)
    assert len(launches) == 3


def test_the_backward_of_a_network(monkeypatch):
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 4)).cuda()
    x, target = nc.randn(6, 8, device="cuda"), nc.randn(6, 4, device="cuda")

    def step(x, target):
        y = model(x)
        loss = (F.smooth_l1_loss(y, target) + 0.1 * y.square().mean()).sqrt()
        return loss.detach(), *nc.autograd.grad(loss, [*model.parameters()])

    apart, launches = joined(step, x, target, monkeypatch=monkeypatch)
    assert any(" + " in name for name in launches)
    assert len(launches) < len(apart)
