"""Cases of the reductions."""

from dataclasses import replace

import numpy as np

import nncore as nc
from nncore import reference as ref
from op_cases import Case, Draw, Sample, Wrong, layouts, transposed

# Where the kernels change their way: below and above a vector, several vectors, a block, a chunk; narrow and wide.
ROWS = [1, 3, 16, 31, 64, 65, 150]
SHAPES = [(5000,), (70_001,), (3, 4097), (9, 1025), (300, 7), (2, 300, 70), (5, 6, 7, 8)]


def over_dims(inputs, dims=(None, 0, -1, 1, (0, 1)), large=SHAPES, kwargs=None):
    """Every dim of every layout, with and without keepdim, and sizes at which the kernel works differently."""
    kwargs = kwargs or {}

    def samples(draw: Draw):
        for x in layouts(inputs(draw, 3, 5)):
            for dim in dims:
                for keepdim in (False, True):
                    smooth = inputs is not distinct or 0 not in x.strides
                    yield Sample((x,), {"dim": dim, "keepdim": keepdim, **kwargs}, f"dim {dim}", smooth)
        for dim in ((1, 2), (0, -1), 1):
            yield Sample((transposed(inputs(draw, 2, 3, 4)),), {"dim": dim, **kwargs})
        for n in ROWS:
            yield Sample((inputs(draw, 2, n),), {"dim": -1, **kwargs}, f"row of {n}")
            yield Sample((inputs(draw, n, 2),), {"dim": 0, **kwargs}, f"column of {n}")
        yield Sample((inputs(draw),), kwargs, "0-d")
        yield Sample((inputs(draw),), {"dim": -1, **kwargs}, "0-d over its last dim")
        for shape in large:
            x = inputs(draw, *shape)
            for dim in {0, len(shape) - 1}:
                yield Sample((x,), {"dim": dim, **kwargs}, f"{shape} over {dim}")
            yield Sample((x,), kwargs, f"{shape}")
            if len(shape) > 2:
                yield Sample((x,), {"dim": 1, **kwargs}, f"{shape} over 1")

    return samples


def empty_too(samples, **kwargs):
    """The same, and reductions over and beside no elements."""

    def more(draw: Draw):
        yield from samples(draw)
        for shape, dim in [
            ((0,), None),
            ((0,), 0),
            ((2, 0, 3), 1),
            ((2, 0, 3), 0),
            ((2, 0, 3), None),
            ((0, 3), (0, 1)),
        ]:
            yield Sample((draw.normal(*shape),), {"dim": dim, **kwargs}, f"{shape} over {dim}", smooth=False)

    return more


def wrong_dims():
    def wrong(draw: Draw):
        yield Wrong((draw.normal(2, 3), 2), IndexError, r"Dimension out of range.*\[-2, 1\], but got 2")
        yield Wrong((draw.normal(2, 3), (0, -2)), RuntimeError, r"dim 0 appears multiple times")

    return wrong


def with_extremes(samples):
    def more(draw: Draw):
        yield from samples(draw)
        yield Sample((draw.extremes(),), {}, "extremes", smooth=False)
        yield Sample((draw.extremes().reshape(1, -1),), {"dim": 0}, "extremes", smooth=False)

    return more


def large(draw: Draw):
    """A large matrix over its last, its first and all dimensions."""
    for shape in ((256, 256), (2048, 4096)):
        x = draw.normal(*shape)
        for dim in (1, 0, None):
            yield Sample((x,), {"dim": dim}, f"{shape} over {dim}")
    yield Sample((draw.normal(32, 64, 28, 28),), {"dim": (0, 2, 3)}, "per channel")


def normal(draw: Draw, *shape):
    return draw.normal(*shape)


def expansions(draw: Draw):
    for x in layouts(draw.normal(3, 1)):
        yield Sample((x, (3, 4)))
    yield Sample((draw.normal(3, 1), (2, -1, 4)))
    yield Sample((draw.normal(), (2, 3)))
    yield Sample((draw.normal(1, 3), (0, 3)))
    yield Sample((draw.normal(2, 1, 3), (2, 0, 3)))


def distinct(draw: Draw, *shape):
    return draw.distinct(*shape, gap=0.25)


def near_one(draw: Draw, *shape):
    """Factors whose product neither overflows nor vanishes."""
    return draw.uniform(*shape, low=0.9, high=1.1)


def away_from_zero(draw: Draw, *shape):
    return draw.away_from(0.0, *shape)


