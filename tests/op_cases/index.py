"""Cases of indexing: picking, putting, joining, padding, sorting."""

from dataclasses import replace

import numpy as np

import nncore as nc
from nncore import reference as ref
from nncore.ops.index import embedding, one_hot
from nncore.ops.pad import pad
from op_cases import Case, Draw, Sample, Wrong, layouts, transposed


def places_in(draw: Draw, extent: int, *shape: int, dtype: str = "int64"):
    return draw.integers(0, extent, *shape, dtype=dtype)


def selections(draw: Draw):
    for x in layouts(draw.normal(4, 5)):
        for dim in (0, 1, -1):
            yield Sample((x, dim, places_in(draw, 4, 7)))
    yield Sample((draw.normal(2, 3, 4), 1, places_in(draw, 3, 5, dtype="int32")), label="int32")
    yield Sample((draw.normal(3, 0), 0, np.array([2, 2])), label="empty slices")
    yield Sample((draw.normal(3, 4), 0, np.array([], np.int64)), label="no places")
    yield Sample((draw.normal(50, 70), 0, places_in(draw, 50, 300)), label="many", smooth=False)


def bad_places(draw: Draw):
    yield Wrong((draw.normal(3, 4), 0, np.array([3])), IndexError, "index_select: index 3 is out of bounds.*size 3")
    yield Wrong((draw.normal(3, 4), 2, np.array([0])), IndexError, r"index_select: Dimension out of range.*got 2")
    yield Wrong((draw.normal(3, 4), 0, np.array([[0]])), IndexError, "index_select: Index is supposed to be a vector")


def additions(draw: Draw):
    for x in layouts(draw.normal(4, 5)):
        x = x.copy() if 0 in x.strides else x
        yield Sample((x, 0, np.array([1, 3, 1]), draw.normal(3, 5)))
        yield Sample((x, 1, np.array([4, 4, 4, 0]), transposed(draw.normal(4, 4))))
    yield Sample((draw.normal(2, 3, 4), -2, np.array([2]), draw.normal(2, 1, 4)))
    yield Sample((draw.normal(5), 0, np.array([], np.int64), draw.normal(0)))
    yield Sample((draw.normal(60, 80), 0, places_in(draw, 60, 500), draw.normal(500, 80)), label="many", smooth=False)


def copies(draw: Draw):
    for sample in additions(draw):
        x, dim, index, source = sample.args
        index = np.unique(index)  # the gradient of what is overwritten is not asked for
        yield replace(sample, args=(x, dim, index, np.take(source, np.arange(len(index)), dim)))


def fills(draw: Draw):
    yield Sample((draw.normal(4, 5), 0, np.array([1, 3]), 0.5))
    yield Sample((transposed(draw.normal(4, 5)), -1, np.array([1, 1]), 2))
    yield Sample((draw.normal(3), 0, np.array([], np.int64), 1.0))


def gathers(draw: Draw):
    for x in layouts(draw.normal(4, 5)):
        yield Sample((x, 0, places_in(draw, 4, 3, 5)))
        yield Sample((x, 1, places_in(draw, 5, 4, 2)))
        yield Sample((x, -1, transposed(places_in(draw, 5, 3, 7))))
    yield Sample((draw.normal(3, 4, 5), 1, places_in(draw, 4, 2, 6, 5)))
    yield Sample((draw.normal(6), 0, places_in(draw, 6, 0)))
    yield Sample((draw.normal(4, 3), 0, places_in(draw, 4, 40, 3)), label="repeated")


def bad_gathers(draw: Draw):
    x = draw.normal(3, 4)
    yield Wrong(
        (x, 1, np.full((3, 1), 4)), RuntimeError, "gather: index 4 is out of bounds for dimension 1 with size 4"
    )
    yield Wrong((x, 1, np.zeros((4, 1), int)), RuntimeError, "gather: Size does not match at dimension 0")
    yield Wrong((x, 1, np.zeros(3, int)), RuntimeError, "gather: Index tensor must have the same number of dimensions")
    yield Wrong((x, 1, np.zeros((3, 1), np.float32)), RuntimeError, "gather: expected an index of dtype int64 or int32")


