"""Benchmarks from the case tables of the tests: each operation forward and backward, as training runs it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

import numpy as np

import nncore as nc
from bench import large
from bench.bench import Bench, importer
from op_cases import Case, Draw, Sample, all_cases

GROUPS = {
    "conv": ["conv2d"],
    "transposed": ["conv_transpose2d"],
    "pool": ["max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"],
    "xent": ["cross_entropy"],
    "norm": ["batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "local_response_norm"],
    "interpolation": ["interpolate"],
    "attention": ["scaled_dot_product_attention"],
    "ctc": ["ctc_loss"],
    "embedding": ["embedding_bag"],
    "activation": [
        *("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus", "hardswish", "mish"),
        *("softmax", "log_softmax"),
    ],
}


def peer(case: Case, torch):
    """PyTorch's function for a case."""
    name = case.torch or case.name
    return getattr(torch.nn.functional, name, None) or getattr(torch, name)


def arrays(sample: Sample) -> list[np.ndarray]:
    """The arrays among the arguments."""
    return [a for a in (*sample.args, *sample.kwargs.values()) if isinstance(a, np.ndarray)]


def step(library, function, tensor, sample: Sample, constant: bool):
    """One training step through the operation: its result, then the gradients of its floating inputs. `constant`: the
    first of them is data, of which no gradient is wanted."""
    args = [tensor(a) if isinstance(a, np.ndarray) else a for a in sample.args]
    kwargs = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in sample.kwargs.items()}
    found = [a for a in (*args, *kwargs.values()) if isinstance(a, library.Tensor) and a.is_floating_point()]
    inputs = [a.requires_grad_() for a in found[constant:]]
    y = function(*args, **kwargs)
    weights = tensor(np.random.default_rng(1).standard_normal(tuple(y.shape)).astype(np.float32))
    grad = library.autograd.grad

    def run():
        return grad(function(*args, **kwargs), inputs, weights)

    return run


def work(group: str, sample: Sample, constant: bool) -> dict[str, float]:
    """The floating operations, or the bytes that must move."""
    x = arrays(sample)[0]
    if group == "conv":
        w = sample.args[1]
        options = {k: v for k, v in sample.kwargs.items() if k != "groups"}
        plane = nc.conv2d(nc.zeros(1, 1, *x.shape[2:]), nc.zeros(1, 1, *w.shape[2:]), **options).numel()
        products = 2.0 * x.shape[0] * plane * w.size
        return {"flops": products * (2 if constant else 3)}
    if group == "transposed":
        return {"flops": 6.0 * x.size * sample.args[1][0].size}
    if group == "attention":  # two products forward, four backward, each of every query with every key
        q, k, v = sample.args
        pairs = q[..., 0].size * k.shape[-2] * (0.5 if sample.kwargs.get("is_causal") else 1)
        return {"flops": 6.0 * pairs * (q.shape[-1] + v.shape[-1])}
    if group == "interpolation":  # read x and gy, write y and gx
        out = nc.nn.functional.interpolate(nc.from_numpy(x), **sample.kwargs).numel() * x.itemsize
        return {"bytes": 2.0 * (x.nbytes + out)}
    if group == "ctc":  # read the scores, write their gradient
        return {"bytes": 2.0 * x.nbytes}
    if group == "embedding":  # read the rows, write zeros and then the rows' gradients
        table, index = sample.kwargs["weight"], sample.kwargs["input"]
        return {"bytes": 1.0 * table.nbytes + 2.0 * index.size * table[0].nbytes}
    if group in ("activation", "norm"):
        return {"bytes": 5.0 * x.nbytes}  # read x, write y; read gy and x or what was saved, write gx
    if group == "xent":
        return {"bytes": 3.0 * x.nbytes}  # read the scores twice, write their gradient
    return {"bytes": 2.0 * x.nbytes}  # pooling: read x, write gx; the result is small


def benches(group: str, torch, device: str) -> Iterator[Bench]:
    """The larger calls of a group's cases, and on a GPU still larger ones."""
    cases = {case.name: case for case in all_cases()}
    for name in GROUPS[group]:
        case = cases.get(name)
        more = large.samples(name) if device == "cuda" else ()
        for sample in chain(case.benchmark(Draw("float32")), more) if case else ():
            # The first layer of a network needs no gradient of its input, which is the data.
            data = group == "conv" and sample.args[0].shape[1] <= 3
            make = {"nncore": partial(step, nc, case.function, importer(nc, device), sample, data)}
            if torch:
                make["torch"] = partial(step, torch, peer(case, torch), importer(torch, device), sample, data)
            label = sample.label if group == "conv" else f"{name} {sample.label}"
            limit = work(group, sample, data)
            yield Bench(group, label, make, **limit, device=device)
            if group == "conv" and sample.label.startswith("ResNet-50"):
                yield Bench(group, f"{label}, TF32", make, **limit, device=device, precision="high")
