"""Cases of the matrix products."""

import numpy as np

import nncore as nc
from nncore import reference as ref
from nncore.ops import gemm
from op_cases import Case, Draw, Sample, Wrong, layouts


def products(draw: Draw):
    """Every combination of layouts, odd sizes, and sizes of 0 and 1."""
    for a in layouts(draw.normal(3, 5)):
        for b in layouts(draw.normal(5, 4)):
            yield Sample((a, b))
    for m, n, k in [(1, 1, 1), (0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 7, 9), (7, 1, 9), (17, 33, 65), (70, 50, 300)]:
        yield Sample((draw.normal(m, k), draw.normal(k, n)), label=f"{m}x{n}x{k}")


def mm_misfits(draw: Draw):
    yield Wrong((draw.normal(2, 3), draw.normal(4, 5)), RuntimeError, r"inner dimensions.*\[2, 3\] @ \[4, 5\]")
    yield Wrong((draw.normal(3), draw.normal(3, 5)), RuntimeError, r"mm: expected two matrices, got \[3\]")


def shapes(*pairs):
    """Samples of normal values with these shapes, small enough for sums of about 1."""

    def values(draw: Draw, shape):
        return draw.normal(*shape, scale=max(1, *shape) ** -0.25)

    return lambda draw: (Sample(tuple(values(draw, s) for s in pair), label=str(pair)) for pair in pairs)


def misfits(exception, *pairs):
    return lambda draw: (
        Wrong(tuple(draw.normal(*s) for s in pair), exception, "expected|dimensions") for pair in pairs
    )