def scatters(draw: Draw):
    """No place twice: which of the sources counts is checked in test_indexing.py."""
    rows = np.stack([draw.random.permutation(5)[:3] for _ in range(4)])
    for x in layouts(draw.normal(4, 5)):
        x = x.copy() if 0 in x.strides else x
        yield Sample((x, 1, rows, draw.normal(4, 3)))
        yield Sample((x, 1, rows[:2], transposed(draw.normal(3, 4))), label="smaller index")
    yield Sample((draw.normal(4, 5), 0, np.array([[3, 1, 2, 0, 0]]), draw.normal(1, 5)))
    yield Sample((draw.normal(4, 5), 1, rows, 0.5), label="one value")


def scatter_sums(draw: Draw):
    for x in layouts(draw.normal(4, 5)):
        x = x.copy() if 0 in x.strides else x
        yield Sample((x, 1, places_in(draw, 5, 4, 8), draw.normal(4, 8)))
        yield Sample((x, 0, places_in(draw, 4, 6, 3), draw.normal(6, 5)))
    yield Sample((draw.normal(7), 0, places_in(draw, 7, 30), draw.normal(30)))


def along(draw: Draw):
    yield Sample((draw.normal(3, 4), places_in(draw, 4, 3, 2), 1))
    yield Sample((draw.normal(3, 1), places_in(draw, 3, 2, 4), 0))
    yield Sample((draw.normal(3, 4), places_in(draw, 12, 5)))


def masked(draw: Draw):
    for x in layouts(draw.normal(3, 4)):
        yield Sample((x, draw.booleans(3, 4)))
    yield Sample((draw.normal(3, 4), draw.booleans(4)))
    yield Sample((draw.normal(4), draw.booleans(3, 1)))
    yield Sample((draw.normal(0, 4), draw.booleans(0, 4)))


def masked_values(draw: Draw):
    for sample in masked(draw):
        yield replace(sample, args=(*sample.args, 0.5))


def some_zero(draw: Draw):
    for shape in [(), (0,), (7,), (3, 4), (2, 3, 4)]:
        yield Sample((draw.integers(0, 2, *shape),))
        yield Sample((draw.booleans(*shape),))
        yield Sample((np.asarray(draw.normal(*shape) * draw.booleans(*shape)),))
    yield Sample((transposed(draw.integers(0, 2, 3, 4)),))


def classes(draw: Draw):
    for shape in [(), (5,), (2, 3)]:
        yield Sample((places_in(draw, 4, *shape), 5))
    yield Sample((np.array([0, 2]),))


def tables(draw: Draw):
    for shape in [(), (5,), (2, 3), (0,)]:
        yield Sample((draw.normal(6, 3), places_in(draw, 6, *shape)))
    yield Sample((transposed(draw.normal(6, 3)), places_in(draw, 6, 4, dtype="int32")))


def lookups(draw: Draw):
    yield Sample((draw.normal(10_000, 128), places_in(draw, 10_000, 4096)), label="4096 of 10000 x 128")


def keys(draw: Draw):
    """Every kind of key; what PyTorch does otherwise than NumPy is in test_indexing.py."""
    rows, columns = places_in(draw, 3, 6), places_in(draw, 4, 6) - 4
    for key in [
        *(0, -1, (1, 2), (), ..., None, (..., 0), (slice(None), 1), slice(1, None), slice(None, None, 2), slice(5, 9)),
        *((None, slice(1, 3), None), (slice(None), None, slice(0, 4, 3)), (slice(-2, -1), ..., slice(1, 2))),
        *(rows, (rows, columns), (slice(None), columns), [0, 2], (rows, slice(1, 3)), (..., columns), (None, rows)),
        *(rows.reshape(2, 3), (rows.reshape(6, 1), columns), (rows[:1], columns), ([0, 1], [1, 2])),
    ]:
        yield Sample((draw.normal(3, 4), key))
    for mask in (draw.booleans(3, 4), draw.booleans(3), np.zeros(3, bool)):
        yield Sample((draw.normal(3, 4), mask))
        yield Sample((transposed(draw.normal(3, 4)), mask))
    yield Sample((draw.normal(3, 4), (slice(None), draw.booleans(4))))
    yield Sample((draw.normal(2, 3, 4, 5), (slice(None), rows, columns)))
    yield Sample((draw.normal(2, 3, 4, 5), (slice(None), rows, slice(None), columns)))
    yield Sample((draw.normal(3, 4, 5), (rows, slice(None), columns)))
    yield Sample((draw.normal(), ...))
    yield Sample((draw.normal(), None))
    yield Sample((draw.normal(0, 4), (slice(None), [1, 2])))


