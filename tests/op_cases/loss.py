"""Cases of the losses that are computed element by element."""

import numpy as np

import nncore.nn.functional as F
from nncore import reference as ref
from op_cases import Case, Draw, Sample, Wrong, transposed

REDUCTIONS = ("none", "mean", "sum")


def _pairs(draw: Draw, gap: float, scale: float = 2.0):
    """Inputs and targets whose difference keeps away from 0 and from +-gap, where the derivative changes."""
    for shape in [(3, 5), (), (1,), (2, 3, 4)]:
        target = draw.normal(*shape)
        yield np.asarray(target + draw.away_from((0.0, gap, -gap), *shape, scale=scale)), target


def differences(gap: float = 0.0, weighted: bool = False, **settings):
    """Samples of a loss of input - target."""

    def samples(draw: Draw):
        for x, t in _pairs(draw, gap):
            for reduction in REDUCTIONS:
                yield Sample((x, t), {"reduction": reduction, **settings}, f"{x.shape} {reduction}")
                if weighted:
                    weight = draw.uniform(*x.shape, low=0.5, high=2.0)
                    yield Sample((x, t), {"reduction": reduction, "weight": weight, **settings}, "weighted")
        x, t = next(iter(_pairs(draw, gap)))
        yield Sample((transposed(x), t), settings, "strided")
        yield Sample((x, t[:1]), settings, "broadcast target", smooth=False)
        yield Sample((x[:1], t), settings, "broadcast input", smooth=False)
        yield Sample((x[:0], t[:0]), settings, "empty", smooth=False)
        yield Sample((draw.extremes(), draw.normal(17)), {"reduction": "none", **settings}, "extremes", smooth=False)

    return samples


def wrong_reduction(function):
    def wrong(draw: Draw):
        yield Wrong((draw.normal(2), draw.normal(2)), ValueError, "x is not a valid value", {"reduction": "x"})
        if function in (F.mse_loss, F.l1_loss, F.huber_loss):
            kwargs = {"weight": draw.normal(1)}
            yield Wrong((draw.normal(2), draw.normal(2)), ValueError, "Weights and input must have the same", kwargs)
        if function is F.smooth_l1_loss:
            yield Wrong((draw.normal(2), draw.normal(2)), RuntimeError, "negative values for beta", {"beta": -1.0})
        if function is F.huber_loss:
            yield Wrong((draw.normal(2), draw.normal(2)), RuntimeError, "non-positive values", {"delta": 0.0})

    return wrong


def probabilities(draw: Draw):
    for shape in [(3, 5), (), (7,), (0,)]:
        x, t = draw.uniform(*shape, low=0.05, high=0.95), draw.uniform(*shape, low=0.05, high=0.95)
        for reduction in REDUCTIONS:
            yield Sample((x, t), {"reduction": reduction}, f"{shape} {reduction}", smooth=x.size > 0)
    x, t = draw.uniform(3, 5, low=0.1, high=0.9), draw.booleans(3, 5).astype(draw.dtype)
    yield Sample((x, t), {"weight": draw.uniform(5)}, "weights of columns", smooth=False)
    yield Sample((x, t), {"weight": draw.uniform(3, 1), "reduction": "sum"}, "weights of rows", smooth=False)
    ends = np.array([0.0, 1.0, 0.0, 1.0], draw.dtype)
    yield Sample((ends, np.array([0.0, 1.0, 1.0, 0.0], draw.dtype)), {"reduction": "none"}, "ends", smooth=False)


def wrong_probabilities(draw: Draw):
    x = draw.uniform(3)
    yield Wrong((2 * x + 1, x), RuntimeError, "all elements of input should be between 0 and 1")
    yield Wrong((x * np.nan, x), RuntimeError, "all elements of input should be between 0 and 1")
    yield Wrong((x, -x), RuntimeError, "all elements of target should be between 0 and 1")
    yield Wrong((x, draw.uniform(2, 3)), ValueError, "is deprecated. Please ensure they have the same size")
    yield Wrong((x, x.astype(np.float64)), RuntimeError, "binary_cross_entropy: expected a target of nncore.float32")
    yield Wrong((x, x), RuntimeError, "broadcast", {"weight": draw.uniform(2, 3)})
    yield Wrong((x, x), ValueError, "x is not a valid value", {"reduction": "x"})


def logits(draw: Draw):
    for shape in [(3, 5), (), (7,), (0,)]:
        x, t = draw.normal(*shape, scale=4), draw.uniform(*shape)
        for reduction in REDUCTIONS:
            yield Sample((x, t), {"reduction": reduction}, f"{shape} {reduction}", smooth=x.size > 0)
    x, t = draw.normal(3, 5, scale=4), draw.uniform(3, 5)
    for options in ({"pos_weight": draw.uniform(5)}, {"weight": draw.uniform(3, 1)}):
        yield Sample((x, t), options, " ".join(options))
    yield Sample((x, t), {"weight": draw.uniform(5), "pos_weight": draw.uniform(3, 5), "reduction": "sum"}, "both")
    yield Sample((np.array([90.0, -90.0, 0.0], draw.dtype), draw.uniform(3)), label="far out", smooth=False)


