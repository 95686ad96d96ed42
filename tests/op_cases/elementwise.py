"""Cases of the elementwise operations."""

import numpy as np

import nncore as nc
from nncore.ops import activation, piecewise
from nncore.reference import elementwise as ref
from op_cases import Case, Draw, Sample, Wrong, layouts, transposed

SHAPES = [(), (1,), (0,), (2, 0, 3), (67,), (2, 3, 4, 5)]


def everywhere(kinks=(), scale=1.0):
    """Every layout and size that a kernel treats differently, away from the kinks, and the extreme values."""

    def samples(draw: Draw):
        for x in layouts(draw.away_from(kinks, 3, 5, scale=scale)):
            yield Sample((x,))
        for shape in SHAPES:
            yield Sample((draw.away_from(kinks, *shape, scale=scale),), label=str(shape))
        yield Sample((draw.extremes(),), label="extremes", smooth=False)

    return samples


def between(low, high):
    """Every layout and size, in the interval where a function is smooth; the extreme values lie outside."""

    def samples(draw: Draw):
        for x in layouts(draw.uniform(3, 5, low=low, high=high)):
            yield Sample((x,))
        for shape in SHAPES:
            yield Sample((draw.uniform(*shape, low=low, high=high),), label=str(shape))
        yield Sample((draw.extremes(),), label="extremes", smooth=False)

    return samples


def whole_numbers_apart(draw: Draw):
    """Away from the steps of floor, ceil, round and trunc."""
    for shape in [(3, 5), *SHAPES]:
        steps = np.asarray(draw.random.integers(-3, 3, shape) + draw.random.uniform(0.1, 0.4, shape), draw.dtype)
        yield Sample((steps,), label=str(shape))
    yield Sample((np.asarray([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e9], draw.dtype),), label="halves", smooth=False)


def with_params(samples, *params, label=""):
    """The samples with more arguments."""

    def more(draw: Draw):
        for s in samples(draw):
            yield Sample((*s.args, *params), s.kwargs, f"{s.label} {params}", s.smooth)

    return more


def chain(*generators):
    """The samples of one after those of another."""

    def all_of(draw: Draw):
        for generator in generators:
            yield from generator(draw)

    return all_of


