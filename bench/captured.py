"""Whole training steps recorded once and replayed (nncore.capture), beside the same steps as they stand. On a GPU the
replay is a CUDA graph."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

import nncore as nc
from bench import training
from bench.bench import Bench, importer


def small_mlp(nn):
    """64-32-10: all arithmetic of a step takes a few microseconds."""
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def lstm(nn):
    """An LSTM of 128 units, whose last state is classified."""

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LSTM(64, 128, batch_first=True)
            self.head = nn.Linear(128, 10)

        def forward(self, x):
            return self.head(self.layer(x)[0][:, -1])

    return Last()


def normalised_cnn(nn):
    """Six convolutions of 3 by 3, each with batch normalisation."""
    layers, before = [], 3
    for channels in (32, 32, 64, 64, 128, 128):
        layers += [nn.Conv2d(before, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        before = channels
        if len(layers) % 6 == 0:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


NETWORKS = [
    ("MLP 64-32-10, batch 32", small_mlp, (32, 64)),
    ("MLP 784-256-128-10, batch 128", training.mlp, (128, 784)),
    ("LeNet-5, batch 64", training.lenet, (64, 1, 28, 28)),
    ("LSTM 64-128, 20 steps, batch 32", lstm, (32, 20, 64)),
    ("6 convolutions + BN, batch 64", normalised_cnn, (64, 3, 32, 32)),
]


WARM_UP = 4  # calls after which a captured step is one launch: eager, recorded, replayed, captured by the driver


def step(library, network, device: str, wrap=lambda model: model):
    """A training step of a model."""
    library.manual_seed(0)
    model = wrap(network(library.nn).to(device))
    optimizer = library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss_of = library.nn.CrossEntropyLoss()

    def run(x, t):
        optimizer.zero_grad()
        loss = loss_of(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return run


def in_graph(torch, run):
    """The step in a CUDA graph of PyTorch's, captured as its documentation says: after a warm-up on a side stream."""
    held = {}

    def replay(x, t):
        if not held:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP):
                    run(x, t)
            torch.cuda.current_stream().wait_stream(stream)
            held["graph"], held["x"], held["t"] = torch.cuda.CUDAGraph(), x.clone(), t.clone()
            with torch.cuda.graph(held["graph"]):
                held["loss"] = run(held["x"], held["t"])
        held["x"].copy_(x)
        held["t"].copy_(t)
        held["graph"].replay()
        return held["loss"]

    return replay


def maker(library, network, data: tuple, device: str, wrap_step=lambda step: step, wrap=lambda model: model):
    """Makes a step with its data, called until it is as it stays."""

    def make():
        tensor = importer(library, device)
        run = wrap_step(step(library, network, device, wrap))
        ready = functools.partial(run, *map(tensor, data))
        for _ in range(WARM_UP):
            ready()
        return ready

    return make


def benches(torch, device: str) -> Iterator[Bench]:
    """Each network captured and as it stands, against PyTorch as it stands, and compiled or, on a GPU, in a graph."""
    random = np.random.default_rng(0)
    for label, network, shape in NETWORKS:
        data = random.standard_normal(shape, dtype=np.float32), random.integers(0, 10, shape[0])
        own, plain = maker(nc, network, data, device, nc.capture), maker(nc, network, data, device)
        if not torch:
            yield Bench("captured", label, {"nncore": own}, device=device)
            yield Bench("captured", f"{label}, eager", {"nncore": plain}, device=device)
            continue
        eager = maker(torch, network, data, device)
        yield Bench("captured", label, {"nncore": own, "torch": eager}, device=device)
        yield Bench("captured", f"{label}, eager", {"nncore": plain, "torch": eager}, device=device)
        if device == "cuda":
            graph = maker(torch, network, data, device, functools.partial(in_graph, torch))
            yield Bench("captured", f"{label}, graph", {"nncore": own, "torch": graph}, device=device)
            continue
        compiled = maker(torch, network, data, device, wrap=torch.compile)
        try:
            compiled()
        except Exception as error:  # it needs a compiler, and has its own ideas of what it supports
            print(f"torch.compile fails for {label}: {type(error).__name__}")
            continue
        yield Bench("captured", f"{label}, compiled", {"nncore": own, "torch": compiled})
