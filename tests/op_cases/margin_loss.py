"""Cases of the losses with a margin. Where a hinge starts, samples keep away from it."""

import numpy as np

import nncore.nn.functional as F
from nncore import reference as ref
from op_cases import Case, Draw, Sample, Wrong, transposed
from op_cases.loss import LOOSE, REDUCTIONS


def signs(draw: Draw, *shape: int) -> np.ndarray:
    return np.asarray(np.where(draw.booleans(*shape), 1, -1), draw.dtype)


def each_reduction(samples):
    """Every sample with every reduction, and once with the default."""

    def all_samples(draw: Draw):
        for sample in samples(draw):
            for options in ({}, *({"reduction": r} for r in REDUCTIONS)):
                yield Sample(sample.args, sample.kwargs | options, f"{sample.label} {options}", sample.smooth)

    return all_samples


def wrong_reduction(*shapes):
    def wrong(draw: Draw):
        args = tuple(draw.normal(*shape) for shape in shapes)
        yield Wrong(args, ValueError, "x is not a valid value", {"reduction": "x"})

    return wrong


def two_sided(points, dtype: str | None = None):
    """Scores with targets of 1 and -1, of the scores' dtype or another."""

    def signs(draw: Draw, *shape: int) -> np.ndarray:
        return np.asarray(np.where(draw.booleans(*shape), 1, -1), dtype or draw.dtype)

    def samples(draw: Draw):
        for shape in [(3, 5), (), (1,), (2, 3, 2)]:
            yield Sample((draw.away_from(points, *shape), signs(draw, *shape)), {}, f"{shape}")
        x = draw.away_from(points, 4, 3)
        yield Sample((transposed(x), signs(draw, 4, 3)), {}, "strided")
        yield Sample((x, signs(draw, 3)), {}, "broadcast", smooth=False)
        yield Sample((x[:0], signs(draw, 0, 3)), {}, "empty", smooth=False)
        yield Sample((x, np.zeros((4, 3), dtype or draw.dtype)), {}, "targets of 0", smooth=False)

    return each_reduction(samples)


def rankings(draw: Draw):
    for margin in (0.0, 0.4):
        for shape in [(3, 5), (), (1,), (7,)]:
            t = signs(draw, *shape)
            first = draw.normal(*shape)
            gap = np.asarray(draw.away_from((margin, -margin), *shape))
            yield Sample((first, np.asarray(first - gap), t), {"margin": margin}, f"{shape} {margin}")
    yield Sample((draw.normal(3, 1), draw.normal(1, 4), signs(draw, 3, 4)), {}, "broadcast", smooth=False)
    yield Sample((draw.normal(0), draw.normal(0), signs(draw, 0)), {}, "empty", smooth=False)


def wrong_rankings(draw: Draw):
    x = draw.normal(3)
    yield Wrong((x, x, draw.normal(3, 1)), RuntimeError, "margin_ranking_loss : All input tensors should have same dim")
    yield Wrong((x, x, x), ValueError, "x is not a valid value", {"reduction": "x"})


def spread_scores(draw: Draw, *shape: int) -> np.ndarray:
    """Scores of which no two differ by 1, the margin, or by 0.6."""
    return np.asarray(draw.distinct(*shape, gap=0.317) + 0.01 * draw.random.random(shape), draw.dtype)


def classes(draw: Draw):
    for p in (1, 2):
        for margin in (1.0, 0.6):
            options = {"p": p, "margin": margin}
            x = spread_scores(draw, 4, 5)
            yield Sample((x, draw.integers(0, 5, 4)), options, f"{options}")
            yield Sample((x, draw.integers(0, 5, 4)), options | {"weight": draw.uniform(5)}, f"{options} weighted")
    yield Sample((spread_scores(draw, 6), draw.integers(0, 6)), label="one sample")
    yield Sample((spread_scores(draw, 6), draw.integers(0, 6, 1)), label="one sample, one target")
    yield Sample((spread_scores(draw, 3, 1), draw.integers(0, 1, 3)), label="one class")
    yield Sample((transposed(spread_scores(draw, 4, 5)), draw.integers(0, 5, 4)), label="strided")


def wrong_classes(draw: Draw):
    x, y = draw.normal(4, 5), draw.integers(0, 5, 4)
    yield Wrong((x, y), ValueError, "only p == 1 and p == 2 supported", {"p": 3})
    yield Wrong((x, y), ValueError, "weight must be one-dimensional", {"weight": draw.normal(5, 1)})
    yield Wrong((x, y), RuntimeError, r"inconsistent weight size, expected 5 but got \[4\]", {"weight": draw.normal(4)})
    yield Wrong((x, y[:3]), RuntimeError, r"inconsistent target size, expected 4 but got \[3\]")
    yield Wrong((x, y + 5), RuntimeError, "multi_margin_loss: target out of range: expected 0 to 4")
    yield Wrong((x, x[:, 0]), RuntimeError, "multi_margin_loss: expected class indices of int64, got nncore.float32")
    yield Wrong((draw.normal(2, 3, 4), y), RuntimeError, r"Expected non-empty vector or matrix.*\[2, 3, 4\]")
    yield Wrong((draw.normal(4, 0), y), RuntimeError, r"Expected non-empty vector or matrix.*\[4, 0\]")
    yield Wrong((x, y), ValueError, "x is not a valid value", {"reduction": "x"})


def labels(draw: Draw, n: int, c: int) -> np.ndarray:
    """Some of the classes, then -1, then anything."""
    rows = [np.append(draw.random.permutation(c)[: i % c], [-1] * (c - i % c)) for i in range(n)]
    return np.asarray(rows, np.int64)