def pairs(y_low=None, y_high=None, positive=False, numbers=True):
    """Two operands in every combination of layouts, and broadcast in every way; or one of them a number."""

    def second(draw: Draw, *shape):
        if y_low is None:
            return draw.away_from(0.0, *shape, margin=0.3)
        return draw.uniform(*shape, low=y_low, high=y_high)

    def first(draw: Draw, *shape):
        return draw.uniform(*shape, low=0.2, high=3.0) if positive else draw.away_from(0.0, *shape)

    def samples(draw: Draw):
        for x in layouts(first(draw, 3, 5)):
            for y in layouts(second(draw, 3, 5)):
                yield Sample((x, y))
        shapes = [((), ()), ((4,), ()), ((), (4,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((5, 1, 3), (2, 1))]
        shapes += [((0,), (1,)), ((2, 0), (0,)), ((1, 600), (2, 1)), ((67,), (67,))]
        for a, b in shapes:
            yield Sample((first(draw, *a), second(draw, *b)), label=f"{a} {b}")
        if numbers:
            yield Sample((first(draw, 7), 2.5), label="number")

    return samples


def distinct_pairs(draw: Draw):
    """Operands without ties, broadcast, and the extreme values against each other."""
    for a, b in [((3, 4), (3, 4)), ((3, 1), (1, 4)), ((), (5,)), ((67,), (67,)), ((0, 3), (3,))]:
        x, y = draw.distinct(*a), draw.distinct(*b)
        yield Sample((np.asarray(x + 0.03, draw.dtype), y), label=f"{a} {b}")
    x = draw.extremes()
    yield Sample((x[:, None], x), label="extremes", smooth=False)


def with_kwargs(samples, **kwargs):
    """The samples with arguments by name."""

    def more(draw: Draw):
        for s in samples(draw):
            yield Sample(s.args, {**s.kwargs, **kwargs}, f"{s.label} {kwargs}", s.smooth)

    return more


def triples(draw: Draw):
    """Three operands, the last away from 0, in some layouts, and broadcast in every way."""
    shapes = [
        ((3, 5), (3, 5), (3, 5)),
        ((), (), ()),
        ((4,), (), ()),
        ((3, 1), (1, 4), (3, 4)),
        ((2, 3, 4), (3, 1), (4,)),
    ]
    for a, b, c in [*shapes, ((0,), (1,), (0,)), ((67,), (67,), (1,))]:
        yield Sample((draw.normal(*a), draw.normal(*b), draw.away_from(0.0, *c, margin=0.3)), label=f"{a} {b} {c}")
    for x in layouts(draw.normal(3, 5)):
        yield Sample((x, draw.normal(3, 5), draw.away_from(0.0, 3, 5, margin=0.3)))


def lerp_samples(draw: Draw):
    yield from triples(draw)
    for weight in (0.0, 0.3, 1.0, -2):
        yield Sample((draw.normal(3, 4), draw.normal(4), weight), label=f"weight {weight}")


def where_samples(draw: Draw):
    """A condition of any layout; x and y broadcast against it, or numbers."""
    for condition in layouts(draw.booleans(3, 5)):
        for x in layouts(draw.normal(3, 5)):
            yield Sample((condition, x, draw.normal(3, 5)))
    shapes = [((), (), ()), ((4,), (), ()), ((), (4,), ()), ((3, 1), (1, 4), (3, 4)), ((2, 3, 4), (3, 1), (4,))]
    for c, a, b in [*shapes, ((0,), (1,), (0,)), ((67,), (67,), (1,))]:
        yield Sample((draw.booleans(*c), draw.normal(*a), draw.normal(*b)), label=f"{c} {a} {b}")
    yield Sample((draw.booleans(7), draw.normal(7), 2.5), label="tensor and number")
    yield Sample((draw.booleans(7), -1, draw.normal(7)), label="number and tensor")
    x = draw.extremes()
    yield Sample((draw.booleans(x.size), x, x[::-1].copy()), label="extremes", smooth=False)


def where_misfits(draw: Draw):
    yield Wrong((draw.booleans(3), draw.normal(4), 1.0), RuntimeError, r"shapes \[3\] and \[4\] do not broadcast")
    yield Wrong((draw.normal(3), draw.normal(3), 1.0), RuntimeError, "expected a condition of dtype bool")
    yield Wrong((True, draw.normal(3), 1.0), TypeError, "expected a tensor as condition")


def prelu_samples(draw: Draw):
    """One weight, and one for each channel, for any number of dimensions."""
    for shape in [(), (7,), (4, 3), (2, 3, 5), (2, 3, 4, 5), (0, 3)]:
        yield Sample((draw.away_from(0.0, *shape), draw.normal(1)), label=f"{shape} one weight")
        if len(shape) > 1:
            yield Sample((draw.away_from(0.0, *shape), draw.normal(3)), label=f"{shape} channels")
    for x in layouts(draw.away_from(0.0, 4, 3)):
        yield Sample((x, draw.normal(3)))


def prelu_misfits(draw: Draw):
    yield Wrong((draw.normal(2, 3), draw.normal(4)), RuntimeError, "one for each channel of the input")
    yield Wrong((draw.normal(2, 3), draw.normal(3).astype("float64")), RuntimeError, "a weight of the input's dtype")


def glu_samples(draw: Draw):
    """Along every dimension, in every layout."""
    for x in layouts(draw.normal(4, 6)):
        yield Sample((x,))
        yield Sample((x, 0))
    for shape in [(2,), (0,), (0, 4), (2, 3, 134)]:
        yield Sample((draw.normal(*shape),), label=str(shape))
    yield Sample((draw.normal(2, 4, 5), 1))
    yield Sample((draw.normal(2, 4, 5), -2))


def glu_misfits(draw: Draw):
    yield Wrong((draw.normal(2, 5),), RuntimeError, "Halving dimension must be even, but dimension -1 is size 5")
    yield Wrong((draw.normal(),), RuntimeError, "does not support 0-dimensional")
    yield Wrong((draw.normal(2, 4), 2), IndexError, "out of range")


def shifts(draw: Draw):
    """Integers by numbers of places, negative and too large ones among them."""
    for a, b in [((3, 5), (3, 5)), ((), ()), ((4,), ()), ((0,), (1,)), ((3, 1), (67,))]:
        x = draw.integers(-1000, 1000, *a)
        yield Sample((x, draw.integers(-3, 70, *b)), label=f"{a} {b}")
        yield Sample((x.astype("int32"), draw.integers(-3, 40, *b).astype("int32")), label=f"int32 {a} {b}")
    yield Sample((draw.integers(-9, 9, 3, 4).T, draw.integers(0, 9, 4, 3)), label="transposed")
    yield Sample((np.asarray([0, 1, 255, 128], "uint8"), np.asarray([1, 7, 8, 3], "uint8")), label="uint8")
    yield Sample((draw.integers(-9, 9, 7), 2), label="number")


def shift_misfits(draw: Draw):
    yield Wrong((draw.normal(3), draw.integers(0, 3, 3)), NotImplementedError, "expected integers")
    yield Wrong((draw.booleans(3), draw.integers(0, 3, 3)), RuntimeError, "expected numbers, got bool")
    yield Wrong((draw.integers(0, 3, 3), draw.integers(0, 3, 4)), RuntimeError, "do not broadcast")


def whole_pairs(draw: Draw):
    """Integers of every width and booleans, in every combination of layouts, and broadcast."""
    for dtype in ("int32", "int64", "uint8"):
        low = 0 if dtype == "uint8" else -100
        for x in layouts(draw.integers(low, 100, 3, 5, dtype=dtype)):
            yield Sample((x, draw.integers(low, 100, 3, 5, dtype=dtype)))
        yield Sample((draw.integers(low, 100, 4, 1, dtype=dtype), draw.integers(low, 100, 70, dtype=dtype)))
        yield Sample((draw.integers(low, 100, 0, dtype=dtype), draw.integers(low, 100, 1, dtype=dtype)))
    yield Sample((draw.booleans(3, 4), draw.booleans(4)))
    yield Sample((draw.booleans(), draw.booleans()))


def whole(draw: Draw):
    """The first operands of whole_pairs."""
    for s in whole_pairs(draw):
        yield Sample(s.args[:1])


def whole_misfits(draw: Draw):
    yield Wrong((draw.normal(3), draw.normal(3)), RuntimeError, "expected integers or booleans, got float32")


def any_number(draw: Draw):
    """Floating numbers of every kind, integers and booleans."""
    yield from everywhere()(draw)
    yield Sample((draw.integers(-5, 5, 3, 4),))
    yield Sample((draw.booleans(9),))


def close_pairs(draw: Draw):
    """Pairs that differ by less and by more than the tolerance; infinities; NaN, counted equal or not."""
    x = draw.normal(3, 40)
    yield Sample((x, x + draw.normal(3, 40, scale=1e-5)))
    yield Sample((x, x + draw.normal(3, 40, scale=1e-2), 1e-2, 1e-3))
    extremes = draw.extremes()
    for equal_nan in (False, True):
        yield Sample((extremes[:, None], extremes), {"equal_nan": equal_nan}, label="extremes")
    yield Sample((draw.integers(0, 3, 20), draw.integers(0, 3, 20)), {"atol": 1.0})
    yield Sample((draw.normal(0), draw.normal(1)), label="empty")


def equal_pairs(draw: Draw):
    x = draw.normal(3, 5)
    for y in (x.copy(), transposed(x), x + 1, x[:, :4].copy(), x[0].copy(), np.full_like(x, np.nan)):
        yield Sample((x, y))
    yield Sample((np.full_like(x, np.nan), np.full_like(x, np.nan)), label="NaN equals nothing")
    yield Sample((draw.normal(0), draw.normal(0)), label="empty")
    yield Sample((draw.normal(), draw.normal()), label="numbers")


def large(draw: Draw):
    """From the cache to memory."""
    for count in (1 << 12, 1 << 18, 1 << 23):
        yield Sample((draw.normal(count),), label=f"{count}")


def large_pairs(draw: Draw):
    """From the cache to memory, and a bias."""
    for count in (1 << 12, 1 << 18, 1 << 23):
        yield Sample((draw.normal(count), draw.uniform(count, low=0.5, high=2.0)), label=f"{count}")
    yield Sample((draw.normal(4096, 256), draw.normal(256)), label="4096x256 + 256")


def large_triples(draw: Draw):
    for s in large_pairs(draw):
        yield Sample((*s.args, s.args[1]), label=s.label)


def large_prelu(draw: Draw):
    yield Sample((draw.normal(32, 64, 56, 56), draw.normal(64)), label="32x64x56x56")


def misfits(draw: Draw):
    yield Wrong((draw.normal(3, 4), draw.normal(5)), RuntimeError, r"shapes \[3, 4\] and \[5\] do not broadcast")


# The references round too, a few times more than the operation: sums of terms that cancel, in single precision.
COMPOSED = {"float32": (2e-5, 2e-6), "float64": (1e-12, 1e-13)}


def unary(name, samples, **more):
    more.setdefault("benchmark", large)
    return Case(name, getattr(nc, name), getattr(ref, name), samples, **more)


def activate(name, samples, home=activation, **more):
    more = {"benchmark": large, "tolerance": COMPOSED, **more}
    return Case(name, getattr(home, name), getattr(ref, name), samples, **more)


def binary(name, samples, **more):
    return Case(name, getattr(nc, name), getattr(ref, name), samples, misfits, benchmark=large_pairs, **more)


EVERYWHERE = everywhere()
CASES = [
    unary("neg", EVERYWHERE),
    unary("abs", everywhere(0.0)),
    unary("sign", everywhere(0.0)),
    unary("floor", whole_numbers_apart),
    unary("ceil", whole_numbers_apart),
    unary("round", whole_numbers_apart),
    unary("trunc", whole_numbers_apart),
    unary("square", EVERYWHERE),
    unary("exp", EVERYWHERE),
    unary("exp2", EVERYWHERE),
    unary("expm1", EVERYWHERE),
    unary("log", between(0.2, 3)),
    unary("log2", between(0.2, 3)),
    unary("log10", between(0.2, 3)),
    unary("log1p", between(-0.5, 3)),
    unary("sqrt", between(0.2, 3)),
    unary("rsqrt", between(0.2, 3)),
    unary("reciprocal", between(0.3, 3)),
    unary("sin", EVERYWHERE),
    unary("cos", EVERYWHERE),
    unary("tan", between(-1, 1)),
    unary("asin", between(-0.8, 0.8)),
    unary("acos", between(-0.8, 0.8)),
    unary("atan", EVERYWHERE),
    unary("sinh", EVERYWHERE),
    unary("cosh", EVERYWHERE),
    unary("erf", EVERYWHERE),
    activate(
        "huber", with_params(everywhere((-0.7, 0.7)), 0.7, 1.3), piecewise, benchmark=with_params(large, 0.7, 1.3)
    ),
    unary("clamp", with_params(everywhere((-0.5, 0.7)), -0.5, 0.7), benchmark=with_params(large, -0.5, 0.7)),
    unary("clamp_min", with_params(everywhere(0.2), 0.2), benchmark=with_params(large, 0.2)),
    unary("clamp_max", with_params(everywhere(0.2), 0.2), benchmark=with_params(large, 0.2)),
    activate("relu", everywhere(0.0)),
    activate("sigmoid", EVERYWHERE),
    activate("logistic", chain(EVERYWHERE, with_params(EVERYWHERE, 3.0, -0.7, 0.4))),
    activate("slope_sigmoid", chain(EVERYWHERE, with_params(EVERYWHERE, 2.5))),
    activate("tanh", EVERYWHERE),
    activate("leaky_relu", chain(everywhere(0.0), with_params(everywhere(0.0), -0.2))),
    activate("elu", chain(everywhere(0.0), with_params(everywhere(0.0), 0.7))),
    activate("celu", chain(everywhere(0.0), with_params(everywhere(0.0), 1.3))),
    activate("selu", everywhere(0.0)),
    activate("gelu", chain(EVERYWHERE, with_kwargs(EVERYWHERE, approximate="tanh"))),
    activate("silu", EVERYWHERE),
    activate("mish", EVERYWHERE),
    activate("softplus", chain(EVERYWHERE, with_params(everywhere(2.5, scale=3.0), 2.0, 5.0))),
    activate("logsigmoid", EVERYWHERE),
    activate("softsign", everywhere(0.0)),
    activate("tanhshrink", EVERYWHERE),
    activate("glu", glu_samples, wrong=glu_misfits, benchmark=lambda draw: iter([Sample((draw.normal(4096, 512),))])),
    activate("hardtanh", with_params(everywhere((-0.5, 0.7)), -0.5, 0.7), piecewise),
    activate("relu6", everywhere((0.0, 6.0), scale=4.0), piecewise),
    activate("hardswish", everywhere((-3.0, 3.0), scale=3.0), piecewise),
    activate("hardsigmoid", everywhere((-3.0, 3.0), scale=3.0), piecewise),
    activate("hardshrink", everywhere((-0.5, 0.5)), piecewise),
    activate("softshrink", everywhere((-0.5, 0.5)), piecewise),
    activate(
        "threshold",
        with_params(everywhere(0.1), 0.1, 20.0),
        piecewise,
        benchmark=with_params(large, 0.1, 20.0),
    ),
    Case("prelu", nc.prelu, ref.prelu, prelu_samples, prelu_misfits, benchmark=large_prelu),
    binary("add", chain(pairs(), with_kwargs(pairs(), alpha=-0.5))),
    binary("sub", chain(pairs(), with_kwargs(pairs(), alpha=2))),
    binary("mul", pairs()),
    binary("div", pairs()),
    binary("pow", pairs(-2, 2, positive=True)),
    binary("atan2", pairs(numbers=False)),
    binary("maximum", distinct_pairs),
    binary("minimum", distinct_pairs),
    binary("fmod", pairs(0.7, 0.8), derivatives=0),
    binary("remainder", pairs(0.7, 0.8), derivatives=0),
    binary("floor_divide", pairs(0.7, 0.8), derivatives=0),
    *[binary(name, distinct_pairs, derivatives=0) for name in ("eq", "ne", "lt", "le", "gt", "ge")],
    *[binary(name, distinct_pairs, derivatives=0) for name in ("logical_and", "logical_or", "logical_xor")],
    *[
        Case(name, getattr(nc, name), getattr(ref, name), whole_pairs, whole_misfits, derivatives=0)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ],
    *[
        Case(name, getattr(nc, name), getattr(ref, name), shifts, shift_misfits, derivatives=0)
        for name in ("bitwise_left_shift", "bitwise_right_shift")
    ],
    Case("bitwise_not", nc.bitwise_not, ref.bitwise_not, whole, derivatives=0),
    *[unary(name, any_number, derivatives=0) for name in ("logical_not", "isnan", "isinf", "isfinite")],
    Case("isclose", nc.isclose, ref.isclose, close_pairs, derivatives=0),
    Case("allclose", nc.allclose, ref.allclose, close_pairs, derivatives=0),
    Case("equal", nc.equal, ref.equal, equal_pairs, derivatives=0),
    Case("where", nc.where, ref.where, where_samples, where_misfits),
    Case("lerp", nc.lerp, ref.lerp, lerp_samples, tolerance=COMPOSED, benchmark=large_triples),
    *[
        Case(
            name,
            getattr(nc, name),
            getattr(ref, name),
            chain(triples, with_kwargs(triples, value=0.5)),
            tolerance=COMPOSED,
            benchmark=large_triples,
        )
        for name in ("addcmul", "addcdiv")
    ],
]
