"""Cases of pooling."""

import itertools

import numpy as np

from nncore import reference as ref
from nncore.ops import pool, unpool
from op_cases import Case, Draw, Sample, Wrong, layouts

EXTENTS = {1: (13,), 2: (7, 10), 3: (4, 5, 6)}


def geometries(spatial: int):
    """Window arguments: strides 1 to 3 and unequal ones, padding, dilation, ceil_mode."""
    yield {"kernel_size": 2}
    yield {"kernel_size": 3, "stride": 2, "padding": 1}
    yield {"kernel_size": 3, "stride": 2, "ceil_mode": True}
    yield {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}
    yield {"kernel_size": 3, "stride": 1, "padding": 1}
    if spatial > 1:
        yield {"kernel_size": (3, 2, 4)[:spatial], "stride": (1, 2, 3)[:spatial], "padding": (1, 0, 2)[:spatial]}


def windowed(spatial: int, draw: Draw, extra: tuple):
    extents = EXTENTS[spatial]
    for arguments, more in itertools.product(geometries(spatial), extra):
        merged = {**arguments, **more}
        yield Sample((draw.distinct(2, 3, *extents),), merged, label=str(merged))
    for x in layouts(draw.distinct(2, *extents)):
        broadcast = 0 in x.strides
        yield Sample((x,), {"kernel_size": 2}, label=f"unbatched, strides {x.strides}", smooth=not broadcast)
    yield Sample((draw.normal(0, 3, *extents),), {"kernel_size": 2}, label="empty batch", smooth=False)
    wide = (1,) * (spatial - 1) + (75,)
    kernel = (1,) * (spatial - 1) + (3,)
    stride = (1,) * (spatial - 1) + (2,)
    padding = (0,) * (spatial - 1) + (1,)
    for s in (stride, 1):
        yield Sample((draw.distinct(3, 2, *wide),), {"kernel_size": kernel, "stride": s, "padding": padding}, "wide")


def maxima(spatial: int):
    def samples(draw: Draw):
        yield from windowed(spatial, draw, ({}, {"return_indices": True}))
        x = draw.distinct(1, 2, *EXTENTS[spatial])
        for stride in (1, 2, 3):
            arguments = {"kernel_size": 2, "stride": stride, "dilation": 2, "padding": 1, "return_indices": True}
            yield Sample((x,), arguments, label=str(arguments))
        ties = np.round(draw.normal(1, 2, *EXTENTS[spatial]))
        yield Sample((ties,), {"kernel_size": 3, "stride": 2, "return_indices": True}, "ties", smooth=False)
        odd = draw.normal(1, 2, *EXTENTS[spatial])
        odd.flat[[1, 2, 7, 20]] = np.nan
        odd.flat[[0, 11]] = np.inf
        odd[0, 1] = -np.inf
        for stride in (1, 2, 3):
            arguments = {"kernel_size": 3, "stride": stride, "padding": 1, "return_indices": True}
            yield Sample((odd,), arguments, label=f"NaN and infinities, {stride}", smooth=False)

    return samples


def means(spatial: int):
    divisors = ({"divisor_override": 5}, {"divisor_override": -2}) if spatial > 1 else ()

    def samples(draw: Draw):
        yield from windowed(spatial, draw, ({}, {"count_include_pad": False}, *divisors))

    return samples


def adaptive(spatial: int, indices: bool):
    def samples(draw: Draw):
        extents = EXTENTS[spatial]
        more = [{"return_indices": True}] if indices else [{}]
        sizes = [1, 2, 3, extents, (5, 11, 4)[:spatial]] + ([(None, 2, None)[:spatial]] if spatial > 1 else [])
        for size, kwargs in itertools.product(sizes, [{}, *more]):
            yield Sample((draw.distinct(2, 3, *extents), size), kwargs, label=str(size))
        yield Sample((draw.distinct(3, *extents), 2), label="unbatched")
        large = [3 * n for n in extents]
        yield Sample((draw.distinct(2, 3, *large) if indices else draw.normal(2, 3, *large), 1), label="one output")
        yield Sample((draw.normal(0, 3, *extents), 2), label="empty batch", smooth=False)

    return samples


