"""Cases of bags of embeddings."""

import numpy as np

from nncore import reference as ref
from nncore.nn import functional as F
from op_cases import Case, Draw, Sample, Wrong, layouts


def bag(weight, input, offsets=None, per_sample_weights=None, **options):
    """embedding_bag with what is differentiated in front."""
    return F.embedding_bag(input, weight, offsets, per_sample_weights=per_sample_weights, **options)


def reference(weight, input, offsets=None, per_sample_weights=None, mode="mean", **options):
    last, padding_idx = options.get("include_last_offset", False), options.get("padding_idx")
    return ref.index.embedding_bag(input, weight, offsets, mode, per_sample_weights, last, padding_idx)


def bags(draw: Draw):
    table = draw.distinct(7, 3)
    square, row = draw.integers(0, 7, 4, 5), draw.integers(0, 7, 9)
    for mode in ("sum", "mean", "max"):
        options = {"mode": mode}
        yield Sample((table, square), options, f"{mode} of rows")
        yield Sample((table, square.astype(np.int32)), options, f"{mode}, int32")
        for offsets in ([0, 2, 2, 8], [0], [0, 0, 9, 9], [0, 3, 6]):
            yield Sample((table, row, np.array(offsets)), options, f"{mode} {offsets}")
        yield Sample(
            (table, row, np.array([0, 4, 7])), {**options, "include_last_offset": True}, f"{mode}, last offset"
        )
        for padding_idx in (0, -1, int(row[0])):
            padded = {**options, "padding_idx": padding_idx}
            yield Sample((table, row, np.array([0, 1, 4])), padded, f"{mode}, padding {padding_idx}")
        yield Sample((table, np.full((2, 3), 4)), {**options, "padding_idx": 4}, f"{mode} of padding", smooth=False)
        yield Sample((table, row[:0], np.array([0, 0])), options, f"{mode} of nothing", smooth=False)
        yield Sample((table, row[:0], row[:0]), options, f"{mode}, no bag", smooth=False)
        yield Sample((table, square[:0]), options, f"{mode} of no row", smooth=False)
        yield Sample((draw.normal(7, 0), square), options, f"{mode}, no feature", smooth=False)
        for x in layouts(table):
            yield Sample((x, square), options, f"{mode}, strides {x.strides}", smooth=0 not in x.strides)
    weighted = {"mode": "sum", "padding_idx": 2}
    yield Sample((table, square, None, draw.normal(4, 5)), {"mode": "sum"}, "weighted rows")
    yield Sample((table, row, np.array([0, 2, 5]), draw.normal(9)), weighted, "weighted bags with padding")
    # NaN in a row that is not named, or is padding, must not be seen.
    rubbish = table.copy()
    rubbish[6] = np.nan
    yield Sample((rubbish, np.array([[6, 1], [6, 6]])), {"mode": "mean", "padding_idx": 6}, "nan", smooth=False)


def wrong_bags(draw: Draw):
    table, square, row, offsets = draw.normal(5, 3), draw.integers(0, 5, 2, 3), draw.integers(0, 5, 4), np.array([0, 2])
    yield Wrong((table, square, offsets), ValueError, "if input is 2D, then offsets has to be None")
    yield Wrong((table, row), ValueError, "offsets has to be a 1D Tensor but got None")
    yield Wrong((table, row, offsets[:, None]), ValueError, r"offsets has to be a 1D Tensor, got \[2, 1\]")
    yield Wrong((table, square[None]), ValueError, "input has to be 1D or 2D Tensor, but got Tensor of dimension 3")
    yield Wrong((table[0], square), ValueError, "weight has to be a 2D Tensor, but got Tensor of dimension 1")
    yield Wrong((table, row, np.array([1, 2])), RuntimeError, r"offsets\[0\] has to be 0.* However, got 1")
    yield Wrong(
        (table, row, np.array([0, 5])), RuntimeError, r"greater than input's length 4 but got offsets\[-1\] of 5"
    )
    yield Wrong((table, row, np.array([0, 3, 2])), RuntimeError, "offsets have to increase, got a bag of length -1")
    last = {"include_last_offset": True}
    yield Wrong((table, row, row[:0]), RuntimeError, "number of offset should be at least 1", last)
    yield Wrong((table, square[:, :0]), RuntimeError, r"bags of no index need offsets \(input \[2, 0\]\)")
    yield Wrong((table, np.array([[0, 5]])), IndexError, "embedding: index 5 is out of bounds.*size 5")
    yield Wrong((table, square.astype(np.float32)), RuntimeError, "expected indices and offsets of int32 or int64")
    yield Wrong((table, square), ValueError, "mode has to be one of sum, mean or max, got 'x'", {"mode": "x"})
    for options, match in [
        ({"scale_grad_by_freq": True}, "scaling the gradient"),
        ({"sparse": True}, "sparse weights"),
    ]:
        yield Wrong((table, square), ValueError, f"max mode does not support {match}", {"mode": "max", **options})
    far = {"padding_idx": 5}
    yield Wrong((table, square), RuntimeError, "within the number of embeddings, -5 through 4 but got 5", far)
    factors = draw.normal(2, 3)
    yield Wrong(
        (table, square, None, factors), NotImplementedError, r"only supported for mode='sum' \(got mode='mean'\)"
    )
    yield Wrong(
        (table, square, None, factors[:1]), ValueError, "must have the same shape as the input", {"mode": "sum"}
    )
    wide = (table, square, None, factors.astype(np.float64))
    yield Wrong(wide, RuntimeError, "expected per_sample_weights of dtype .*float32, got .*float64", {"mode": "sum"})


def words(draw: Draw):
    """Texts as sums and means of their words, in rows and one after the other. By name: PyTorch's order is another."""
    table, texts = draw.normal(20000, 64), draw.integers(0, 20000, 256, 40)
    for mode in ("sum", "mean"):
        yield Sample((), {"weight": table, "input": texts, "mode": mode}, f"20000x64, 256 bags of 40, {mode}")
    lengths = draw.integers(1, 80, 256)
    options = {"offsets": np.cumsum(lengths) - lengths, "mode": "sum"}
    texts = draw.integers(0, 20000, int(lengths.sum()))
    yield Sample((), {"weight": table, "input": texts, **options}, "20000x64, 256 bags of 1 to 79, sum")


CASES = [Case("embedding_bag", bag, reference, bags, wrong_bags, benchmark=words)]
