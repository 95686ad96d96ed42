"""Cases of connectionist temporal classification. Its derivatives are those of the logits: tests/test_ctc.py."""

import numpy as np

import nncore.nn.functional as F
from nncore import reference as ref
from op_cases import Case, Draw, Sample, Wrong, transposed


def log_softmax(x: np.ndarray) -> np.ndarray:
    return np.asarray(x - np.logaddexp.reduce(x, -1, keepdims=True), x.dtype)


def batches(draw: Draw):
    """log_probs [T, N, C], labels [N, S], lengths of both, and the blank; repeats among the labels."""
    for steps, count, classes, width, blank in [(9, 3, 5, 3, 0), (6, 2, 3, 2, 2), (5, 1, 2, 1, 0), (30, 4, 8, 9, 0)]:
        x = log_softmax(draw.normal(steps, count, classes))
        labels = (draw.integers(1, classes, count, width) + blank) % classes
        lengths = draw.integers(1, width + 1, count)
        frames = np.minimum(steps, 2 * lengths + 1 + draw.integers(0, 3, count))
        yield x, labels, frames, lengths, blank


def samples(draw: Draw):
    for x, labels, frames, lengths, blank in batches(draw):
        for reduction in ("mean", "sum", "none"):
            options = {"blank": blank, "reduction": reduction}
            yield Sample((x, labels, frames, lengths), options, f"{x.shape} {reduction}", smooth=False)
        row = np.concatenate([r[:n] for r, n in zip(labels, lengths)])
        yield Sample((x, row, tuple(frames.tolist()), lengths.tolist()), {"blank": blank}, "in a row", smooth=False)
        one = (x[:, 0], labels[0], frames[:1], lengths[:1] * 0 + labels.shape[1])
        yield Sample(one, {"blank": blank, "zero_infinity": True}, "one sample", smooth=False)
    x = log_softmax(draw.normal(5, 3, 4))
    labels = np.array([[1, 1, 1], [1, 2, 3], [3, 3, 1]])
    for zero in (False, True):  # five frames cannot hold three equal labels and the blanks between: 5 = 3 + 2, 4 < 5
        options = {"zero_infinity": zero, "reduction": "none"}
        yield Sample((x, labels, (4, 3, 3), (3, 3, 3)), options, f"impossible {zero}", smooth=False)
        yield Sample((x, labels, (5, 0, 0), (0, 0, 2)), options, f"no labels, no frames {zero}", smooth=False)
    yield Sample((x, labels[:, :0], (5, 4, 3), (0, 0, 0)), {}, "only blanks", smooth=False)
    yield Sample((transposed(x), labels.astype(np.int32), (5, 5, 5), (2, 2, 1)), {}, "strided", smooth=False)
    never = x.copy()
    never[2, :, 1] = -np.inf
    yield Sample((never, labels, (5, 5, 5), (2, 2, 2)), {"reduction": "none"}, "probability 0", smooth=False)
    long = log_softmax(draw.normal(400, 2, 6, scale=5.0))
    yield Sample((long, draw.integers(1, 6, 2, 40), (400, 333), (40, 17)), {}, "long", smooth=False)


def speech(draw: Draw):
    """Frames of speech in letters, and lines of handwriting."""
    for steps, count, classes, width in [(200, 16, 29, 40), (100, 32, 80, 30)]:
        x, labels = log_softmax(draw.normal(steps, count, classes)), draw.integers(1, classes, count, width)
        args = (x, labels, (steps,) * count, (width,) * count)
        yield Sample(args, label=f"{steps}x{count}x{classes}, {width} labels", smooth=False)


def wrong(draw: Draw):
    x, labels = log_softmax(draw.normal(5, 2, 4)), np.array([[1, 2], [3, 1]])
    both, each = (5, 5), (2, 2)
    yield Wrong(
        (x, labels, (6, 5), each), RuntimeError, r"Expected input_lengths to have value of 0 to 5, got \[6, 5\]"
    )
    yield Wrong((x, labels, (-1, 5), each), RuntimeError, "Expected input_lengths to have value of 0 to 5")
    yield Wrong((x, labels, both, (2, -1)), RuntimeError, "Expected target_lengths of at least 0")
    yield Wrong((x, labels, (5,), each), RuntimeError, "input_lengths must be of size batch_size 2")
    yield Wrong((x, labels, both, (2.0, 1.0)), RuntimeError, "target_lengths must be integral, got float64")
    yield Wrong((x, labels[:, :1], both, each), RuntimeError, r"expected targets \[2, 2\] or longer.*got \[2, 1\]")
    yield Wrong((x, labels.ravel(), both, (2, 1)), RuntimeError, "expected targets of length 3, the sum.*got 4")
    yield Wrong((x, labels * 1.0, both, each), RuntimeError, "targets must be integral, got float64")
    yield Wrong((x, labels + 2, both, each), RuntimeError, "expected labels of 0 to 3")
    yield Wrong((x, labels, both, each), RuntimeError, "blank must be in label range, 0 to 3, got 7", {"blank": 7})
    yield Wrong((x, labels, both, each), ValueError, "x is not a valid value", {"reduction": "x"})
    yield Wrong((x[0, 0], labels, both, each), RuntimeError, r"expected log_probs \[T, N, C\] or \[T, C\], got \[4\]")
    yield Wrong((labels, labels, both, each), RuntimeError, "expected floating point log_probs, got nncore.int64")
    yield Wrong((x[:, :0], labels[:0], (), ()), RuntimeError, "log_probs tensor must not be empty")


CASES = [
    Case(
        "ctc_loss",
        F.ctc_loss,
        ref.ctc.ctc_loss,
        samples,
        wrong,
        {"float32": (2e-5, 1e-5), "float64": (1e-12, 1e-12)},  # a recursion of up to 400 steps
        derivatives=0,
        benchmark=speech,
    )
]
