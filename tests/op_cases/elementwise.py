"""Cases of the elementwise operations."""

import nncore as nc
import numpy as np
from nncore.ops import activation, piecewise
from nncore.reference import elementwise as ref

from op_cases import Case, Draw, Sample, Wrong, layouts

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


def large(draw: Draw):
    """From the cache to memory."""
    for count in (1 << 12, 1 << 18, 1 << 23):
        yield Sample((draw.normal(count),), label=f"{count}")


def large_pairs(draw: Draw):
    """From the cache to memory, and a bias."""
    for count in (1 << 12, 1 << 18, 1 << 23):
        yield Sample((draw.normal(count), draw.uniform(count, low=0.5, high=2.0)), label=f"{count}")
    yield Sample((draw.normal(4096, 256), draw.normal(256)), label="4096x256 + 256")


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
    unary("clamp", with_params(everywhere((-0.5, 0.7)), -0.5, 0.7), benchmark=with_params(large, -0.5, 0.7)),
    activate("relu", everywhere(0.0)),
    activate("sigmoid", EVERYWHERE),
    activate("tanh", EVERYWHERE),
    activate("leaky_relu", chain(everywhere(0.0), with_params(everywhere(0.0), -0.2))),
    activate("elu", chain(everywhere(0.0), with_params(everywhere(0.0), 0.7))),
    activate("celu", chain(everywhere(0.0), with_params(everywhere(0.0), 1.3))),
    activate("selu", everywhere(0.0)),
    activate("gelu", EVERYWHERE),
    activate("silu", EVERYWHERE),
    activate("mish", EVERYWHERE),
    activate("softplus", chain(EVERYWHERE, with_params(everywhere(2.5, scale=3.0), 2.0, 5.0))),
    activate("logsigmoid", EVERYWHERE),
    activate("softsign", everywhere(0.0)),
    activate("tanhshrink", EVERYWHERE),
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
    binary("add", pairs()),
    binary("sub", pairs()),
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
]
