"""Losses beside PyTorch's: the same words, values and gradients."""

import numpy as np
import pytest

import nncore as nc
from peer.modules import SEED, compare, expect_equal, to_torch

torch = pytest.importorskip("torch")

REDUCTIONS = ["none", "mean", "sum"]
LOSSES = [
    ("MSELoss", {}, "any"),
    ("L1Loss", {}, "any"),
    ("SmoothL1Loss", {"beta": 0.4}, "any"),
    ("SmoothL1Loss", {"beta": 0}, "any"),
    ("HuberLoss", {"delta": 0.6}, "any"),
    ("BCELoss", {}, "probability"),
    ("BCEWithLogitsLoss", {}, "logit"),
    ("KLDivLoss", {}, "probability"),
    ("KLDivLoss", {"log_target": True}, "any"),
    ("KLDivLoss", {"reduction": "batchmean"}, "probability"),
]


@pytest.mark.parametrize(("name", "settings", "kind"), LOSSES, ids=[f"{x[0]}-{i}" for i, x in enumerate(LOSSES)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_losses(name, settings, kind, reduction, dtype):
    settings = {"reduction": reduction} | settings
    theirs, ours = getattr(torch.nn, name)(**settings), getattr(nc.nn, name)(**settings)
    assert repr(ours) == repr(theirs)
    random = np.random.default_rng(SEED)
    for shape in [(4, 3), (), (5,), (2, 3, 2)]:
        x, t = (random.uniform(0.05, 0.95, shape).astype(dtype) for _ in range(2))
        if kind != "probability":
            x = random.standard_normal(shape).astype(dtype)
        compare(theirs, ours, [x, t], dtype, f"{name} {settings} {shape} seed {SEED}")
    if kind == "any":
        x, t = random.standard_normal((4, 3)).astype(dtype), random.standard_normal(3).astype(dtype)
        compare(theirs, ours, [x, t], dtype, f"{name} {settings} broadcast seed {SEED}")
        compare(theirs, ours, [t, x], dtype, f"{name} {settings} broadcast input seed {SEED}")


# A loss, its settings, how its differentiable inputs are drawn, and how its constant ones are: by shape.
def signs(random, shape):
    return np.where(random.random(shape) < 0.5, 1.0, -1.0)


def label_lists(random, shape):
    return np.stack([np.append(random.permutation(shape[1])[:2], [-1] * (shape[1] - 2)) for _ in range(shape[0])])


def classes(random, shape):
    return random.integers(0, shape[-1], shape[:-1])


MORE_LOSSES = [
    ("PoissonNLLLoss", {}, 1, [lambda r, s: r.poisson(3.0, s) * 1.0]),
    ("PoissonNLLLoss", {"full": True}, 1, [lambda r, s: r.poisson(3.0, s) * 1.0]),
    ("GaussianNLLLoss", {"full": True}, 2, [lambda r, s: r.uniform(0.1, 1, s)]),
    ("HingeEmbeddingLoss", {"margin": 0.7}, 1, [signs]),
    ("MarginRankingLoss", {"margin": 0.2}, 2, [signs]),
    ("SoftMarginLoss", {}, 1, [signs]),
    ("MultiMarginLoss", {"margin": 0.7}, 1, [classes]),
    ("MultiMarginLoss", {"p": 2}, 1, [classes]),
    ("MultiLabelMarginLoss", {}, 1, [label_lists]),
    ("MultiLabelSoftMarginLoss", {}, 1, [lambda r, s: (r.random(s) < 0.5) * 1.0]),
    ("CosineEmbeddingLoss", {"margin": 0.1}, 2, [lambda r, s: signs(r, s[:-1])]),
    ("TripletMarginLoss", {"swap": True, "p": 3}, 3, []),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, 3, []),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}, 2, []),
    ("CosineSimilarity", {"dim": 0}, 2, []),
]


