"""Benchmarks from the case tables of the tests: each operation forward and backward, as training runs it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import nncore as nc
from bench.bench import Bench
from op_cases import Case, Draw, Sample, all_cases

GROUPS = {
    "conv": ["conv2d"],
    "pool": ["max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"],
    "xent": ["cross_entropy"],
    "norm": ["batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "local_response_norm"],
    "activation": [
        *("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus", "hardswish", "mish"),
        *("softmax", "log_softmax"),
    ],
}


def peer(case: Case, torch):
    """PyTorch's function for a case."""
    name = case.torch or case.name
    return getattr(torch.nn.functional, name, None) or getattr(torch, name)


def step(library, function, tensor, sample: Sample, differentiate: list[bool]):
    """One training step through the operation: its result, then the gradients of its floating inputs."""
    args = [tensor(a) if isinstance(a, np.ndarray) else a for a in sample.args]
    kwargs = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in sample.kwargs.items()}
    inputs = [a.requires_grad_() for a, wanted in zip(args, differentiate, strict=True) if wanted]
    y = function(*args, **kwargs)
    weights = tensor(np.random.default_rng(1).standard_normal(tuple(y.shape)).astype(np.float32))
    grad = library.autograd.grad

    def run():
        return grad(function(*args, **kwargs), inputs, weights)

    return run


def work(group: str, sample: Sample, differentiate: list[bool]) -> dict[str, float]:
    """The floating operations, or the bytes that must move."""
    x = sample.args[0]
    if group == "conv":
        w = sample.args[1]
        y = nc.conv2d(*[nc.from_numpy(a) for a in sample.args], **sample.kwargs)
        products = 2.0 * y.numel() * w[0].size
        return {"flops": products * (3 if differentiate[0] else 2)}
    if group in ("activation", "norm"):
        return {"bytes": 5.0 * x.nbytes}  # read x, write y; read gy and x or what was saved, write gx
    if group == "xent":
        return {"bytes": 3.0 * x.nbytes}  # read the scores twice, write their gradient
    return {"bytes": 2.0 * x.nbytes}  # pooling: read x, write gx; the result is small


def benches(group: str, torch) -> Iterator[Bench]:
    """The larger calls of a group's cases."""
    cases = {case.name: case for case in all_cases()}
    for name in GROUPS[group]:
        case = cases.get(name)
        for sample in case.benchmark(Draw("float32")) if case else ():
            # The first layer of a network needs no gradient of its input, which is the data.
            data = group == "conv" and sample.args[0].shape[1] <= 3
            differentiate = [
                isinstance(a, np.ndarray) and a.dtype == np.float32 and not (data and i == 0)
                for i, a in enumerate(sample.args)
            ]
            run = {"nncore": step(nc, case.function, nc.from_numpy, sample, differentiate)}
            if torch:
                run["torch"] = step(torch, peer(case, torch), torch.from_numpy, sample, differentiate)
            label = sample.label if group == "conv" else f"{name} {sample.label}"
            yield Bench(group, label, run, **work(group, sample, differentiate))