def label_lists(draw: Draw):
    yield Sample((spread_scores(draw, 7, 5), labels(draw, 7, 5)), label="matrix")
    yield Sample((spread_scores(draw, 4), np.array([3, 0, -1, 1])), label="vector")
    yield Sample((spread_scores(draw, 4), np.array([3, 0, 1, 2])), label="all labels", smooth=False)
    yield Sample((spread_scores(draw, 4), np.array([2, 2, -1, 0])), label="a label twice")
    yield Sample((transposed(spread_scores(draw, 3, 4)), labels(draw, 3, 4)), label="strided")


def wrong_label_lists(draw: Draw):
    x, y = draw.normal(3, 4), labels(draw, 3, 4)
    yield Wrong((x, y[:, :3]), RuntimeError, r"inconsistent target size: \[3, 3\] for input of size: \[3, 4\]")
    yield Wrong((x, y[0]), RuntimeError, r"inconsistent target size: \[4\] for input of size: \[3, 4\]")
    yield Wrong((x, y + 4), RuntimeError, "multilabel_margin_loss: target out of range: expected -1 to 3")
    yield Wrong((x, x), RuntimeError, "multilabel_margin_loss: expected class indices of int64")
    yield Wrong((draw.normal(2, 3, 4), y), RuntimeError, "Expected non-empty vector or matrix")


def soft_labels(draw: Draw):
    for shape in [(4, 3), (5,), (2, 3, 4)]:
        x, t = draw.normal(*shape, scale=3.0), np.asarray(draw.booleans(*shape), draw.dtype)
        yield Sample((x, t), label=f"{shape}")
        yield Sample((x, t), {"weight": draw.uniform(shape[-1])}, label=f"{shape} weighted")
    yield Sample((draw.normal(0, 3), draw.normal(0, 3)), label="empty", smooth=False)
    yield Sample((np.array([[900.0, -900.0]], draw.dtype), np.array([[0, 1]], draw.dtype)), label="far", smooth=False)


def cosines(draw: Draw):
    for margin in (0.0, 0.3):
        for shape in [(4, 5), (6, 2)]:
            x, y = draw.normal(*shape), draw.normal(*shape)
            cosine = (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
            smooth = bool((np.abs(cosine - margin) > 1e-3).all())
            yield Sample((x, y, signs(draw, shape[0])), {"margin": margin}, f"{shape} {margin}", smooth)
    yield Sample((draw.normal(5), draw.normal(5), np.asarray(1, draw.dtype)), {}, "one pair")
    yield Sample((draw.normal(3, 4) * 0, draw.normal(3, 4), signs(draw, 3)), {}, "zeros", smooth=False)
    yield Sample((draw.normal(0, 4), draw.normal(0, 4), signs(draw, 0)), {}, "empty", smooth=False)


def wrong_cosines(draw: Draw):
    x = draw.normal(3, 4)
    yield Wrong((x, x, x), RuntimeError, "0D or 1D target tensor expected, multi-target not supported")
    yield Wrong((x[0], x[0], x[:, 0]), RuntimeError, "1D target tensor expects 2D input tensors, but found inputs with")
    yield Wrong((x, x, np.asarray(1.0)), RuntimeError, "0D target tensor expects 1D input tensors")
    yield Wrong((x, x, x[:, 0]), ValueError, "x is not a valid value", {"reduction": "x"})


def triplets(named_distance: bool):
    def samples(draw: Draw):
        options = [{}, {"margin": 0.4}, {"margin": 3.0, "swap": True}]
        if not named_distance:
            options += [{"p": 1.0}, {"p": 3, "eps": 1e-3, "swap": True}]
        for option in options:
            points = [draw.normal(5, 4) for _ in range(3)]
            yield Sample(tuple(points), option, f"{option}")
        yield Sample(tuple(draw.normal(4) for _ in range(3)), {"margin": 5.0}, "vectors")
        yield Sample((draw.normal(1, 4), draw.normal(3, 4), draw.normal(3, 4)), {"margin": 5.0}, "broadcast")
        yield Sample(tuple(draw.normal(2, 3, 4) for _ in range(3)), {"margin": 5.0}, "batches")
        yield Sample(tuple(draw.normal(0, 4) for _ in range(3)), {}, "empty", smooth=False)

    return each_reduction(samples)


def wrong_triplets(draw: Draw):
    x = draw.normal(3, 4)
    yield Wrong((x, x, x), ValueError, "margin must be greater than 0, got 0", {"margin": 0})
    yield Wrong((x, x, x[0]), RuntimeError, "but got: anchor 2D, positive 2D, and negative 1D inputs")
    yield Wrong((x, x, x), ValueError, "x is not a valid value", {"reduction": "x"})


def case(name: str, samples, wrong, derivatives: int = 2) -> Case:
    return Case(name, getattr(F, name), getattr(ref.margin_loss, name), samples, wrong, LOOSE, derivatives=derivatives)


CASES = [
    case("hinge_embedding_loss", two_sided((1.0, 0.0)), wrong_reduction((3,), (3,))),
    case("margin_ranking_loss", each_reduction(rankings), wrong_rankings),
    case("soft_margin_loss", two_sided(0.0, "int64"), wrong_reduction((3,), (3,))),
    case("multi_margin_loss", each_reduction(classes), wrong_classes),
    case("multilabel_margin_loss", each_reduction(label_lists), wrong_label_lists),
    case("multilabel_soft_margin_loss", each_reduction(soft_labels), wrong_reduction((3, 2), (3, 2))),
    case("cosine_embedding_loss", each_reduction(cosines), wrong_cosines),
    case("triplet_margin_loss", triplets(False), wrong_triplets),
    case("triplet_margin_with_distance_loss", triplets(True), wrong_triplets),
]