def matmuls(draw: Draw):
    """Vectors, matrices and batches with each other; the sizes at which the kernel changes its way."""
    pairs = [((4,), (4,)), ((0,), (0,)), ((3, 4), (4,)), ((4,), (4, 3)), ((4,), (2, 4, 3)), ((2, 3, 4), (4,))]
    pairs += [((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((2, 3, 4), (1, 4, 2))]
    pairs += [((0, 3, 4), (4, 5)), ((2, 3, 0), (0, 2)), ((2, 0, 3), (2, 3, 4)), ((1, 1), (1, 1)), ((0,), (0, 3))]
    pairs += [((2, 33, 40), (2, 40, 70)), ((5, 9000), (9000, 3)), ((9000,), (9000,)), ((200, 90), (90,))]
    pairs += [((90, 600), (600, 130)), ((3, 40, 17), (17, 31))]
    yield from shapes(*pairs)(draw)
    yield Sample((draw.normal(3, 50), draw.normal(200, 50).T), label="few rows, contiguous along k")
    yield Sample((draw.normal(130, 70).T, draw.normal(130, 90)), label="transposed, packed")
    yield Sample((draw.normal(100, 300), draw.normal(90, 300).T), label="second transposed, packed")
    for a in layouts(draw.normal(2, 3, 5)):
        yield Sample((a, draw.normal(5, 4)))
        yield Sample((draw.normal(2, 4, 3), a))


def special_values(draw: Draw):
    """Infinity and NaN reach the elements they belong to, and no others."""
    a, b = draw.normal(20, 40), draw.normal(40, 35)
    a[3, 5], a[7, 7], b[9, 11] = np.inf, np.nan, -np.inf
    yield Sample((a, b), smooth=False, label="inf and nan")


def integers(draw: Draw):
    for dtype in ("int32", "int64", "uint8"):
        a, b = draw.integers(0, 100, 3, 4, 5, dtype=dtype), draw.integers(0, 100, 5, 6, dtype=dtype)
        yield Sample((a, b), label=dtype)


def linears(draw: Draw):
    for x in [(3, 5), (5,), (2, 3, 5), (0, 5), (2, 0, 5), (20, 5)]:
        yield Sample((draw.normal(*x), draw.normal(4, 5), draw.normal(4)), label=str(x))
        yield Sample((draw.normal(*x), draw.normal(4, 5)), label=f"{x} without bias")
    yield Sample((draw.normal(3, 5), draw.normal(5)), label="one output")
    yield Sample((draw.normal(3, 0), draw.normal(4, 0), draw.normal(4)), label="no features")
    yield Sample((draw.normal(60, 300), draw.normal(50, 300), draw.normal(50)))
    for x in layouts(draw.normal(2, 3, 5)):
        yield Sample((x, draw.normal(4, 5), draw.normal(4)))


def linear_misfits(draw: Draw):
    yield Wrong((draw.normal(3, 5), draw.normal(4, 6)), RuntimeError, "linear: weight expects 6 input features.* has 5")
    yield Wrong((draw.normal(3, 5), draw.normal(4, 5), draw.normal(3)), RuntimeError, "linear: expected a bias of 4")


def sums(*batch: int):
    """For addmm and baddbmm: addends that broadcast, and factors."""

    def samples(draw: Draw):
        a, b = draw.normal(*batch, 3, 4), draw.normal(*batch, 4, 5)
        for c in [(*batch, 3, 5), (5,), (3, 1), (), (1, 5)]:
            yield Sample((draw.normal(*c), a, b), label=str(c))
        yield Sample((draw.normal(5), a, b), {"beta": 0.5, "alpha": -2.0}, label="factors")
        yield Sample((np.full_like(draw.normal(5), np.nan), a, b), {"beta": 0}, label="beta 0", smooth=False)
        yield Sample((draw.normal(*batch, 3, 5), draw.normal(*batch, 3, 0), draw.normal(*batch, 0, 5)), label="K = 0")

    return samples


def bilinears(draw: Draw):
    for lead in [(3,), (), (2, 3), (0,)]:
        x1, x2, weight = draw.normal(*lead, 3), draw.normal(*lead, 4), draw.normal(5, 3, 4)
        yield Sample((x1, x2, weight, draw.normal(5)), label=str(lead))
        yield Sample((x1, x2, weight), label=f"{lead} without bias")


def square(draw: Draw):
    for n in (64, 256, 1024):
        yield Sample((draw.normal(n, n), draw.normal(n, n)), label=f"{n}^3")


# A sum of K products of size about 1 is off by about sqrt(K) roundings of its partial sums; K is at most 300 here.
SUMS = {"float32": (2e-5, 2e-5), "float64": (1e-12, 1e-12)}


def matmul_misfits(draw: Draw):
    yield from misfits(RuntimeError, ((), (3,)), ((3,), (4,)), ((2, 3), (2,)), ((2, 3, 4), (3, 4, 5)))(draw)


def all_matmuls(draw: Draw):
    yield from matmuls(draw)
    yield from special_values(draw)


CASES = [
    Case("mm", nc.mm, ref.gemm.mm, products, mm_misfits, tolerance=SUMS, benchmark=square),
    Case("matmul", nc.matmul, ref.gemm.matmul, all_matmuls, matmul_misfits, tolerance=SUMS),
    Case("integer_matmul", nc.matmul, ref.gemm.matmul, integers, derivatives=0, torch="matmul"),
    Case(
        "bmm",
        nc.bmm,
        ref.gemm.bmm,
        shapes(((2, 3, 4), (2, 4, 5)), ((0, 3, 4), (0, 4, 5)), ((3, 1, 4), (3, 4, 1))),
        misfits(RuntimeError, ((2, 3, 4), (1, 4, 5)), ((3, 4), (4, 5))),
        tolerance=SUMS,
    ),
    Case(
        "mv",
        nc.mv,
        ref.gemm.mv,
        shapes(((3, 4), (4,)), ((0, 4), (4,)), ((3, 0), (0,)), ((50, 60), (60,))),
        misfits(RuntimeError, ((3, 4), (3,)), ((3, 4), (4, 1))),
        tolerance=SUMS,
    ),
    Case(
        "dot",
        nc.dot,
        ref.gemm.dot,
        shapes(((4,), (4,)), ((1,), (1,)), ((0,), (0,)), ((300,), (300,))),
        misfits(RuntimeError, ((3,), (4,)), ((3, 1), (3,))),
        tolerance=SUMS,
    ),
    Case(
        "outer",
        nc.outer,
        ref.gemm.outer,
        shapes(((4,), (3,)), ((0,), (3,)), ((40,), (70,))),
        misfits(RuntimeError, ((3, 1), (4,))),
    ),
    Case("addmm", nc.addmm, ref.gemm.addmm, sums(), tolerance=SUMS),
    Case("baddbmm", nc.baddbmm, ref.gemm.baddbmm, sums(2), tolerance=SUMS),
    Case("linear", gemm.linear, ref.gemm.linear, linears, linear_misfits, tolerance=SUMS),
    Case("bilinear", gemm.bilinear, ref.gemm.bilinear, bilinears, tolerance=SUMS),
]
