"""Every operation of the case tables in a plan: a replay with other values gives the bits of the operation itself."""

import contextlib
import itertools

import numpy as np
import pytest

import nncore as nc
from op_cases import all_cases
from test_ops import draw_for, results, to_tensors

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using a target size"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides"),
    pytest.mark.filterwarnings("ignore:from_numpy. the array is not writable"),
]

# What reads values on the host, so that a plan refuses it: shapes or Python's choices depend on them.
READS_VALUES = {
    "allclose", "bincount", "ctc_loss", "equal", "getitem", "index_put", "masked_select",
    "max_unpool1d", "max_unpool2d", "max_unpool3d", "nonzero", "one_hot", "repeat_interleave", "unique",
}  # fmt: skip


# Cases that read values themselves, or whose arguments are changed in place.
OTHERWISE = {"batch_norm", "instance_norm", "resample", "resample of one place"}


def with_gradients(function):
    """The results of a function, and the gradients of their sum."""

    def run(args, kwargs):
        found = function(*args, **kwargs)
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        inputs = [a for a in args if isinstance(a, nc.Tensor) and a.requires_grad]
        floating = [y for y in found if isinstance(y, nc.Tensor) and y.requires_grad]
        if not inputs or not floating:
            return found
        total = sum(((y * y).sum() if i else y.sum() for i, y in enumerate(floating)), start=nc.zeros(()))
        return found + [g for g in nc.autograd.grad(total, inputs, allow_unused=True) if g is not None]

    return run


def bits(found):
    return [r.tobytes() for r in results([t for t in found if t is not None])]


def compare(run, captured, calls, label) -> bool:
    """Whether something was replayed; all calls have the bits of the function."""
    for args, kwargs in calls:
        expected = bits(run(args, kwargs))
        assert bits(captured(args, kwargs)) == expected, label
    return bool(captured.plans)


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_replays(case, monkeypatch):
    dtype = "float32" if "float32" in case.dtypes else case.dtypes[0]
    run = with_gradients(case.function)
    first, second = (list(itertools.islice(case.samples(d), 12)) for d in (draw_for(case, dtype), other(case, dtype)))
    replayed = 0
    for one, two in zip(first, second, strict=True):
        captured = nc.capture(run)
        calls = [(to_tensors(s.args, case.derivatives > 0), to_tensors(s.kwargs)) for s in (one, one, two, one)]
        if any(not isinstance(t, nc.Tensor) and isinstance(t, np.ndarray) for args, _ in calls for t in args):
            continue
        if case.name in READS_VALUES | OTHERWISE:
            with contextlib.suppress(nc.CaptureError):
                replayed += compare(run, captured, calls, one.label)
        else:
            replayed += compare(run, captured, calls, one.label)
    assert replayed or case.name in READS_VALUES | OTHERWISE


def other(case, dtype):
    """A draw of other values."""
    draw = draw_for(case, dtype)
    draw.random = np.random.default_rng(1)
    return draw