def bad_keys(draw: Draw):
    x = draw.normal(2, 3)
    yield Wrong((x, 2), IndexError, "index 2 is out of bounds for dimension 0 with size 2")
    yield Wrong((x, (0, -4)), IndexError, "index -4 is out of bounds for dimension 0 with size 3")
    yield Wrong((x, (0, 0, 0)), IndexError, "too many indices for tensor of dimension 2")
    yield Wrong((draw.normal(), 0), IndexError, "invalid index of a 0-dim tensor")
    yield Wrong((x, slice(None, None, -1)), ValueError, "step must be greater than zero")
    yield Wrong((x, (slice(None), np.array([3]))), IndexError, "index 3 is out of bounds for dimension 1 with size 3")
    yield Wrong((x, np.zeros(3, bool)), IndexError, r"The shape of the mask \[3\] at index 0 does not match")
    yield Wrong((x, (np.array([0, 1]), np.array([0, 1, 2]))), IndexError, "shape mismatch: indexing tensors")
    yield Wrong((x, 1.5), IndexError, "only integers, slices")
    yield Wrong((x, draw.normal(2)), IndexError, "tensors used as indices must be long, int, byte or bool")


def joined(draw: Draw):
    a, b, c = draw.normal(3, 4), transposed(draw.normal(3, 4)), draw.normal(3, 8)[:, ::2]
    for dim in (0, 1, -1):
        yield Sample((a, b, c), {"dim": dim})
    yield Sample((a, draw.normal(3, 0), draw.normal(3, 2)), {"dim": 1})
    yield Sample((a,), {"dim": 0})
    yield Sample((a, draw.normal(0), b), {"dim": 0}, "1-d and empty")
    yield Sample((draw.normal(4), draw.normal(2)))


def bad_joins(draw: Draw):
    yield Wrong((draw.normal(3, 4), draw.normal(2, 5)), RuntimeError, "cat: Sizes of tensors must match except in dim")
    yield Wrong((draw.normal(3, 4), draw.normal(3)), RuntimeError, "cat: Tensors must have same number of dimensions")
    yield Wrong((draw.normal(),), RuntimeError, "cat: zero-dimensional tensor")
    yield Wrong((), ValueError, "cat: expected a non-empty list of tensors")


def stacked(draw: Draw):
    for dim in (0, 1, 2, -1):
        yield Sample((draw.normal(3, 4), draw.normal(3, 4)), {"dim": dim})
    yield Sample((draw.normal(), draw.normal()))


def large_joins(draw: Draw):
    yield Sample((draw.normal(1024, 1024), draw.normal(1024, 1024)), {"dim": 0}, "dim 0")
    yield Sample((draw.normal(1024, 1024), draw.normal(1024, 1024)), {"dim": 1}, "dim 1")


def with_options(*options, shapes=((4, 5),)):
    """Each shape with each tuple of further arguments, in two layouts."""

    def samples(draw: Draw):
        for shape in shapes:
            for extra in options:
                yield Sample((draw.normal(*shape), *extra), label=str(extra))
                if len(shape) > 1:
                    yield Sample((transposed(draw.normal(*shape)), *extra), label=str(extra))

    return samples


def pads(draw: Draw):
    for widths in [(1, 2), (1, 2, 0, 3), (-1, 1), (-2, -1, 3, -1), (0, 0), ()]:
        yield Sample((draw.normal(3, 4), widths))
    yield Sample((transposed(draw.normal(3, 4)), (1, 2, 0, 1), "constant", 3.0))
    yield Sample((draw.normal(0, 4), (1, 1, 1, 0)))
    for mode in ("reflect", "replicate", "circular"):
        yield Sample((draw.normal(2, 3, 5), (1, 2), mode))
        yield Sample((draw.normal(2, 3, 5, 4), (1, 2, 3, 1), mode))
        yield Sample((draw.normal(1, 2, 3, 4, 3), (1, 0, 2, 1, 0, 1), mode))