def wrong_windows(spatial: int, dilation: bool):
    def wrong(draw: Draw):
        x = draw.normal(2, 3, *EXTENTS[spatial])
        for arguments, match in [
            ({"kernel_size": 3, "padding": 2}, "pad should be at most half of kernel size, but got pad=2"),
            ({"kernel_size": 2, "padding": -1}, "pad must be non-negative"),
            ({"kernel_size": 0}, "kernel size should be greater than zero"),
            ({"kernel_size": 2, "stride": 0}, "stride should be greater than zero"),
            ({"kernel_size": 20}, "Output size is too small"),
            ({"kernel_size": (2,) * (spatial + 1)}, "kernel_size must either be a single int, or a tuple of"),
            ({"kernel_size": 2, "padding": (1,) * 4}, "padding must either be a single int"),
        ]:
            yield Wrong((x,), RuntimeError, match, arguments)
        if dilation:
            yield Wrong((x,), RuntimeError, "dilation should be greater", {"kernel_size": 2, "dilation": 0})
        yield Wrong((x[0, 0],), RuntimeError, rf"Expected {spatial + 1}D or {spatial + 2}D", {"kernel_size": 2})
        yield Wrong((x[:, :0],), RuntimeError, "Expected .* but got", {"kernel_size": 2})
        yield Wrong((x.astype("bool"),), RuntimeError, "expected dtype float32 or float64", {"kernel_size": 2})

    return wrong


def wrong_sizes(spatial: int):
    def wrong(draw: Draw):
        x = draw.normal(2, 3, *EXTENTS[spatial])
        yield Wrong((x, (2,) * (spatial + 1)), RuntimeError, f"output_size must be {spatial}")
        yield Wrong((x, -1), RuntimeError, "greater than or equal to 0")
        yield Wrong((x[0, 0], 2), RuntimeError, "Expected")
        yield Wrong((x[..., :0], 2), RuntimeError, "Expected")

    return wrong


# Layers of LeNet, VGG, AlexNet and ResNet, and the end of a ResNet.
def layers(spatial: int):
    def samples(draw: Draw):
        if spatial == 2:
            yield Sample((draw.normal(64, 6, 28, 28),), {"kernel_size": 2}, "LeNet 64x6x28x28 k2 s2")
            yield Sample((draw.normal(64, 16, 10, 10),), {"kernel_size": 2}, "LeNet 64x16x10x10 k2 s2")
            yield Sample((draw.normal(8, 64, 56, 56),), {"kernel_size": 2}, "VGG 8x64x56x56 k2 s2")
            yield Sample((draw.normal(32, 64, 55, 55),), {"kernel_size": 3, "stride": 2}, "AlexNet 32x64x55x55 k3 s2")
            resnet = {"kernel_size": 3, "stride": 2, "padding": 1}
            yield Sample((draw.normal(8, 64, 112, 112),), resnet, "ResNet 8x64x112x112 k3 s2 p1")

    return samples


def ends(draw: Draw):
    yield Sample((draw.normal(32, 512, 7, 7), 1), label="ResNet 32x512x7x7 to 1")
    yield Sample((draw.normal(16, 256, 13, 13), 6), label="AlexNet 16x256x13x13 to 6")


def norms(spatial: int):
    def samples(draw: Draw):
        def positive(*shape):
            return draw.uniform(*shape, low=0.2, high=2.0)

        extents = EXTENTS[spatial]
        for p, arguments in itertools.product((1, 2, 3.5, float("inf")), list(geometries(spatial))):
            arguments = {k: v for k, v in arguments.items() if k != "padding"}
            x = draw.distinct(2, 3, *extents) if p == float("inf") else positive(2, 3, *extents)
            yield Sample((x, p), arguments, label=f"{p} {arguments}", smooth=p != float("inf"))
        for x in layouts(positive(3, *extents)):
            yield Sample((x, 2, 2), label="unbatched")
        yield Sample((positive(0, 3, *extents), 2, 2), label="empty batch", smooth=False)

    return samples


def wrong_norms(spatial: int):
    def wrong(draw: Draw):
        x = draw.uniform(2, 3, *EXTENTS[spatial])
        yield Wrong((x, 2, (2,) * (spatial + 1)), RuntimeError, f"lp_pool{spatial}d: kernel_size must either be")
        yield Wrong((x, 2, 40), RuntimeError, "Output size is too small")

    return wrong


