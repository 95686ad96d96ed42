"""Cases of distances and similarities of vectors."""

import numpy as np

import nncore as nc
import nncore.nn.functional as F
from nncore import reference as ref
from op_cases import Case, Draw, Sample, Wrong, layouts, transposed

ORDERS = (2.0, 1.0, 3.0, 1.5, np.inf)
# Sums of some terms, and roots of them.
LOOSE = {"float32": (1e-5, 1e-5), "float64": (1e-12, 1e-13)}


def pairs(draw: Draw):
    """Two vectors, rows of vectors, one against rows, and batches."""
    for first, second in [((3, 5), (3, 5)), ((5,), (5,)), ((2, 3, 4), (2, 3, 4)), ((1, 5), (3, 5)), ((3, 1), (3, 1))]:
        yield draw.normal(*first), draw.normal(*second)
    x = draw.normal(4, 6)
    for view in layouts(x):
        yield view, draw.normal(4, 6)


def distances(draw: Draw):
    for x, y in pairs(draw):
        yield Sample((x, y), label=f"{x.shape} {y.shape}")
    x, y = draw.normal(3, 5), draw.normal(3, 5)
    for p in ORDERS:
        yield Sample((x, y), {"p": p}, f"p {p}")
    yield Sample((x, y), {"p": 0.0, "eps": 0.0}, "p 0", smooth=False)
    yield Sample((x, y), {"keepdim": True, "eps": 1e-3}, "keepdim")
    yield Sample((draw.normal(), draw.normal()), label="scalars")
    yield Sample((x[:0], y[:0]), label="no rows", smooth=False)
    yield Sample((x, x.copy()), label="equal", smooth=False)


def similarities(draw: Draw):
    for x, y in pairs(draw):
        for dim in (0, -1):
            yield Sample((x, y), {"dim": dim}, f"{x.shape} {y.shape} {dim}")
    x, y = draw.normal(3, 5), draw.normal(3, 5)
    yield Sample((x, y), {"eps": 3.0}, "eps above one norm", smooth=False)
    yield Sample((x * 0, y), label="zeros", smooth=False)
    yield Sample((x[:0], y[:0]), label="no rows", smooth=False)
    yield Sample((draw.normal(2, 4, 3), draw.normal(4, 1)), label="broadcast")
    yield Sample((draw.uniform(low=1), draw.uniform(low=1)), {"dim": 0}, "scalars", smooth=False)


def wrong_similarities(draw: Draw):
    yield Wrong((draw.integers(0, 3, 2, 2), draw.integers(0, 3, 2, 2)), RuntimeError, "common dtype.*floating point")
    yield Wrong((draw.normal(2, 3), draw.normal(2, 4)), RuntimeError, "broadcast|size")


def tables(draw: Draw):
    for first, second in [((3, 4), (5, 4)), ((2, 3, 4), (2, 5, 4)), ((2, 1, 3, 4), (2, 5, 4)), ((1, 1), (1, 1))]:
        yield Sample((draw.normal(*first), draw.normal(*second)), label=f"{first} {second}")
    x, y = draw.normal(3, 4), draw.normal(5, 4)
    for p in ORDERS:
        yield Sample((x, transposed(y)), {"p": p}, f"p {p}")
    yield Sample((x, x.copy()), label="zeros on the diagonal", smooth=False)
    yield Sample((x[:0], y), label="no rows", smooth=False)


def wrong_tables(draw: Draw):
    x = draw.normal(3, 4)
    yield Wrong(
        (x, draw.normal(5, 3)), RuntimeError, r"cdist: expected vectors of one length, got \[3, 4\] and \[5, 3\]"
    )
    yield Wrong((x, draw.normal(4)), RuntimeError, "cdist: expected inputs of at least 2 dimensions, got 2 and 1")
    yield Wrong((x, x), RuntimeError, "cdist: expected p of at least 0, got -1", {"p": -1})
    yield Wrong((x, x), ValueError, "x is not a valid value for compute_mode", {"compute_mode": "x"})


def rows(draw: Draw):
    for shape in [(4, 3), (2, 1), (5, 6)]:
        for p in ORDERS:
            yield Sample((draw.normal(*shape),), {"p": p}, f"{shape} {p}")
    yield Sample((transposed(draw.normal(4, 3)),), label="strided")
    yield Sample((draw.normal(1, 3),), label="one row", smooth=False)


def wrong_rows(draw: Draw):
    yield Wrong((draw.normal(3),), RuntimeError, r"pdist: expected an input of 2 dimensions, got \[3\]")
    yield Wrong((draw.normal(3, 2),), RuntimeError, "pdist: expected p of at least 0, got -1", {"p": -1})


def directions(draw: Draw):
    for x in layouts(draw.normal(3, 5)):
        for dim in (0, 1, -1):
            yield Sample((x,), {"dim": dim}, f"{dim} {x.strides}")
    for p in ORDERS:
        yield Sample((draw.normal(2, 3, 4),), {"p": p}, f"p {p}")
    yield Sample((draw.normal(3),), {"dim": 0}, "vector")
    yield Sample((draw.normal(2, 3) * 0,), label="zeros", smooth=False)
    yield Sample((draw.normal(0, 3),), label="no rows", smooth=False)


CASES = [
    Case("pairwise_distance", F.pairwise_distance, ref.distance.pairwise_distance, distances, tolerance=LOOSE),
    Case(
        "cosine_similarity",
        F.cosine_similarity,
        ref.distance.cosine_similarity,
        similarities,
        wrong_similarities,
        LOOSE,
    ),
    Case("cdist", nc.cdist, ref.distance.cdist, tables, wrong_tables, LOOSE),
    Case("pdist", F.pdist, ref.distance.pdist, rows, wrong_rows, LOOSE),
    Case("normalize", F.normalize, ref.distance.normalize, directions, tolerance=LOOSE),
]