def sortable(draw: Draw):
    for x in layouts(draw.distinct(4, 5)):
        if 0 in x.strides:
            continue  # equal elements: not smooth
        for dim in (0, 1, -1):
            for descending in (False, True):
                yield Sample((x, dim, descending))
    yield Sample((draw.distinct(40),))
    yield Sample((draw.normal(2, 0, 3), 1), smooth=False)
    yield Sample((draw.integers(0, 5, 3, 200).astype(draw.dtype), 1), label="ties", smooth=False)
    yield Sample((draw.integers(0, 5, 3, 200), 1, True), label="integers, ties", smooth=False)
    yield Sample((np.tile(draw.extremes(), 5), 0), label="extremes", smooth=False)
    for descending in (False, True):  # long lines, which are sorted by digits
        many = np.resize(np.concatenate([draw.extremes(), draw.normal(300)]), 2 * 2100).reshape(2100, 2)
        yield Sample((many.astype(draw.dtype), 0, descending), label="long, extremes, ties", smooth=False)
        yield Sample((draw.integers(-(2**62), 2**62, 2100), 0, descending), label="long, integers", smooth=False)
        small = draw.integers(-3, 200, 2, 1100)
        for dtype in (np.int32, np.uint8, np.bool_):
            yield Sample((small.astype(dtype), 1, descending), label=f"long, {dtype.__name__}", smooth=False)


def tops(draw: Draw):
    for k, dim, largest in [(2, -1, True), (3, 0, False), (0, 0, True), (4, 0, True)]:
        yield Sample((draw.distinct(4, 5), k, dim, largest))
    yield Sample((draw.distinct(100), 7))


EXACT = {"float32": (0, 0), "float64": (0, 0)}
SUMS = {"float32": (1e-6, 1e-6), "float64": (1e-14, 1e-15)}
R = ref.index


def case(function, reference, samples, wrong=lambda draw: iter(()), **options) -> Case:
    return Case(options.pop("name", reference.__name__), function, reference, samples, wrong, EXACT, **options)


def lines(draw: Draw):
    for indexing in ("ij", "xy"):
        yield Sample((draw.normal(3), draw.normal(4)), {"indexing": indexing}, label=indexing)
        yield Sample((draw.normal(3), draw.normal(4), draw.normal(2)), {"indexing": indexing}, label=f"{indexing} of 3")
    yield Sample((draw.normal(3),), {"indexing": "xy"}, label="of 1")


CASES = [
    case(nc.index_select, R.index_select, selections, bad_places),
    Case("index_add", nc.index_add, R.index_add, additions, tolerance=SUMS),
    case(nc.index_copy, R.index_copy, copies),
    case(nc.index_fill, R.index_fill, fills),
    case(nc.gather, R.gather, gathers, bad_gathers),
    case(nc.scatter, R.scatter, scatters),
    Case("scatter_add", nc.scatter_add, R.scatter_add, scatter_sums, tolerance=SUMS),
    case(nc.take_along_dim, R.take_along_dim, along),
    case(nc.masked_fill, R.masked_fill, masked_values),
    case(nc.masked_select, R.masked_select, masked),
    case(nc.nonzero, R.nonzero, some_zero, derivatives=0),
    case(one_hot, R.one_hot, classes, derivatives=0, torch="nn.functional.one_hot"),
    case(lambda weight, index: embedding(index, weight), R.embedding, tables, benchmark=lookups),
    case(lambda x, key: x[key], R.getitem, keys, bad_keys),
    case(lambda *xs, dim=0: nc.cat(xs, dim), R.cat, joined, bad_joins, benchmark=large_joins),
    case(lambda *xs, dim=0: nc.stack(xs, dim), R.stack, stacked),
    case(nc.meshgrid, R.meshgrid, lines),
    case(lambda x, repeats: x.repeat(repeats), R.repeat, with_options(((2, 3),), ((1, 2),), ((2, 1, 3),), ((0, 2),))),
    case(nc.repeat_interleave, R.repeat_interleave, with_options((2,), (3, 0), ([1, 0, 2, 1], 0), (2, -1))),
    case(lambda x, dims: x.flip(dims), R.flip, with_options(((0,),), ((0, 1),), ((-1,),))),
    case(nc.roll, R.roll, with_options((1, 0), (-2, 1), (7, -1), ((1, 2), (0, 1)), (2,))),
    case(nc.tril, R.tril, with_options((), (1,), (-2,), shapes=((4, 5), (2, 3, 3)))),
    case(nc.triu, R.triu, with_options((), (1,), (-2,), shapes=((4, 5), (2, 3, 3)))),
    case(nc.diag, R.diag, with_options((), (1,), (-2,), (7,), shapes=((4, 5), (3,)))),
    case(nc.diagonal, R.diagonal, with_options((), (1,), (-2, 1, 0), (6,), (0, -1, 0), shapes=((4, 5), (3, 4, 5)))),
    case(pad, R.pad, pads, torch="nn.functional.pad"),
    case(nc.sort, R.sort, sortable),
    case(nc.argsort, R.argsort, sortable, derivatives=0),
    case(nc.topk, R.topk, tops),
]