def unpoolings(spatial: int):
    pooled = getattr(ref.pool, f"max_pool{spatial}d")

    def samples(draw: Draw):
        extents = EXTENTS[spatial]
        even = tuple(n // 2 * 2 for n in extents)  # what windows of 2 fill
        for arguments, size, wanted in [
            ({"kernel_size": 2}, even, None),
            ({"kernel_size": 2}, extents, extents),
            ({"kernel_size": 3, "stride": 2, "padding": 1}, extents, extents),
            ({"kernel_size": 3, "stride": 2}, extents, (2, 3, *extents)),  # windows overlap: a place is named twice
        ]:
            y, index = pooled(draw.distinct(2, 3, *size), return_indices=True, **arguments)
            # Of maxima that share a place, the last stays; differences in one of the others say nothing.
            smooth = arguments["kernel_size"] == 2
            yield Sample((y, index), {**arguments, "output_size": wanted}, label=str(arguments), smooth=smooth)
        y, index = pooled(draw.distinct(3, *[2 * n for n in extents]), 2, return_indices=True)
        for other in layouts(y):
            yield Sample((other, index, 2), label="unbatched")
        yield Sample((y[None][:0], index[None][:0], 2), label="empty", smooth=False)

    return samples


def wrong_unpoolings(spatial: int):
    def wrong(draw: Draw):
        shape = (2, 3, *EXTENTS[spatial])
        x, index = draw.normal(*shape), draw.integers(0, 8, *shape)
        name = f"max_unpool{spatial}d"
        yield Wrong((x, index[:1], 2), RuntimeError, f"{name}: Expected shape of indices to be same")
        yield Wrong((x, x, 2), RuntimeError, "elements in indices should be type int64")
        yield Wrong((x, index + 10**6, 2), RuntimeError, f"{name}: found an invalid max index")
        yield Wrong((x, index - 100, 2), RuntimeError, "found an invalid max index")
        yield Wrong((x[0, 0], index[0, 0], 2), RuntimeError, f"{name}: Expected {spatial + 1}D or {spatial + 2}D")
        yield Wrong((x, index, 2), ValueError, "invalid output_size", {"output_size": (1,) * spatial})
        yield Wrong((x, index, 2), ValueError, "should be a sequence containing", {"output_size": (4,) * 6})

    return wrong


# A mean of up to 64 elements, summed in another order than the reference's.
MEANS = {"float32": (4e-6, 4e-6), "float64": (1e-13, 1e-13)}
EXACT = {"float32": (0.0, 0.0), "float64": (0.0, 0.0)}

CASES = []
for n in (1, 2, 3):
    names = [f"{kind}_pool{n}d" for kind in ("max", "avg", "adaptive_max", "adaptive_avg")]
    functions = [(name, getattr(pool, name), getattr(ref.pool, name)) for name in names]
    CASES += [
        Case(*functions[0], maxima(n), wrong_windows(n, True), tolerance=EXACT, benchmark=layers(n)),
        Case(*functions[1], means(n), wrong_windows(n, False), tolerance=MEANS, benchmark=layers(n)),
        Case(*functions[2], adaptive(n, True), wrong_sizes(n), tolerance=EXACT),
        Case(
            *functions[3],
            adaptive(n, False),
            wrong_sizes(n),
            tolerance=MEANS,
            **({"benchmark": ends} if n == 2 else {}),
        ),
        Case(
            f"lp_pool{n}d",
            getattr(unpool, f"lp_pool{n}d"),
            getattr(ref.pool, f"lp_pool{n}d"),
            norms(n),
            wrong_norms(n),
            tolerance={"float32": (1e-5, 1e-5), "float64": (1e-12, 1e-12)},  # powers of sums, and roots of them
        ),
        Case(
            f"max_unpool{n}d",
            getattr(unpool, f"max_unpool{n}d"),
            getattr(ref.pool, f"max_unpool{n}d"),
            unpoolings(n),
            wrong_unpoolings(n),
            tolerance=EXACT,
        ),
    ]
