"""Every operation of the case tables against the function of the same name in PyTorch: values, first and second
gradients, on the samples of the table with fresh random numbers for each run of the tests. With `--device cuda` both
on the GPU."""

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

# Where PyTorch's function is called in another way than the case's. Equal elements keep their order here always, in
# PyTorch where it is told so.
CALLS = {
    "argsort": lambda x, dim=-1, descending=False: torch.argsort(x, dim=dim, descending=descending, stable=True),
    "cat": lambda *tensors, dim=0: torch.cat(tensors, dim),
    "embedding": lambda weight, index, **options: torch.nn.functional.embedding(index, weight, **options),
    "logsumexp": lambda x, dim=None, **options: torch.logsumexp(
        x, tuple(range(x.ndim)) if dim is None else dim, **options
    ),
    "repeat_interleave": lambda x, repeats, dim=None: torch.repeat_interleave(
        x, torch.tensor(repeats, device=x.device) if isinstance(repeats, list) else repeats, dim
    ),
    "sort": lambda x, dim=-1, descending=False: torch.sort(x, dim=dim, descending=descending, stable=True),
    "stack": lambda *tensors, dim=0: torch.stack(tensors, dim),
}
# What is compared in a file of its own, because the case calls it through a wrapper or with arguments of nncore's.
ELSEWHERE = {
    "embedding_bag": "test_attention.py",
    "multi_head_attention_forward": "test_attention.py",
    **dict.fromkeys(("gru", "lstm", "rnn_relu", "rnn_tanh"), "test_rnn.py"),
}
# Samples that PyTorch refuses, in its forward or its backward: nncore computes them (docs/differences.md).
REFUSED = {
    "prod": "dim=None",
    "scaled_dot_product_attention": "queries without a batch",
    "scatter": "the gradient of a source larger than the index",
    "scatter_add": "the gradient of a source larger than the index",
}
# The variance of one element has no derivative here (docs/differences.md); calls.txt has equal elements.
SPREADS = {"std", "std_mean", "var", "var_mean"}

SEED = int(os.environ.get("NNCORE_PEER_SEED", "0")) or int.from_bytes(os.urandom(4), "little")


def torch_function(case: Case):
    """The function that a case names in PyTorch, or None where PyTorch has no such thing."""
    name = case.torch or case.name
    if name in CALLS:
        return CALLS[name]
    for home in (torch.nn.functional, torch, torch.special, torch.linalg, torch.Tensor):
        if hasattr(home, name):
            return getattr(home, name)
    return None


def to_torch(value, requires_grad: bool = False, device: str = "cpu"):
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(value.copy()).to(device)
        return tensor.requires_grad_() if requires_grad and tensor.is_floating_point() else tensor
    if isinstance(value, (tuple, list)):
        return type(value)(to_torch(v, requires_grad, device) for v in value)
    if isinstance(value, dict):
        return {k: to_torch(v, requires_grad, device) for k, v in value.items()}
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


def derivatives(library, function, args, kwargs, weights, second: bool, device: str) -> list:
    """Values, gradients of a weighted sum, and gradients of a weighted sum of those."""
    inputs = differentiable(args)
    outputs = function(*args, **kwargs)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    values = results(outputs)
    floating = [y for y in outputs if not isinstance(y, bool) and y.is_floating_point() and y.requires_grad]
    if not inputs or not floating:
        return values
    to_library = to_tensors if library is nc else to_torch
    gy = [to_library(weights(y.shape), device=device) for y in floating]
    gradients = library.autograd.grad(floating, inputs, gy, create_graph=second, allow_unused=True)
    values += [_dense(g, x) for g, x in zip(gradients, inputs)]
    rough = [g for g in gradients if g is not None and g.requires_grad] if second else []
    if rough:
        gy = [to_library(weights(g.shape), device=device) for g in rough]
        seconds = library.autograd.grad(rough, inputs, gy, allow_unused=True)
        values += [_dense(g, x) for g, x in zip(seconds, inputs)]
    else:
        values += [np.zeros(tuple(x.shape)) for x in inputs] if second else []
    return values


def _dense(gradient, x) -> np.ndarray:
    return np.zeros_like(x.detach().numpy(force=True)) if gradient is None else gradient.detach().numpy(force=True)


@pytest.mark.parametrize("case", all_cases(), ids=str)
@pytest.mark.filterwarnings("ignore")
def test_agrees_with_pytorch(case, device):
    peer = torch_function(case)
    if peer is None:
        pytest.skip("PyTorch has no function of this name")
    if case.name in ELSEWHERE:
        pytest.skip(f"compared in {ELSEWHERE[case.name]}")
    compared = 0
    for dtype in case.dtypes:
        rtol, atol = (1e-4, 1e-5) if dtype == "float32" else (1e-9, 1e-10)
        atol = max(atol, case.tolerance[dtype][1])  # long sums
        rtol = max(rtol, SINGLE_PRECISION.get(case.name, 0))
        for sample in case.samples(Draw(dtype, SEED)):
            if case.name in SPREADS and not sample.smooth:
                continue
            random = np.random.default_rng(SEED)
            weights = lambda shape, r=random, d=dtype: np.asarray(r.standard_normal(tuple(shape)), d)  # noqa: E731
            second = case.derivatives > 1 and case.name not in FIRST_ONLY and sample.smooth and dtype == "float64"
            args = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in sample.args)
            ours = derivatives(
                nc,
                case.function,
                to_tensors(args, case.derivatives > 0, device),
                to_tensors(sample.kwargs, device=device),
                weights,
                second,
                device,
            )
            random = np.random.default_rng(SEED)
            weights = lambda shape, r=random, d=dtype: np.asarray(r.standard_normal(tuple(shape)), d)  # noqa: E731
            try:
                theirs = derivatives(
                    torch,
                    peer,
                    to_torch(args, case.derivatives > 0, device),
                    to_torch(sample.kwargs, device=device),
                    weights,
                    second,
                    device,
                )
            except (IndexError, RuntimeError, TypeError):
                if case.name in REFUSED:
                    continue
                raise
            compared += 1
            for got, expected in zip(ours, theirs, strict=True):
                where = f"{case.name} {dtype} {sample.label} seed {SEED}"
                assert got.shape == expected.shape, where
                if not sample.smooth and got.shape == args[0].shape:
                    # For NaN, infinities and their likes the vector and scalar loops of PyTorch's activations disagree.
                    got, expected = (np.where(np.abs(args[0]) < 1e30, v, 0) for v in (got, expected))
                np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True, err_msg=where)
    assert compared, f"no sample of {case.name} was compared"
