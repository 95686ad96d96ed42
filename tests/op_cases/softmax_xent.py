"""Cases of softmax and of the losses on class scores."""

import numpy as np

import nncore as nc
from nncore import reference as ref
from nncore.ops import softmax_xent
from op_cases import Case, Draw, Sample, Wrong, layouts


def along_dims(draw: Draw):
    """Every dimension of every layout, lengths around a vector, extreme values, sizes of 0 and 1."""
    for x in layouts(draw.normal(3, 5, scale=3.0)):
        for dim in (0, 1, -1):
            yield Sample((x, dim), label=f"dim {dim}, strides {x.strides}")
    for shape, dim in [((4, 7, 6), 1), ((2, 3, 70), 1), ((2, 67), 1), ((3, 16), 1), ((2, 130), -1), ((67, 2), 0)]:
        yield Sample((draw.normal(*shape),), {"dim": dim}, label=f"{shape} dim {dim}")
    for shape, dim in [((), 0), ((), -1), ((1,), 0), ((0,), 0), ((3, 0), 1), ((3, 0), 0), ((0, 3), 1)]:
        yield Sample((draw.normal(*shape), dim), label=f"{shape} dim {dim}")
    yield Sample((draw.normal(3, 4), 1), {"dtype": nc.float64}, label="dtype", smooth=False)
    low, high = -np.inf, np.inf
    rows = [[low] * 3, [low, 0, 1], [high, 0, 1], [np.nan, 0, 1], [1e4, 0, -1e4], [3e38, -3e38, 0], [0, np.nan, low]]
    for x in (np.asarray(rows, draw.dtype), np.asarray(rows, draw.dtype).T):
        yield Sample((x, int(x.shape[1] != 3) - 1 if x.shape[1] == 3 else 0), label="extremes", smooth=False)


def reference_with_dtype(function):
    def reference(x, dim=None, dtype=None):
        return function(x, dim, None if dtype is None else np.float64)

    return reference


def wrong_dims(draw: Draw):
    yield Wrong((draw.normal(2, 3), 2), IndexError, r"Dimension out of range.*got 2")
    yield Wrong((draw.normal(2, 3), -3), IndexError, r"Dimension out of range.*got -3")
    yield Wrong((np.ones((2, 3), np.int64), 1), RuntimeError, "expected dtype float32 or float64, got int64")


def score_shapes(draw: Draw):
    """Scores and class indices: one row, a batch, a batch of sequences, of images, of volumes."""
    for lead, classes, rest in [
        ((5,), 4, ()),
        ((2,), 19, ()),
        ((3,), 6, (7,)),
        ((2,), 3, (5, 14)),
        ((2,), 4, (2, 1, 3)),
    ]:
        t = draw.integers(0, classes, *lead, *rest)
        t.flat[1] = (t.flat[0] + 1) % classes  # so that no class to be ignored is everywhere
        yield draw.normal(*lead, classes, *rest, scale=2.0), t
    yield draw.normal(33), draw.integers(0, 33)


def class_losses(smoothing: bool):
    def samples(draw: Draw):
        for x, t in score_shapes(draw):
            classes = x.shape[0] if x.ndim == 1 else x.shape[1]
            weight = draw.uniform(classes, low=0.1, high=2.0)
            for reduction in ("mean", "sum", "none"):
                for more in [
                    {},
                    {"weight": weight},
                    {"ignore_index": int(t.flat[0])},
                    {"weight": weight, "ignore_index": 1},
                ]:
                    kwargs = {"reduction": reduction, **more}
                    whole = x.ndim == 1 and "ignore_index" in more
                    yield Sample((x, t), kwargs, f"{x.shape} {reduction} {list(more)}", smooth=not whole)
                    if smoothing:
                        yield Sample(
                            (x, t), {**kwargs, "label_smoothing": 0.3}, f"{x.shape} smoothed", smooth=not whole
                        )
        x, t = draw.normal(4, 5), draw.integers(0, 5, 4)
        yield Sample((x, t.astype(np.uint8)), label="uint8")
        yield Sample((x, np.full(4, -100)), label="all ignored", smooth=False)
        for reduction in ("mean", "sum", "none"):
            yield Sample((x[:0], t[:0]), {"reduction": reduction}, label="no rows", smooth=False)
        for other in layouts(x):
            yield Sample((other, t), label=f"strides {other.strides}")
        yield Sample((x, np.repeat(t, 2)[::2]), label="strided targets")

    return samples