def with_zeros(draw: Draw):
    """Products in which one factor, several or none are 0."""
    for sample in over_dims(near_one, dims=(None, 0, 1, -1))(draw):
        if not isinstance(sample.kwargs.get("dim"), tuple):
            yield sample
    x = draw.normal(4, 5)
    x[0, 1] = x[1, 2] = x[1, 4] = 0
    yield Sample((x,), {}, "zeros")
    yield Sample((x,), {"dim": 1}, "zeros in rows")
    yield Sample((x,), {"dim": 0, "keepdim": True}, "zeros in columns")
    yield Sample((draw.normal(0, 3),), {"dim": 0}, "none", smooth=False)


def scans(draw: Draw):
    for x in layouts(draw.normal(3, 5)):
        for dim in (0, 1, -2):
            yield Sample((x, dim), label=f"dim {dim}")
    for shape, dim in [
        ((), 0),
        ((0,), 0),
        ((2, 0, 3), 1),
        ((1000,), 0),
        ((3, 300), 0),
        ((300, 3), 0),
        ((4, 5, 600), 1),
    ]:
        yield Sample((draw.normal(*shape, scale=0.5), dim), label=f"{shape} over {dim}")
    x = draw.normal(3, 4)
    x[1, 1] = x[1, 3] = 0
    yield Sample((x, 1), label="zeros")


def ties_and_nan(draw: Draw):
    for dim in (None, 0, 1):
        yield Sample((draw.integers(0, 3, 9, 40).astype(draw.dtype),), {"dim": dim}, "ties", smooth=False)
        x = draw.normal(40, 70)
        x[3, 5] = x[3, 40] = x[17, 66] = float("nan")
        yield Sample((x,), {"dim": dim}, "NaN", smooth=False)


def maxima(draw: Draw):
    yield from over_dims(distinct)(draw)
    yield from ties_and_nan(draw)


def maxima_flat(draw: Draw):
    """One dimension or all of them."""
    for sample in maxima(draw):
        if not isinstance(sample.kwargs.get("dim"), tuple):
            yield sample


def maxima_along(draw: Draw):
    for sample in maxima(draw):
        if isinstance(sample.kwargs.get("dim"), int):
            yield sample


def tied(draw: Draw):
    """Equal extremes share the gradient: still linear, but in no direction smooth."""
    yield from with_extremes(over_dims(distinct, dims=(None, 0, -1, (0, 1))))(draw)
    yield from ties_and_nan(draw)


def nothing_to_compare(draw: Draw):
    yield from wrong_dims()(draw)
    yield Wrong((draw.normal(2, 0), 1), IndexError, r"expected reduction dim 1 to have non-zero size, got \[2, 0\]")


def nothing_along(draw: Draw):
    yield Wrong((draw.normal(2, 3), 2), IndexError, r"Dimension out of range.*\[-2, 1\], but got 2")
    yield Wrong((draw.normal(2, 0), 1), IndexError, r"Expected reduction dim 1 to have non-zero size, got \[2, 0\]")


def truths(draw: Draw):
    for shape, dim in [
        ((3, 5), None),
        ((3, 5), 0),
        ((3, 5), 1),
        ((), None),
        ((0, 3), 0),
        ((70_000,), None),
        ((40, 300), 0),
    ]:
        yield Sample((draw.booleans(*shape),), {"dim": dim})
        yield Sample((np.zeros(shape, bool),), {"dim": dim})
        yield Sample((draw.integers(0, 2, *shape).astype(draw.dtype),), {"dim": dim})
        yield Sample((draw.integers(0, 3, *shape, dtype="int32"),), {"dim": dim})
    yield Sample((draw.extremes(),), {"dim": None})


def integer_sums(draw: Draw):
    for dtype in ("int64", "int32"):
        for dim in (None, 0, (0, 1), -1):
            yield Sample((draw.integers(-9, 9, 30, 70, dtype=dtype),), {"dim": dim})
    yield Sample((draw.booleans(5, 6),), {"dim": 0})


def spreads(draw: Draw):
    """Variances of enough elements are smooth."""
    for sample in _spreads(draw):
        x, dim = sample.args[0], sample.kwargs.get("dim")
        dims = range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
        count = np.prod([x.shape[d] for d in dims]) if x.ndim else 1
        yield replace(sample, smooth=bool(count > sample.kwargs.get("correction", 1)))


def _spreads(draw: Draw):
    for correction in (0, 1, 2.5):
        yield from over_dims(normal, dims=(None, 0, -1), large=SHAPES[:5], kwargs={"correction": correction})(draw)
    yield Sample((100 + draw.normal(50, 60),), {"dim": 1}, "far from 0")
    for shape, dim in [((0,), None), ((2, 0), 1), ((1,), 0)]:
        yield Sample((draw.normal(*shape),), {"dim": dim}, f"{shape}")


