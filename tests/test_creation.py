"""Numbers counted off: bit for bit what the same sums are in NumPy."""

import numpy as np
import pytest

import nncore as nc

DTYPES = [nc.float32, nc.float64, nc.int32, nc.int64, nc.uint8]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("start", "end", "step"), [(0, 7, 1), (3, 250, 7), (9, 2, -3), (5, 5, 1), (1, 70_000, 1)])
def test_integers_counted(start, end, step, dtype):
    y, expected = nc.arange(start, end, step, dtype=dtype).numpy(), np.arange(start, end, step)
    assert np.array_equal(y, expected.astype(y.dtype))


@pytest.mark.parametrize("dtype", DTYPES[:2], ids=str)
@pytest.mark.parametrize(("start", "end", "step"), [(0.1, 7, 0.013), (-0.7, 5, 0.1), (1e3, -2.5, -0.3)])
def test_each_step_is_multiplied_and_added(start, end, step, dtype):
    y = nc.arange(start, end, step, dtype=dtype).numpy()
    places = np.arange(len(y))
    assert len(y) == np.ceil((end - start) / step)
    assert np.array_equal(y, (start + step * places).astype(y.dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("start", "end", "steps"), [(0, 1, 5), (200, 3, 8), (0.1, 0.9, 70_001), (2, 2, 3), (7, 1, 1)])
def test_halves_are_counted_from_their_ends(start, end, steps, dtype):
    y = nc.linspace(start, end, steps, dtype=dtype).numpy()
    start, end = (y.dtype.type(v).item() for v in (start, end))
    step, places = (end - start) / max(steps - 1, 1), np.arange(steps)
    expected = np.where(places < steps // 2, start + step * places, end - step * (steps - 1 - places))
    assert np.array_equal(y, (expected if steps > 1 else np.array([start])).astype(y.dtype))


@pytest.mark.parametrize("dtype", [*DTYPES, nc.bool], ids=str)
@pytest.mark.parametrize("shape", [(3,), (3, 5), (5, 3), (0,), (0, 2), (2, 0)])
def test_diagonals(shape, dtype):
    y = nc.eye(*shape, dtype=dtype).numpy()
    assert np.array_equal(y, np.eye(*shape, dtype=y.dtype))


def test_what_is_too_large_is_refused():
    for make in (lambda n: nc.arange(n), lambda n: nc.linspace(0, 1, n), lambda n: nc.eye(n)):
        with pytest.raises(RuntimeError, match="too large"):
            make(2**62)
        with pytest.raises(OverflowError):
            make(2**70)
