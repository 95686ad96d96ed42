"""Optimizer steps over the parameters of a small and of a large network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

import nncore as nc
from bench.bench import Bench, importer

# Name, options, and how many times one step reads or writes an array as large as the parameters.
OPTIMIZERS = [
    ("SGD", {"lr": 0.01}, 3),
    ("SGD", {"lr": 0.01, "momentum": 0.9}, 5),
    ("Adagrad", {}, 5),
    ("RMSprop", {}, 5),
    ("Adam", {}, 7),
    ("AdamW", {}, 7),
    ("Adam", {"amsgrad": True}, 9),
    ("Adamax", {}, 7),
    ("NAdam", {}, 7),
    ("RAdam", {}, 7),
    ("Adadelta", {}, 7),
    ("ASGD", {}, 5),
    ("Rprop", {}, 7),
]
FUSED = ("SGD", "Adagrad", "Adam", "AdamW")  # those that PyTorch can also run as one kernel, if asked to

LENET = [(6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 256), (120,), (84, 120), (84,), (10, 84), (10,)]
RESNET18 = [
    (64, 3, 7, 7),
    *[(64, 64, 3, 3)] * 4,
    *[(128, 64, 3, 3), (128, 128, 3, 3), (128, 128, 3, 3), (128, 128, 3, 3)],
    *[(256, 128, 3, 3), (256, 256, 3, 3), (256, 256, 3, 3), (256, 256, 3, 3)],
    *[(512, 256, 3, 3), (512, 512, 3, 3), (512, 512, 3, 3), (512, 512, 3, 3)],
    *[(64,), (64,)] * 5,
    *[(128,), (128,)] * 5,
    *[(256,), (256,)] * 5,
    *[(512,), (512,)] * 5,
    (1000, 512),
    (1000,),
]
LARGE = [(1 << 18,)] * 80 + [(1 << 16,)] * 60 + [(256,)] * 20


def stepper(library, device: str, name: str, shapes: list, options: dict):
    """The step of an optimizer whose parameters have gradients."""
    random, tensor = np.random.default_rng(0), importer(library, device)
    parameters = []
    for shape in shapes:
        p = tensor(random.standard_normal(shape, dtype=np.float32)).requires_grad_()
        p.grad = tensor(0.01 * random.standard_normal(shape, dtype=np.float32))
        parameters.append(p)
    return getattr(library.optim, name)(parameters, **options).step


def contest(name: str, optimizer: str, options: dict, shapes: list, passes: int, fused: bool, torch, device) -> Bench:
    """One optimizer; with `fused` against PyTorch's fused step."""
    label = name + (", PyTorch fused" if fused else "")
    make = {"nncore": partial(stepper, nc, device, optimizer, shapes, options)}
    if torch:
        more = {"fused": True} if fused else {}
        make["torch"] = partial(stepper, torch, device, optimizer, shapes, {**options, **more})
    size = 4.0 * sum(int(np.prod(s)) for s in shapes)
    return Bench("optim", label, make, bytes=passes * size, device=device)


def benches(torch, device: str) -> Iterator[Bench]:
    """Every optimizer; where PyTorch has a fused step, against that as well."""
    if device == "cuda":
        yield contest("25 million parameters in 160 tensors, Adam", "Adam", {}, LARGE, 7, True, torch, device)
    for network, shapes in (("LeNet", LENET), ("ResNet-18", RESNET18)):
        for name, options, passes in OPTIMIZERS:
            words = ", ".join(k for k in options if k != "lr")
            label = f"{network} {name}" + (f" {words}" if words else "")
            for fused in (False, True) if torch and name in FUSED else (False,):
                yield contest(label, name, options, shapes, passes, fused, torch, device)