def deviations(draw: Draw):
    """Square roots, which are not smooth where all elements are equal: single and repeated ones."""
    for sample in spreads(draw):
        x, dim = sample.args[0], sample.kwargs.get("dim")
        single = x.ndim == 0 or (isinstance(dim, int) and x.shape[dim] == 1)
        yield replace(sample, smooth=sample.smooth and not single and 0 not in x.strides)


def log_sums(draw: Draw):
    for sample in over_dims(normal)(draw):
        yield replace(sample, kwargs={"dim": None, **sample.kwargs})
    yield Sample((100 * draw.normal(5, 40),), {"dim": 1}, "large")
    for x in (np.inf, -np.inf, np.nan):
        yield Sample((np.array([[x, 1.0], [x, x], [0.0, 1.0]], draw.dtype),), {"dim": 1}, str(x), smooth=False)
    yield Sample((draw.normal(0, 3),), {"dim": 0}, "none", smooth=False)


def norms(draw: Draw):
    for p in (2, 1, 0, 3, 1.5, 0.5, float("inf"), -float("inf"), -1.0):
        for dim in (None, 0, 1):
            # Distinct magnitudes: with equal ones the largest is not smooth.
            x = distinct(draw, 4, 6) + np.asarray(0.1, draw.dtype)
            yield Sample((x,), {"ord": p, "dim": dim}, f"p {p}")
    for p in (2, 1, 3, float("inf")):
        yield Sample((draw.normal(3000),), {"ord": p}, f"p {p}")
        yield Sample((np.zeros((3, 4), draw.dtype),), {"ord": p, "dim": 1, "keepdim": True}, "zeros", smooth=False)


# A pairwise sum of up to 2^17 normal values: their sum is about 300, of which a few roundings may be lost.
SUMS = {"float32": (2e-5, 2e-4), "float64": (1e-12, 1e-12)}
# Products and powers carry the relative errors of thousands of factors.
PRODUCTS = {"float32": (1e-3, 1e-6), "float64": (1e-11, 1e-14)}
VARIANCES = {"float32": (1e-5, 1e-6), "float64": (1e-12, 1e-14)}

CASES = [
    Case("sum", nc.sum, ref.reduce.sum, empty_too(over_dims(normal)), wrong_dims(), SUMS, benchmark=large),
    Case("sum_of_integers", nc.sum, ref.reduce.sum, integer_sums, derivatives=0, torch="sum"),
    Case("mean", nc.mean, ref.reduce.mean, empty_too(over_dims(normal)), wrong_dims(), benchmark=large),
    Case("prod", nc.prod, ref.reduce.prod, with_zeros, tolerance=PRODUCTS),
    Case("amax", nc.amax, ref.reduce.amax, tied, nothing_to_compare, benchmark=large),
    Case("amin", nc.amin, ref.reduce.amin, tied, nothing_to_compare),
    Case("max", nc.max, ref.reduce.max, maxima_along, nothing_along),
    Case("min", nc.min, ref.reduce.min, maxima_along, nothing_along),
    Case("argmax", nc.argmax, ref.reduce.argmax, maxima_flat, nothing_along, derivatives=0, benchmark=large),
    Case("argmin", nc.argmin, ref.reduce.argmin, maxima_flat, nothing_along, derivatives=0),
    Case("any", nc.any, ref.reduce.any, truths, derivatives=0),
    Case("all", nc.all, ref.reduce.all, truths, derivatives=0),
    Case("count_nonzero", nc.count_nonzero, ref.reduce.count_nonzero, truths, derivatives=0),
    Case("cumsum", nc.cumsum, ref.reduce.cumsum, scans),
    Case("cumprod", nc.cumprod, ref.reduce.cumprod, scans, tolerance=PRODUCTS),
    Case("var", nc.var, ref.reduce.var, spreads, tolerance=VARIANCES, benchmark=large),
    Case("std", nc.std, ref.reduce.std, deviations, tolerance=VARIANCES),
    Case("var_mean", nc.var_mean, ref.reduce.var_mean, spreads, tolerance=VARIANCES),
    Case("std_mean", nc.std_mean, ref.reduce.std_mean, deviations, tolerance=VARIANCES),
    Case("logsumexp", nc.logsumexp, ref.reduce.logsumexp, log_sums, benchmark=large),
    Case("vector_norm", nc.linalg.vector_norm, ref.reduce.vector_norm, norms, tolerance=VARIANCES),
    Case("expand", lambda x, shape: x.expand(shape), ref.reduce.expand, expansions),
]