def cross_entropies(draw: Draw):
    yield from class_losses(True)(draw)
    for x, _ in score_shapes(draw):
        classes = x.shape[0] if x.ndim == 1 else x.shape[1]
        q = draw.uniform(*x.shape)
        weight = draw.uniform(classes, low=0.1, high=2.0)
        for reduction in ("mean", "sum", "none"):
            yield Sample((x, q), {"reduction": reduction}, f"{x.shape} probabilities {reduction}")
            kwargs = {"reduction": reduction, "weight": weight, "label_smoothing": 0.2}
            yield Sample((x, q), kwargs, f"{x.shape} probabilities, all options, {reduction}")
    low, high = -np.inf, np.inf
    rows = np.asarray([[low] * 3, [low, 0, 1], [high, 0, 1], [np.nan, 0, 1], [1e4, 0, -1e4]], draw.dtype)
    for t in (0, 1):
        yield Sample((rows, np.full(5, t)), {"reduction": "none"}, "extremes", smooth=False)


def wrong_targets(draw: Draw):
    x, t = draw.normal(4, 5), np.array([0, 1, 2, 4])
    yield Wrong((x, np.array([0, 1, 2, 5])), IndexError, r"Target 5 is out of bounds.*5 classes")
    yield Wrong((x, np.array([0, -1, 2, 5])), IndexError, r"Target -1 is out of bounds")
    yield Wrong((draw.normal(2, 3, 4), np.full((2, 4), 3)), IndexError, r"Target 3 is out of bounds")
    yield Wrong((x, t.astype(np.int32)), RuntimeError, "expected target dtype to be int64 or uint8, but got int32")
    yield Wrong((x, t[:3]), ValueError, r"Expected input batch_size \(4\) to match target batch_size \(3\)")
    yield Wrong((x, t[:, None]), RuntimeError, "0D or 1D target tensor expected, multi-target not supported")
    yield Wrong((x[0], t), ValueError, "For 1D input, 1D target must have size 1, but got target size: 4")
    yield Wrong((x, t), RuntimeError, r"all 5 classes or no classes but got .* \[3\]", {"weight": draw.normal(3)})
    yield Wrong((x, t), RuntimeError, "expected weight of dtype", {"weight": np.ones(5, np.float64)})
    yield Wrong((x, t), ValueError, "foo is not a valid value for reduction", {"reduction": "foo"})
    yield Wrong(
        (draw.normal(2, 3, 4), np.zeros((2, 3), int)), RuntimeError, r"Expected target size \[2, 4\], got \[2, 3\]"
    )
    yield Wrong((np.ones((), np.float32), np.zeros((), int)), ValueError, "Expected 1 or more dimensions")


def wrong_cross_entropies(draw: Draw):
    yield from wrong_targets(draw)
    x, q = draw.normal(4, 5), draw.uniform(4, 5)
    yield Wrong((x, q), RuntimeError, "label_smoothing must be between", {"label_smoothing": 1.5})
    yield Wrong((x, q), RuntimeError, "ignore_index is not supported", {"ignore_index": 1})
    yield Wrong((x, q), RuntimeError, "all 5 classes or no classes", {"weight": draw.normal(3)})
    yield Wrong((x, q[:, :4]), RuntimeError, "multi-target not supported|expected target dtype")


def normalised(draw: Draw):
    for shape, dim in [((128, 10), 1), ((128, 1000), 1), ((32, 32000), 1), ((4, 21, 64, 64), 1)]:
        yield Sample((draw.normal(*shape), dim), label="x".join(map(str, shape)))


def scored(draw: Draw):
    for lead, classes, rest in [((128,), 10, ()), ((128,), 1000, ()), ((32,), 32000, ()), ((4,), 21, (64, 64))]:
        label = "x".join(map(str, (*lead, classes, *rest)))
        yield Sample((draw.normal(*lead, classes, *rest), draw.integers(0, classes, *lead, *rest)), label=label)


# exp and log are good to 1 ulp; x - max rounds relative to max, which the logarithm of a small probability shows.
ROUNDED = {"float32": (4e-6, 2e-6), "float64": (2e-14, 1e-14)}

CASES = [
    Case(
        name,
        getattr(softmax_xent, name),
        reference_with_dtype(getattr(ref.softmax_xent, name)),
        along_dims,
        wrong_dims,
        tolerance=ROUNDED,
        benchmark=normalised,
    )
    for name in ("softmax", "log_softmax", "softmin")
] + [
    Case(
        "nll_loss",
        softmax_xent.nll_loss,
        ref.softmax_xent.nll_loss,
        class_losses(False),
        wrong_targets,
        tolerance=ROUNDED,
        benchmark=scored,
    ),
    Case(
        "cross_entropy",
        softmax_xent.cross_entropy,
        ref.softmax_xent.cross_entropy,
        cross_entropies,
        wrong_cross_entropies,
        tolerance=ROUNDED,
        benchmark=scored,
    ),
]
