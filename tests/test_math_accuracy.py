"""The error of the vector functions in units in the last place, over the whole range of their arguments.

For float32 the truth is NumPy in float64, which is good to far less than one float32 ulp; for float64 it is NumPy's
long double, where that is wider. The bounds are those stated in csrc/math/functions.h, plus what the truth lacks.
"""

import math

import numpy as np
import pytest

import nncore as nc


def _sigmoid(x):
    return np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))


def _erf(x):
    return np.vectorize(math.erf, otypes=[np.float64])(x)


FUNCTIONS = {  # name: (truth, bound in ulp)
    "exp": (np.exp, 1.0),
    "exp2": (np.exp2, 1.1),
    "expm1": (np.expm1, 2.0),
    "log": (np.log, 1.0),
    "log1p": (np.log1p, 1.0),
    "log2": (np.log2, 2.2),
    "tanh": (np.tanh, 2.2),
    "sigmoid": (_sigmoid, 1.5),
    "sin": (np.sin, 2.1),
    "cos": (np.cos, 2.1),
    "asin": (np.arcsin, 1.6),
    "acos": (np.arccos, 1.5),
    "atan": (np.arctan, 2.5),
    "erf": (_erf, 2.5),
}


def ulps(got: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The distance of got to the truth, in units in the last place of the truth rounded to got's dtype."""
    rounded = truth.astype(got.dtype)
    same = (got == rounded) | (np.isnan(got) & np.isnan(truth))
    unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(got.dtype).max)).astype(truth.dtype)
    distance = np.abs(got.astype(truth.dtype) - truth) / unit
    return np.where(same & ~(distance < np.inf), 0.0, np.where(np.isnan(distance), np.inf, distance))


def float32_everywhere(count: int) -> np.ndarray:
    """Bit patterns evenly over all there are: every exponent, both signs, subnormals, infinities and NaN."""
    bits = np.arange(0, 1 << 32, (1 << 32) // count | 1, dtype=np.uint64).astype(np.uint32)
    edges = np.asarray([0x7F800000, 0xFF800000, 0x7FC00000, 0x80000000, 0x7F7FFFFF, 0xFF7FFFFF, 1], np.uint32)
    return np.concatenate([bits, edges]).view(np.float32)


def run(name: str, x: np.ndarray) -> np.ndarray:
    return np.asarray(getattr(nc, name)(nc.from_numpy(x)))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_float32(name, isa):
    truth, bound = FUNCTIONS[name]
    x = float32_everywhere(20_000 if name == "erf" else 1_000_000)
    error = ulps(run(name, x), truth(x.astype(np.float64)))
    worst = np.argmax(error)
    assert error[worst] <= bound, f"{name}({x[worst]!r}) is off by {error[worst]} ulp"


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n != "erf"])
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than double here")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_float64(name, isa):
    truth, bound = FUNCTIONS[name]
    random = np.random.default_rng(1)
    spread = random.standard_normal(100_000) * np.exp(random.uniform(-12, 8, 100_000))
    bits = random.integers(0, 1 << 64, 50_000, dtype=np.uint64).view(np.float64)
    x = np.concatenate([spread, random.uniform(-3, 3, 100_000), bits, [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324]])
    error = ulps(run(name, x), truth(x.astype(np.longdouble)))
    worst = np.argmax(error)
    assert error[worst] <= bound, f"{name}({x[worst]!r}) is off by {error[worst]} ulp"


# name: (truth, bound for float32, for float64). Cubes are rounded twice.
OF_TWO = {"pow": (np.power, 1.3, 1.3), "atan2": (np.arctan2, 2.1, 2.1), "fmod": (np.fmod, 0.0, 0.0)}
EDGES = [0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 2, -2, 0.5, -0.5, 3, -3, 1e-45, -1e-45, 1e38, -1e38, 3e38, 2.5, 7]
EDGES += [-2.5, 16777215, -16777215, 1 + 2**-23, 1e10]


@pytest.mark.parametrize("name", OF_TWO)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_of_two_numbers(name, dtype, isa):
    """Against NumPy in float64, or in long double; all pairs of the numbers that are special to one of them too."""
    truth, bound32, bound64 = OF_TWO[name]
    wide, bound = (np.float64, bound32) if dtype == "float32" else (np.longdouble, bound64)
    if name == "fmod":
        wide = np.dtype(dtype)  # exact in every precision
    elif dtype == "float64" and np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double is no wider than double here")
    random = np.random.default_rng(3)
    x, y = (random.standard_normal((2, 200_000)) * np.exp(random.uniform(-12, 12, (2, 200_000)))).astype(dtype)
    if name == "pow":
        y = (y / np.abs(y) * random.uniform(0, 8, y.size)).astype(dtype)
        x[::2] = np.abs(x[::2])
        y[1::2] = np.round(y[1::2])
    special = np.asarray(EDGES, dtype)
    x = np.concatenate([x, np.repeat(special, special.size)])
    y = np.concatenate([y, np.tile(special, special.size)])
    got, expected = (
        np.asarray(getattr(nc, name)(nc.from_numpy(x), nc.from_numpy(y))),
        truth(x.astype(wide), y.astype(wide)),
    )
    error = ulps(got, expected)
    worst = np.argmax(error)
    assert error[worst] <= bound, f"{name}({x[worst]!r}, {y[worst]!r}) is off by {error[worst]} ulp"
    number = ~np.isnan(got)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_at_every_place(name, dtype, isa):
    """An element's result depends neither on its neighbours nor on its place in vector, tail or strided view."""
    x = (np.random.default_rng(2).standard_normal(203) * 5).astype(dtype)
    whole = run(name, x)
    one_by_one = np.concatenate([run(name, x[i : i + 1]) for i in range(x.size)])
    strided = run(name, np.repeat(x, 3)[::3])
    transposed = run(name, np.ascontiguousarray(np.tile(x, (7, 1)).T).T)
    assert whole.tobytes() == one_by_one.tobytes() == strided.tobytes()
    assert all(row.tobytes() == whole.tobytes() for row in transposed)
