"""What comparing layers and losses with PyTorch's takes: one module of each library, run on the same arrays."""

import os

import numpy as np
import torch

import nncore as nc

SEED = int(os.environ.get("NNCORE_PEER_SEED", "0")) or int.from_bytes(os.urandom(4), "little")
FIRST_ONLY = ("Hardsigmoid", "MultiMarginLoss", "MultiLabelMarginLoss")  # PyTorch has no second derivative of these


def to_torch(array):
    return torch.from_numpy(np.array(array))


def first(value):
    return value[0] if isinstance(value, tuple) else value


def gradients(library, outputs, inputs, weights, second=True):
    """First gradients, and the second ones where there are any."""
    make = to_torch if library is torch else nc.tensor
    (gy, *more) = weights
    firsts = library.autograd.grad([outputs], inputs, [make(gy)], create_graph=True, allow_unused=True)
    rough = [(g, make(w)) for g, w in zip(firsts, more, strict=True) if g is not None and g.requires_grad]
    seconds = [None] * len(inputs)
    if rough and second:
        seconds = library.autograd.grad([g for g, _ in rough], inputs, [w for _, w in rough], allow_unused=True)
    return [
        np.zeros(x.shape) if g is None else g.detach().numpy(force=True)  # PyTorch may give a symbolic zero
        for g, x in zip([*firsts, *seconds], [*inputs] * 2, strict=True)
    ]


def expect_equal(ours, theirs, dtype, what):
    rtol, atol = (2e-4, 2e-5) if dtype == "float32" else (1e-9, 1e-10)
    if what.startswith(("CELU", "Hardsigmoid")):
        rtol = max(rtol, 1e-6)  # PyTorch computes some of their constants in float32
    for got, expected in zip(ours, theirs, strict=True):
        assert got.shape == expected.shape, what
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True, err_msg=what)


def compare(theirs, ours, arrays, dtype, what, constants=()):
    """Run both modules on the arrays; compare values and the gradients of inputs and parameters."""
    found = []
    random = np.random.default_rng(SEED + 1)
    weights = None
    for library, module in ((torch, theirs), (nc, ours)):
        make = to_torch if library is torch else nc.tensor
        inputs = [make(a).requires_grad_() for a in arrays]
        y = module(*inputs, *(make(c) for c in constants))
        value, extra = first(y), y[1:] if isinstance(y, tuple) else ()
        values = [v.detach().numpy() for v in (value, *extra)]
        inputs += list(module.parameters())
        if weights is None:
            weights = [random.standard_normal(tuple(t.shape)).astype(dtype) for t in (value, *inputs)]
        second = not what.startswith(FIRST_ONLY)
        found.append(values + gradients(library, value, inputs, weights, second))
    expect_equal(found[1], found[0], dtype, what)
