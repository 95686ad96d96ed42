"""No operation leaves memory behind: what it computed and recorded goes with its results, without the collector."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import nncore as nc
from op_cases import Case, all_cases
from test_ops import draw_for, to_tensors


def live_bytes() -> int:
    return nc.memory_stats()["live_bytes"]


def differentiate(outputs, inputs: list) -> None:
    """Gradients and their gradients, so that every rule runs and records."""
    for _ in range(2):
        roots = [y for y in outputs if isinstance(y, nc.Tensor) and y.requires_grad]
        if not roots:
            return
        outputs = nc.autograd.grad(
            roots, inputs, [nc.ones_like(y) for y in roots], create_graph=True, allow_unused=True
        )


def call(case: Case, sample) -> None:
    args = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in sample.args)
    args = to_tensors(args, requires_grad=case.derivatives > 0)
    outputs = case.function(*args, **to_tensors(sample.kwargs))
    inputs = [a for a in args if isinstance(a, nc.Tensor) and a.requires_grad]
    if case.derivatives > 1 and sample.smooth and inputs:
        differentiate(outputs if isinstance(outputs, (tuple, list)) else [outputs], inputs)


@pytest.mark.parametrize("case", all_cases(), ids=str)
@pytest.mark.filterwarnings("ignore")
def test_memory_is_back_at_once(case):
    samples = list(case.samples(draw_for(case, case.dtypes[0])))
    call(case, samples[0])  # what an operation keeps for good, it makes the first time
    gc.collect()
    gc.disable()
    try:
        for sample in samples:
            before = live_bytes()
            call(case, sample)
            assert live_bytes() == before, f"{case.name} {sample.label}: {live_bytes() - before} bytes stay"
    finally:
        gc.enable()
