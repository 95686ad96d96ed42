"""Cases of the Jensen-Shannon divergence and of Wasserstein's distance and losses."""

import numpy as np

import nncore.nn.functional as F
from nncore import reference as ref
from op_cases import Case, Draw, Sample, Wrong, transposed
from op_cases.loss import LOOSE, REDUCTIONS


def shares(draw: Draw, *shape: int) -> np.ndarray:
    """Probabilities along the last dimension."""
    x = draw.uniform(*shape, low=0.1)
    return x / x.sum(-1, keepdims=True)


def divergences(draw: Draw):
    for reduction in REDUCTIONS:
        for shape in [(3, 5), (4,), (2, 3, 4), (3, 1)]:
            options = {"reduction": reduction}
            yield Sample((shares(draw, *shape), shares(draw, *shape)), options, f"{shape} {reduction}")
            scores = draw.normal(*shape), draw.normal(*shape)
            yield Sample(scores, options | {"logits": True}, f"{shape} {reduction} logits")
    yield Sample((transposed(draw.normal(5, 3)), draw.normal(5, 3)), {"logits": True, "dim": 0}, "dim 0")
    apart = np.array([[1, 0], [0.5, 0.5]], draw.dtype), np.array([[0, 1], [0.5, 0.5]], draw.dtype)
    yield Sample(apart, {"reduction": "none"}, "apart", smooth=False)
    far = np.array([[90.0, -90.0]], draw.dtype)
    yield Sample((far, -far), {"logits": True}, "far logits", smooth=False)
    yield Sample((draw.normal(0, 3), draw.normal(0, 3)), {"logits": True, "reduction": "none"}, "empty", smooth=False)


def wrong_divergences(draw: Draw):
    yield Wrong((draw.normal(3), draw.normal(3)), ValueError, "x is not a valid value", {"reduction": "x"})


def apart(draw: Draw, *shapes) -> list[np.ndarray]:
    """Samples of which no two are equal, in one set or across."""
    sizes = [int(np.prod(s)) for s in shapes]
    values = draw.distinct(sum(sizes))
    return [np.asarray(part.reshape(s)) for part, s in zip(np.split(values, np.cumsum(sizes)[:-1]), shapes)]


def sample_sets(draw: Draw):
    for p in (1.0, 2.0, 3.5):
        for u, v in [((5,), (5,)), ((5,), (8,)), ((2, 4), (2, 7)), ((2, 3, 4), (2, 3, 4)), ((1,), (3,))]:
            yield Sample(tuple(apart(draw, u, v)), {"p": p}, f"{u} {v} {p}")
    for u, v in [((4,), (4,)), ((2, 4), (2, 7))]:
        x, y = apart(draw, u, v)
        weights = draw.uniform(*u, low=0.2), draw.uniform(*v, low=0.2)
        yield Sample((x, y, *weights), {}, f"weighted {u} {v}")
        yield Sample((x, y), {"v_weights": weights[1], "p": 2.0}, f"one weighted {u} {v}")
    x, y = apart(draw, (5, 3), (5, 3))
    yield Sample((transposed(x), y), label="strided")
    yield Sample((x, x.copy()), {"p": 2.0}, "equal", smooth=False)
    yield Sample((x[:0], y[:0]), label="no rows", smooth=False)
    yield Sample((x, y, np.eye(5, 3, dtype=draw.dtype) + np.eye(5, 3, -3, dtype=draw.dtype)), {}, "zeros", smooth=False)


def wrong_sample_sets(draw: Draw):
    x = draw.normal(3, 4)
    yield Wrong((x, x), ValueError, "wasserstein_distance: expected a finite p of at least 1, got 0.5", {"p": 0.5})
    yield Wrong((x, x), ValueError, "expected a finite p of at least 1, got inf", {"p": np.inf})
    yield Wrong((x, x[0]), RuntimeError, r"samples of one batch shape, got \[3, 4\] and \[4\]")
    yield Wrong((x[:, :0], x), RuntimeError, r"expected u_values \[..., N\], N > 0, got \[3, 0\]")
    yield Wrong((x, draw.integers(0, 3, 3, 4)), RuntimeError, "floating point v_values, got nncore.int64")
    yield Wrong((x, x, x[0]), RuntimeError, r"u_weights of the shape of the values \[3, 4\], got \[4\]")
    yield Wrong((x, x, -np.abs(x)), ValueError, "u_weights of at least 0 with a sum above 0")
    yield Wrong((x, x, None, 0 * x), ValueError, "v_weights of at least 0 with a sum above 0")


def scores(count: int):
    def samples(draw: Draw):
        for shape in [(5, 1), (7,), (1,), ()]:
            yield Sample(tuple(draw.normal(*shape) for _ in range(count)), label=f"{shape}")

    return samples


CASES = [
    Case("js_div", F.js_div, ref.divergence.js_div, divergences, wrong_divergences, LOOSE),
    Case(
        "wasserstein_distance",
        F.wasserstein_distance,
        ref.divergence.wasserstein_distance,
        sample_sets,
        wrong_sample_sets,
        {"float32": (2e-5, 1e-5), "float64": (1e-11, 1e-12)},  # sums of shares, then a root of order 1 / p
    ),
    Case("wasserstein_critic_loss", F.wasserstein_critic_loss, ref.divergence.wasserstein_critic_loss, scores(2)),
    Case(
        "wasserstein_generator_loss", F.wasserstein_generator_loss, ref.divergence.wasserstein_generator_loss, scores(1)
    ),
]