def wrong_logits(draw: Draw):
    yield Wrong((draw.normal(3), draw.uniform(2, 3)), ValueError, "must be the same as input size")
    yield Wrong((draw.normal(3), draw.uniform(3)), ValueError, "x is not a valid value", {"reduction": "x"})


def divergences(draw: Draw):
    for shape in [(3, 5), (), (7,)]:
        log_p, q = draw.normal(*shape), draw.uniform(*shape, low=0.1)
        for reduction in (*REDUCTIONS, "batchmean") if shape else REDUCTIONS:
            yield Sample((log_p, q), {"reduction": reduction}, f"{shape} {reduction}")
            yield Sample(
                (log_p, np.asarray(np.log(q))), {"reduction": reduction, "log_target": True}, f"{shape} {reduction} log"
            )
    yield Sample((draw.normal(2, 3), draw.uniform(3, low=0.1)), {"reduction": "sum"}, "broadcast", smooth=False)


def counts(draw: Draw):
    for shape in [(3, 5), (), (7,), (0,)]:
        rate, count = draw.uniform(*shape, low=0.2, high=3), np.asarray(draw.integers(0, 6, *shape), draw.dtype)
        for reduction in REDUCTIONS:
            for log_input in (True, False):
                options = {"reduction": reduction, "log_input": log_input}
                yield Sample((rate, count), options, f"{shape} {options}", smooth=False)
                real = np.asarray(count + 0.3, draw.dtype)
                yield Sample((rate, real), options | {"full": True, "eps": 1e-3}, f"{options}", smooth=rate.size > 0)


def gaussians(draw: Draw):
    for shape in [(3, 5), (7,), (2, 3, 4)]:
        x, t = draw.normal(*shape), draw.normal(*shape)
        for reduction in REDUCTIONS:
            for var_shape in (shape, shape[:-1], (*shape[:-1], 1)):
                var = draw.uniform(*var_shape, low=0.2, high=2)
                options = {"reduction": reduction, "full": reduction == "sum"}
                yield Sample((x, t, var), options, f"{shape} {var_shape} {reduction}")
    yield Sample((x, t, 0.7), label="a number")
    yield Sample((x, t, np.zeros_like(x)), {"eps": 0.1}, "below eps", smooth=False)
    yield Sample((x[:0], t[:0], t[:0] * 0), label="empty", smooth=False)
    yield Sample((draw.normal(), draw.normal(), draw.uniform(low=0.5)), label="scalars")


def wrong_gaussians(draw: Draw):
    x = draw.normal(3, 4)
    yield Wrong((x, x, -x * x), ValueError, "var has negative entry/entries")
    yield Wrong((x, x, -1.0), ValueError, "var has negative entry/entries")
    yield Wrong((x, x, draw.uniform(4)), ValueError, r"var is of incorrect size: \[4\] for an input of \[3, 4\]")
    yield Wrong((x, x, 1.0), ValueError, "x is not a valid value", {"reduction": "x"})


def wrong_counts(draw: Draw):
    yield Wrong((draw.normal(3), draw.uniform(3)), ValueError, "x is not a valid value", {"reduction": "x"})


# float32: sums of some twenty terms of the size of 10, and differences that cancel.
LOOSE = {"float32": (1e-5, 1e-5), "float64": (1e-12, 1e-13)}

CASES = [
    Case("mse_loss", F.mse_loss, ref.loss.mse_loss, differences(weighted=True), wrong_reduction(F.mse_loss), LOOSE),
    Case("l1_loss", F.l1_loss, ref.loss.l1_loss, differences(weighted=True), wrong_reduction(F.l1_loss), LOOSE),
    Case(
        "smooth_l1_loss",
        F.smooth_l1_loss,
        ref.loss.smooth_l1_loss,
        differences(0.7, beta=0.7),
        wrong_reduction(F.smooth_l1_loss),
        LOOSE,
    ),
    Case("smooth_l1_loss_0", F.smooth_l1_loss, ref.loss.smooth_l1_loss, differences(beta=0), tolerance=LOOSE),
    Case(
        "huber_loss",
        F.huber_loss,
        ref.loss.huber_loss,
        differences(1.3, weighted=True, delta=1.3),
        wrong_reduction(F.huber_loss),
        LOOSE,
    ),
    Case(
        "binary_cross_entropy",
        F.binary_cross_entropy,
        ref.loss.binary_cross_entropy,
        probabilities,
        wrong_probabilities,
        LOOSE,
    ),
    Case(
        "binary_cross_entropy_with_logits",
        F.binary_cross_entropy_with_logits,
        ref.loss.binary_cross_entropy_with_logits,
        logits,
        wrong_logits,
        LOOSE,
    ),
    Case("poisson_nll_loss", F.poisson_nll_loss, ref.loss.poisson_nll_loss, counts, wrong_counts, LOOSE),
    Case("gaussian_nll_loss", F.gaussian_nll_loss, ref.loss.gaussian_nll_loss, gaussians, wrong_gaussians, LOOSE),
    Case("kl_div", F.kl_div, ref.loss.kl_div, divergences, tolerance=LOOSE),
]
