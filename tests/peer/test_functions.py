"""Every operation of the case tables against the function of the same name in PyTorch: values, first and second
gradients, on the samples of the table with fresh random numbers for each run of the tests."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

import nncore as nc
from op_cases import Case, Draw, all_cases
from test_ops import results, to_tensors

# Derivatives that PyTorch computes with constants in single precision, whatever the dtype.
SINGLE_PRECISION = {"celu": 1e-7, "hardsigmoid": 1e-7}
# Second derivatives that PyTorch lacks.
FIRST_ONLY = {"hardsigmoid", "cdist", "pdist", "multi_margin_loss", "multilabel_margin_loss"}

# Equal elements keep their order here always, in PyTorch where it is told so.
STABLE = {
    "sort": lambda x, dim=-1, descending=False: torch.sort(x, dim=dim, descending=descending, stable=True),
    "argsort": lambda x, dim=-1, descending=False: torch.argsort(x, dim=dim, descending=descending, stable=True),
}

SEED = int(os.environ.get("NNCORE_PEER_SEED", "0")) or int.from_bytes(os.urandom(4), "little")


def torch_function(case: Case):
    """The function that a case names in PyTorch, or None where PyTorch has no such thing."""
    name = case.torch or case.name
    if name in STABLE:
        return STABLE[name]
    for home in (torch.nn.functional, torch, torch.special, torch.linalg, torch.Tensor):
        if hasattr(home, name):
            return getattr(home, name)
    return None


def to_torch(value, requires_grad: bool = False):
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(value.copy())
        return tensor.requires_grad_() if requires_grad and tensor.is_floating_point() else tensor
    if isinstance(value, (tuple, list)):
        return type(value)(to_torch(v, requires_grad) for v in value)
    if isinstance(value, dict):
        return {k: to_torch(v, requires_grad) for k, v in value.items()}
    if type(value).__module__.startswith("nncore"):
        return getattr(torch, value.name)  # a dtype
    return value


def differentiable(values) -> list:
    """The tensors that a gradient is wanted for, at any depth."""
    found = []
    for v in values:
        if isinstance(v, (tuple, list)):
            found += differentiable(v)
        elif hasattr(v, "requires_grad") and v.requires_grad:
            found.append(v)
    return found


def derivatives(library, function, args, kwargs, weights, second: bool) -> list:
    """Values, gradients of a weighted sum, and gradients of a weighted sum of those."""
    inputs = differentiable(args)
    outputs = function(*args, **kwargs)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    values = results(outputs)
    floating = [y for y in outputs if not isinstance(y, bool) and y.is_floating_point() and y.requires_grad]
    if not inputs or not floating:
        return values
    to_library = to_tensors if library is nc else to_torch
    gy = [to_library(weights(y.shape)) for y in floating]
    gradients = library.autograd.grad(floating, inputs, gy, create_graph=second, allow_unused=True)
    values += [_dense(g, x) for g, x in zip(gradients, inputs)]
    rough = [g for g in gradients if g is not None and g.requires_grad] if second else []
    if rough:
        gy = [to_library(weights(g.shape)) for g in rough]
        seconds = library.autograd.grad(rough, inputs, gy, allow_unused=True)
        values += [_dense(g, x) for g, x in zip(seconds, inputs)]
    else:
        values += [np.zeros(tuple(x.shape)) for x in inputs] if second else []
    return values


def _dense(gradient, x) -> np.ndarray:
    return np.zeros_like(x.detach().numpy()) if gradient is None else gradient.detach().numpy(force=True)


@pytest.mark.parametrize("case", all_cases(), ids=str)
@pytest.mark.filterwarnings("ignore")
def test_agrees_with_pytorch(case):
    peer = torch_function(case)
    if peer is None:
        pytest.skip("PyTorch has no function of this name")
    for dtype in case.dtypes:
        rtol, atol = (1e-4, 1e-5) if dtype == "float32" else (1e-9, 1e-10)
        atol = max(atol, case.tolerance[dtype][1])  # long sums
        rtol = max(rtol, SINGLE_PRECISION.get(case.name, 0))
        for sample in case.samples(Draw(dtype, SEED)):
            random = np.random.default_rng(SEED)
            weights = lambda shape, r=random, d=dtype: np.asarray(r.standard_normal(tuple(shape)), d)  # noqa: E731
            second = case.derivatives > 1 and case.name not in FIRST_ONLY and sample.smooth and dtype == "float64"
            args = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in sample.args)
            ours = derivatives(
                nc, case.function, to_tensors(args, case.derivatives > 0), to_tensors(sample.kwargs), weights, second
            )
            random = np.random.default_rng(SEED)
            weights = lambda shape, r=random, d=dtype: np.asarray(r.standard_normal(tuple(shape)), d)  # noqa: E731
            theirs = derivatives(
                torch, peer, to_torch(args, case.derivatives > 0), to_torch(sample.kwargs), weights, second
            )
            for got, expected in zip(ours, theirs, strict=True):
                where = f"{case.name} {dtype} {sample.label} seed {SEED}"
                assert got.shape == expected.shape, where
                if not sample.smooth and got.shape == args[0].shape:
                    # For NaN, infinities and their likes the vector and scalar loops of PyTorch's activations disagree.
                    got, expected = (np.where(np.abs(args[0]) < 1e30, v, 0) for v in (got, expected))
                np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True, err_msg=where)
