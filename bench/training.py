"""Whole training steps: forward, loss, backward, optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

import nncore as nc
from bench.bench import Bench, importer


def mlp(nn):
    """784-256-128-10."""
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def lenet(nn):
    """LeNet-5 as it is taught today: maximum pooling and ReLU."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def cnn(nn):
    """Three convolutions of 3 by 3 on colour images of 32 by 32."""
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(128, 10),
    )


NETWORKS = [
    ("MLP, batch 128", mlp, (128, 784)),
    ("LeNet-5, batch 64", lenet, (64, 1, 28, 28)),
    ("small CNN, batch 32", cnn, (32, 3, 32, 32)),
]
OPTIMIZERS = [("SGD", {"lr": 0.01, "momentum": 0.9}), ("Adam", {})]


def trainer(library, device: str, network, shape: tuple, optimizer: str, options: dict):
    """One step on random images."""
    random, tensor = np.random.default_rng(0), importer(library, device)
    x = tensor(random.standard_normal(shape, dtype=np.float32))
    t = tensor(random.integers(0, 10, shape[0]))
    library.manual_seed(0)
    model = network(library.nn).to(device)
    steps = getattr(library.optim, optimizer)(model.parameters(), **options)
    loss_of = library.nn.CrossEntropyLoss()

    def run():
        steps.zero_grad()
        loss_of(model(x), t).backward()
        steps.step()

    return run


def benches(torch, device: str) -> Iterator[Bench]:
    """Each network with each optimizer."""
    for label, network, shape in NETWORKS:
        for optimizer, options in OPTIMIZERS:
            make = {"nncore": partial(trainer, nc, device, network, shape, optimizer, options)}
            if torch:
                make["torch"] = partial(trainer, torch, device, network, shape, optimizer, options)
            yield Bench("training", f"{label}, {optimizer}", make, device=device)
