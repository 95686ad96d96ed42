"""The calls of calls.txt, in nncore and in PyTorch: the same values, gradients, second gradients, or the same error.

A line that begins with `! ` is a call that PyTorch refuses, for one dtype at least, and nncore does not: those are
listed in docs/differences.md.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import nncore as nc
from op_cases import Draw
from peer.test_functions import SEED, _dense, differentiable, to_torch
from test_ops import results, to_tensors

LINES = [
    line
    for line in Path(__file__).with_name("calls.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]
# Where values pass through single precision, only its accuracy can be asked for, whatever the inputs are.
SINGLE = re.compile(r"\.float\(\)|float32")
INPUT = re.compile(r"([a-zA-Z])(\d*)\(([\d,]*)\)")


def make(draw: Draw, kind: str, limit: str, shape: tuple) -> np.ndarray:
    if kind == "i":
        return draw.integers(0, int(limit), *shape)
    if kind == "b":
        return draw.booleans(*shape)
    make_float = {
        "f": draw.normal,
        "p": lambda *s: draw.uniform(*s, low=0.05, high=0.95),
        "d": draw.distinct,
        "k": lambda *s: draw.away_from(0.0, *s),
    }
    return make_float[kind.lower()](*shape)


def inputs_of(text: str, dtype: str) -> list[tuple[np.ndarray, bool]]:
    """The arrays that a line describes, each with whether it is differentiated."""
    draw = Draw(dtype, SEED)
    found = []
    for kind, limit, shape in INPUT.findall(text):
        extents = tuple(int(n) for n in shape.split(",") if n)
        found.append((make(draw, kind, limit, extents), kind in "fpdk"))
    return found


def run(library, expression: str, arrays, second: bool, device: str):
    """Everything that a call and its gradients return, as arrays; or the exception that they raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return evaluate(library, expression, arrays, second, device)
        except Exception as error:
            return error


def evaluate(library, expression: str, arrays, second: bool, device: str) -> list[np.ndarray]:
    convert = to_tensors if library is nc else to_torch
    names = {"L": library, "F": library.nn.functional}
    tensors = [convert(a.copy(), wanted, device) for a, wanted in arrays]
    names.update(zip("xyzw", tensors, strict=False))
    outputs = eval(expression, names)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    values = results(outputs)
    floating = [y for y in outputs if hasattr(y, "requires_grad") and y.requires_grad]
    inputs = differentiable(tensors)
    if not floating or not inputs:
        return values

    def weigh(y, place: int):
        values = np.random.default_rng([SEED, place]).standard_normal(tuple(y.shape))
        return convert(np.asarray(values, results([y])[0].dtype), device=device)

    weights = [weigh(y, i) for i, y in enumerate(floating)]
    first = library.autograd.grad(floating, inputs, weights, create_graph=second, allow_unused=True)
    values += [_dense(g, x) for g, x in zip(first, inputs, strict=True)]
    if second:
        rough = [(g, weigh(g, 100 + i)) for i, g in enumerate(first) if g is not None and g.requires_grad]
        seconds = [None] * len(inputs)
        if rough:
            seconds = library.autograd.grad([g for g, _ in rough], inputs, [v for _, v in rough], allow_unused=True)
        values += [_dense(g, x) for g, x in zip(seconds, inputs, strict=True)]
    return values


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_call(line, dtype, device):
    expression, description = line.removeprefix("! ").rsplit(" | ", 1)
    arrays = inputs_of(description, dtype)
    second = dtype == "float64"
    ours, theirs = (run(library, expression, arrays, second, device) for library in (nc, torch))
    if isinstance(theirs, Exception) and line.startswith("! "):
        assert not isinstance(ours, Exception), repr(ours)
        return
    if isinstance(theirs, Exception):
        assert isinstance(ours, Exception), f"PyTorch raises {theirs!r}, nncore returns {ours}"
        kinds = (RuntimeError, ValueError, TypeError, IndexError)
        assert isinstance(ours, type(theirs)) or (isinstance(ours, kinds) and isinstance(theirs, kinds)), repr(ours)
        assert str(ours), "an error without a message"
        return
    if isinstance(ours, Exception):
        raise ours
    single = dtype == "float32" or SINGLE.search(line)
    assert len(ours) == len(theirs)
    for i, (got, expected) in enumerate(zip(ours, theirs, strict=True)):
        assert got.shape == expected.shape, f"result {i}: shape {got.shape}, PyTorch {expected.shape}"
        assert got.dtype == expected.dtype, f"result {i}: {got.dtype}, PyTorch {expected.dtype}"
        rtol, atol = (2e-4, 2e-5) if single or expected.dtype == np.float32 else (1e-8, 1e-9)
        np.testing.assert_allclose(
            got, expected, rtol=rtol, atol=atol, equal_nan=True, err_msg=f"result {i}, seed {SEED}"
        )
