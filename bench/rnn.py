"""Recurrent layers, forward and backward, as a network in training runs them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

import nncore as nc
from bench.bench import Bench, importer

# Layer, inputs, units, steps, batch, options.
LAYERS = [
    ("LSTM", 64, 128, 20, 32, {}),
    ("GRU", 64, 128, 20, 32, {}),
    ("RNN", 64, 128, 20, 32, {}),
    ("LSTM", 64, 128, 20, 32, {"num_layers": 2, "bidirectional": True}),
    ("LSTM", 256, 256, 64, 16, {}),
    ("LSTM", 32, 64, 50, 4, {"batch_first": True}),
]
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def step(library, device: str, name: str, inputs: int, units: int, steps: int, batch: int, options: dict):
    """The states of every step, then the gradients of the input and of all weights."""
    random, tensor = np.random.default_rng(0), importer(library, device)
    library.manual_seed(0)
    layer = getattr(library.nn, name)(inputs, units, **options).to(device)
    shape = (batch, steps) if options.get("batch_first") else (steps, batch)
    x = tensor(random.standard_normal((*shape, inputs), dtype=np.float32)).requires_grad_()
    weight = tensor(random.standard_normal(tuple(layer(x)[0].shape), dtype=np.float32))
    wanted = [x, *layer.parameters()]
    grad = library.autograd.grad
    return lambda: grad([layer(x)[0]], wanted, [weight])


def benches(torch, device: str) -> Iterator[Bench]:
    """Each layer; its floating operations are those of the products."""
    for name, inputs, units, steps, batch, options in LAYERS:
        words = "".join(f", {k} {v}" for k, v in options.items())
        sizes = (name, inputs, units, steps, batch, options)
        make = {"nncore": partial(step, nc, device, *sizes)}
        if torch:
            make["torch"] = partial(step, torch, device, *sizes)
        directions = 2 if options.get("bidirectional") else 1
        features = [inputs] + [units * directions] * (options.get("num_layers", 1) - 1)
        weights = sum(GATES[name] * units * (n + units) * directions for n in features)
        label = f"{name} {inputs}->{units}, {steps} steps, batch {batch}{words}"
        yield Bench("rnn", label, make, flops=6.0 * steps * batch * weights, device=device)
