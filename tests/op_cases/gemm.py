"""Cases of the matrix products."""

import nncore as nc
from nncore import reference as ref

from op_cases import Case, Draw, Sample, Wrong, layouts


def products(draw: Draw):
    """Every combination of layouts, odd sizes, and sizes of 0 and 1."""
    for a in layouts(draw.normal(3, 5)):
        for b in layouts(draw.normal(5, 4)):
            yield Sample((a, b))
    for m, n, k in [(1, 1, 1), (0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 7, 9), (7, 1, 9), (17, 33, 65), (70, 50, 300)]:
        yield Sample((draw.normal(m, k), draw.normal(k, n)), label=f"{m}x{n}x{k}")


def misfits(draw: Draw):
    yield Wrong((draw.normal(2, 3), draw.normal(4, 5)), RuntimeError, r"gemm: inner dimensions.*\[2, 3\] @ \[4, 5\]")
    yield Wrong((draw.normal(3), draw.normal(3, 5)), RuntimeError, r"mm: expected two matrices, got \[3\]")


def square(draw: Draw):
    for n in (64, 256, 1024):
        yield Sample((draw.normal(n, n), draw.normal(n, n)), label=f"{n}^3")


# A sum of K products of size about 1 is off by about sqrt(K) roundings of its partial sums; K is at most 300 here.
SUMS = {"float32": (2e-5, 2e-5), "float64": (1e-12, 1e-12)}

CASES = [
    Case("mm", nc.mm, ref.gemm.mm, products, misfits, tolerance=SUMS, benchmark=square),
]
