"""Elementwise operations take float16 and bfloat16 as they are on CUDA, with the bits of computing in float32 and
rounding once."""

import numpy as np
import pytest

import nncore as nc
from elementwise_names import ARITHMETIC, BACKWARD, PARAMS, PREDICATES, UNARY
from nncore import _core
from nncore.ops.apply import native

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

HALVES = [nc.float16, nc.bfloat16]


def every_value(half):
    """All 65536 of them, on the device, in the order of their bits."""
    bits = np.arange(1 << 16, dtype=np.uint32)
    values = bits.astype(np.uint16).view(np.float16) if half is nc.float16 else (bits << 16).view(np.float32)
    return nc.from_numpy(values).cuda().to(half)


def drawn(shape, half, seed):
    values = 2 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    values.reshape(-1)[:7] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-7, 3.0][: values.size]
    return nc.from_numpy(values).cuda().to(half)


def same(got, expected):
    """To the last bit, every NaN the same one."""
    assert got.dtype is expected.dtype
    assert got.shape == expected.shape
    got, expected = (t.cpu().float().numpy() for t in (got, expected))
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(expected[got == 0]))


def rounded(function, half, *args):
    """What the function gives in float32, rounded; booleans as they are."""
    result = function(*(x.float() if isinstance(x, nc.Tensor) else x for x in args))
    return result if result.dtype is nc.bool else result.to(half)


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_every_value_through_every_function(name, half):
    x = every_value(half)
    run = lambda x: native(getattr(_core, name), x, params=PARAMS.get(name, ()))  # noqa: E731
    same(run(x), rounded(run, half, x))


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", BACKWARD)
def test_every_value_through_every_derivative(name, half):
    x = every_value(half)
    gy = x.flip(0)
    run = lambda gy, x: native(getattr(_core, name + "_backward"), gy, x, params=PARAMS.get(name, ()))  # noqa: E731
    same(run(gy, x), rounded(run, half, gy, x))


def operands(half):
    """Pairs of every layout: whole and ragged ends, off the multiples of 16 bytes, strided, broadcast, numbers."""
    x, y = drawn((37, 41), half, 0), drawn((37, 41), half, 1)
    flat, other = drawn(4099, half, 2), drawn(4099, half, 3)
    return [
        (flat, other),
        (flat[1:], other[:-1]),
        (flat[:3], other[:3]),
        (flat[::3], other[::3]),
        (x, y.flip(0)),
        (x.t(), y.t()),
        (x[:, ::2], y[:, 1::2].flip(1)[:, :1]),
        (x[:1], y),
        (x, y[:, 3:4]),
        (flat[5], other),
        (flat, 0.3),
        (1.7, other),
        (x.t(), 3),
        (flat[:0], other[:0]),
    ]


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", ARITHMETIC + PREDICATES)
def test_binary_operations_of_every_layout(name, half):
    run = lambda x, y: native(getattr(_core, name), x, y)  # noqa: E731
    for x, y in operands(half):
        same(run(x, y), rounded(run, half, x, y))


@pytest.mark.parametrize("half", HALVES, ids=str)
def test_functions_of_every_layout(half):
    for x, y in operands(half):
        for z in (x, y):
            if isinstance(z, nc.Tensor):
                same(nc.tanh(z), rounded(nc.tanh, half, z))
        if isinstance(x, nc.Tensor) and isinstance(y, nc.Tensor):
            run = lambda gy, s: native(_core.silu_backward, gy, s)  # noqa: E731
            same(run(x, y), rounded(run, half, x, y))


@pytest.mark.parametrize("half", HALVES, ids=str)
def test_in_place_and_out(half):
    x, y = drawn((13, 11), half, 4), drawn((13, 11), half, 5)
    expected = rounded(nc.add, half, x, y)
    for target in (x.clone(), x.t().contiguous().t()):
        target.add_(y)
        same(target, expected)
    out = nc.empty(13, 11, dtype=half, device="cuda")
    assert nc.add(x, y, out=out) is out
    same(out, expected)
    wide = nc.empty(13, 11, device="cuda")
    same(nc.add(x, y, out=wide), x.float() + y.float())
    part = drawn(300, half, 6)
    expected = rounded(nc.mul, half, part[1:], part[:-1])
    part[1:].mul_(part[:-1])  # which overlap
    same(part[1:], expected)


def test_other_dtypes_meet_as_before():
    x = drawn(50, nc.float16, 7)
    wide, low, whole = drawn(50, nc.float32, 8), drawn(50, nc.bfloat16, 9), nc.arange(50, device="cuda")
    same(x + wide, x.float() + wide)
    same(x + low, x.float() + low.float())
    same(x + whole, (x.float() + whole).half())
    same(x * wide[3], (x.float() * wide[3]).half())  # not rounded to float16 before
    same(x * nc.tensor(1.0001), (x.float() * nc.tensor(1.0001)).half())
    with pytest.raises(NotImplementedError, match="bitwise_and: expected integers"):
        x & 1
    with pytest.raises(RuntimeError, match="add"):
        x + drawn(49, nc.float16, 9)


@pytest.mark.parametrize("half", HALVES, ids=str)
def test_nothing_is_copied_to_float32(half, monkeypatch):
    x = drawn(1000, half, 10)

    def kernels(fuse):
        monkeypatch.setenv("NNCORE_FUSE", fuse)
        run = nc.capture(lambda x: (nc.tanh(x) * x, x[::2] < 0.5))
        results = [run(x) for _ in range(3)]
        same(results[-1][0], rounded(nc.mul, half, rounded(nc.tanh, half, x), x))
        return [row.kernel for row in run.plans[0].launches()]

    assert kernels("0") == ["tanh", "mul", "lt"]
    assert kernels("1") == ["tanh + mul", "lt"]
