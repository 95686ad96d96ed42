"""Cases of the reductions."""

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
                    yield Sample((x,), {"dim": dim, "keepdim": keepdim, **kwargs}, f"dim {dim}")
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


# A pairwise sum of up to 2^17 normal values: their sum is about 300, of which a few roundings may be lost.
SUMS = {"float32": (2e-5, 2e-4), "float64": (1e-12, 1e-12)}

CASES = [
    Case("sum", nc.sum, ref.reduce.sum, empty_too(over_dims(normal)), wrong_dims(), SUMS, benchmark=large),
    Case("mean", nc.mean, ref.reduce.mean, empty_too(over_dims(normal)), wrong_dims(), benchmark=large, derivatives=0),
    Case("expand", lambda x, shape: x.expand(shape), ref.reduce.expand, expansions),
]