@pytest.mark.parametrize(
    ("name", "settings", "count", "constants"), MORE_LOSSES, ids=[f"{x[0]}-{i}" for i, x in enumerate(MORE_LOSSES)]
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_more_losses(name, settings, count, constants, reduction, dtype):
    settings = settings if name.endswith(("Distance", "Similarity")) else {"reduction": reduction} | settings
    theirs, ours = getattr(torch.nn, name)(**settings), getattr(nc.nn, name)(**settings)
    assert repr(ours) == repr(theirs)
    random = np.random.default_rng(SEED)
    for shape in [(4, 3), (5, 7), (2, 4)]:
        arrays = [random.standard_normal(shape).astype(dtype) for _ in range(count)]
        given = [make(random, shape) for make in constants]
        given = [g.astype(dtype) if g.dtype == np.float64 else g for g in given]
        compare(theirs, ours, arrays, dtype, f"{name} {settings} {shape} seed {SEED}", constants=given)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ctc(reduction, zero_infinity, dtype):
    """Values and gradients by log_probs and logits: different lengths, repeats, impossible samples, no labels."""
    random = np.random.default_rng(SEED)
    for steps, count, width, blank in [(12, 4, 4, 0), (7, 3, 5, 2), (5, 1, 1, 1)]:
        z = random.standard_normal((steps, count, 4)).astype(dtype)
        labels = (random.integers(1, 4, (count, width)) + blank) % 4
        lengths = random.integers(0, width + 1, count)
        frames = random.integers(1, steps + 1, count)
        row = np.concatenate([r[:n] for r, n in zip(labels, lengths)])
        for batch, targets in ((slice(None), labels), (slice(None), row), (0, labels[0, : lengths[0]])):
            found = []
            for library, make in ((torch, to_torch), (nc, nc.tensor)):
                loss = library.nn.CTCLoss(blank, reduction, zero_infinity)
                x = make(z[:, batch]).requires_grad_()
                log_probs = library.log_softmax(x, -1)
                leaf = log_probs.detach().requires_grad_()
                call = (make(targets), make(np.asarray(frames[batch])), make(np.asarray(lengths[batch])))
                value = loss(leaf, *call)
                gy = make(np.arange(1, value.numel() + 1).reshape(value.shape).astype(dtype))
                (by_leaf,) = library.autograd.grad([value], [leaf], [gy])
                (by_logits,) = library.autograd.grad([loss(log_probs, *call)], [x], [gy])
                found.append([v.detach().numpy() for v in (value, by_leaf, by_logits)])
            expect_equal(found[1], found[0], dtype, f"ctc {labels} {frames} {lengths} {reduction} seed {SEED}")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["BCELoss", "BCEWithLogitsLoss"])
def test_weighted_binary_losses(name, reduction):
    random = np.random.default_rng(SEED)
    x, t = random.uniform(0.05, 0.95, (4, 3)), random.uniform(0, 1, (4, 3))
    for shape in [(3,), (4, 1), (4, 3)]:
        weight = random.uniform(0, 2, shape)
        made = []
        for library, make in ((torch, to_torch), (nc, nc.tensor)):
            settings = {"weight": make(weight), "reduction": reduction}
            if name == "BCEWithLogitsLoss":
                settings["pos_weight"] = make(weight + 1)
            made.append(getattr(library.nn, name)(**settings))
        compare(*made, [x, t], "float64", f"{name} {shape} seed {SEED}")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_class_losses(reduction, smoothing, weighted, dtype):
    random = np.random.default_rng(SEED)
    weight = random.uniform(0.1, 2, 5).astype(dtype)
    for shape in [(4, 5), (5,), (2, 5, 3), (2, 5, 3, 2)]:
        x = random.standard_normal(shape).astype(dtype)
        t = random.integers(0, 5, shape[:1] + shape[2:] if len(shape) > 1 else ())
        if t.size > 1:
            t.flat[0] = -100
        made = []
        for library, make in ((torch, to_torch), (nc, nc.tensor)):
            given = make(weight) if weighted else None
            made.append(library.nn.CrossEntropyLoss(given, reduction=reduction, label_smoothing=smoothing))
        assert repr(made[1]) == repr(made[0])
        compare(*made, [x], dtype, f"cross entropy {shape} seed {SEED}", constants=[t])
        if not smoothing:
            made = [
                library.nn.NLLLoss(make(weight) if weighted else None, reduction=reduction)
                for library, make in ((torch, to_torch), (nc, nc.tensor))
            ]
            compare(*made, [x], dtype, f"nll {shape} seed {SEED}", constants=[t])
