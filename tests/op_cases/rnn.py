"""Cases of recurrent networks."""

import numpy as np

import nncore as nc
from nncore import reference as ref
from nncore.ops.rnn import _Inputs, _layer
from op_cases import Case, Draw, Sample, Wrong, layouts

GATES = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}


def weights_of(draw: Draw, mode: str, inputs: int, units: int, biases: bool = True) -> list[np.ndarray]:
    """w_ih, w_hh, b_ih, b_hh as a layer starts with."""
    width, bound = GATES[mode] * units, units**-0.5
    shapes = [(width, inputs), (width, units)] + [(width,)] * (2 * biases)
    return [draw.uniform(*shape, low=-bound, high=bound) for shape in shapes]


# ---- one layer in one direction ----


def layer(mode: str):
    """A layer with its arguments in a row, so that each is differentiated: x, h0, (c0,) w_ih, w_hh, (b_ih, b_hh)."""
    states = 2 if mode == "lstm" else 1

    def native(x, *rest, lengths=None, reverse=False):
        c0 = rest[1] if states == 2 else None
        more = (*rest[states:], None, None)[:4]
        return _layer(mode, _Inputs(x, rest[0], c0, *more), lengths, reverse)

    def reference(x, *rest, lengths=None, reverse=False):
        c0 = rest[1] if states == 2 else None
        return ref.rnn.layer(mode, x, rest[0], c0, *rest[states:], lengths=lengths, reverse=reverse)

    return native, reference


def layer_arguments(draw: Draw, mode: str, steps: int, batch: int, inputs: int, units: int, biases: bool = True):
    states = [draw.normal(batch, units) for _ in range(2 if mode == "lstm" else 1)]
    return (draw.normal(steps, batch, inputs), *states, *weights_of(draw, mode, inputs, units, biases))


def layers(mode: str):
    def samples(draw: Draw):
        for steps, batch, inputs, units in [(1, 1, 1, 1), (3, 2, 4, 5), (4, 3, 2, 1), (2, 5, 1, 3), (2, 0, 3, 2)]:
            args = layer_arguments(draw, mode, steps, batch, inputs, units)
            for reverse in (False, True):
                label = f"{steps} steps, batch {batch}, {inputs} -> {units}, reverse {reverse}"
                yield Sample(args, {"reverse": reverse}, label, batch > 0)
        yield Sample(layer_arguments(draw, mode, 3, 2, 4, 5, biases=False), label="no biases")
        args = layer_arguments(draw, mode, 4, 4, 3, 2)
        for reverse in (False, True):
            options = {"lengths": np.array([2, 4, 0, 1]), "reverse": reverse}
            yield Sample(args, options, f"lengths, reverse {reverse}")
        for x in layouts(args[0]):
            yield Sample((x, *args[1:]), label=f"x strides {x.strides}")
        for h0 in layouts(args[1]):
            yield Sample((args[0], h0, *args[2:]), label=f"h0 strides {h0.strides}")
        place = 4 if mode == "lstm" else 3
        for w in layouts(args[place]):
            yield Sample((*args[:place], w, *args[place + 1 :]), label=f"w_hh strides {w.strides}")
        # Whole vectors and tails, several panels and tiles, more than one part of the batch.
        for steps, batch, inputs, units in [(5, 33, 7, 37), (3, 40, 20, 70), (2, 17, 3, 16), (4, 3, 9, 129)]:
            args = layer_arguments(draw, mode, steps, batch, inputs, units)
            yield Sample(args, label=f"{steps} steps, batch {batch}, {inputs} -> {units}", smooth=False)
        args = list(layer_arguments(draw, mode, 2, 6, 2, 3))
        if mode in ("lstm", "gru"):  # saturated gates; a relu or tanh network would only pass the values on
            args[0] = np.asarray([[[1e3, -1e3], [1e30, 1], [0, -1e30], [-0.0, 0], [50, 50], [-50, 9]]] * 2, draw.dtype)
            yield Sample(tuple(args), label="extreme values", smooth=False)
        args[0] = np.where(np.arange(12).reshape(2, 6, 1) == 3, np.nan, args[0]).astype(draw.dtype)
        yield Sample(tuple(args), label="nan", smooth=False)

    return samples


def wrong_layers(mode: str):
    def wrong(draw: Draw):
        x, *rest = layer_arguments(draw, mode, 3, 2, 4, 5)
        gates = GATES[mode]
        place = 2 if mode == "lstm" else 1  # of w_ih in rest

        def change(i, value):
            return (x, *rest[:i], value, *rest[i + 1 :])

        yield Wrong((x[0], *rest), RuntimeError, rf"{mode}: expected an input \[T, N, I\].*got \[2, 4\]")
        yield Wrong((x[:0], *rest), RuntimeError, rf"{mode}: expected an input .* at least one step, got \[0, 2, 4\]")
        yield Wrong((x.astype(np.int64), *rest), RuntimeError, f"{mode}: expected an input of float32 or float64")
        yield Wrong(change(0, draw.normal(3, 5)), RuntimeError, r"expected the state h0 \[2, 5\].*got \[3, 5\]")
        wide = np.ones((gates * 5, 4))
        yield Wrong(change(place, wide), RuntimeError, f"{mode}: expected weight_ih .*of float32, got .*float64")
        yield Wrong(change(place + 1, wide.astype(np.float32)), RuntimeError, rf"expected weight_hh \[{gates} H, H\]")
        yield Wrong(change(place + 3, draw.normal(3)), RuntimeError, rf"expected bias_hh \[{5 * gates}\].*got \[3\]")
        for lengths, match in [
            (np.array([1, 4]), r"expected lengths from 0 to 3, got 4"),
            (np.array([-1, 2]), r"expected lengths from 0 to 3, got -1"),
            (np.array([1]), r"expected lengths \[2\] of int64, got \[1\]"),
        ]:
            yield Wrong((x, *rest), RuntimeError, match, {"lengths": lengths})

    return wrong


# ---- networks ----

NETWORKS = {
    "rnn_tanh": ("tanh", nc.rnn_tanh),
    "rnn_relu": ("relu", nc.rnn_relu),
    "lstm": ("lstm", nc.lstm),
    "gru": ("gru", nc.gru),
}


def network_arguments(draw: Draw, mode: str, num_layers: int, bidirectional: bool, batch_first: bool, biases: bool):
    """input, hx, params and the settings, for 3 steps of 4 sequences, 2 inputs, 3 units."""
    directions = 2 if bidirectional else 1
    x = draw.normal(*((4, 3, 2) if batch_first else (3, 4, 2)))
    states = [draw.normal(num_layers * directions, 4, 3) for _ in range(2 if mode == "lstm" else 1)]
    params = []
    for i in range(num_layers * directions):
        params += weights_of(draw, mode, 2 if i < directions else 3 * directions, 3, biases)
    hx = tuple(states) if mode == "lstm" else states[0]
    return x, hx, params, biases, num_layers, 0.0, False, bidirectional, batch_first


def networks(mode: str):
    def samples(draw: Draw):
        for num_layers, bidirectional, batch_first, biases in [
            (1, False, False, True),
            (2, False, True, True),
            (1, True, False, False),
            (3, True, True, True),
        ]:
            args = network_arguments(draw, mode, num_layers, bidirectional, batch_first, biases)
            label = f"{num_layers} layers, bidirectional {bidirectional}, batch_first {batch_first}, biases {biases}"
            yield Sample(args, label=label)
            yield Sample(args, {"lengths": np.array([1, 3, 2, 3])}, label + ", lengths")

    return samples


def network_reference(mode: str):
    def reference(x, hx, params, biases, num_layers, dropout, train, bidirectional, batch_first, lengths=None):
        states = hx if mode == "lstm" else (hx,)
        return ref.rnn.network(mode, x, states, params, biases, num_layers, bidirectional, batch_first, lengths)

    return reference


def wrong_networks(name: str, mode: str):
    def wrong(draw: Draw):
        args = network_arguments(draw, mode, 2, False, False, True)
        x, hx, params, *settings = args
        yield Wrong((x[0], hx, params, *settings), RuntimeError, rf"{name}: expected an input of 3 dim.*\[4, 2\]")
        yield Wrong((x[:0], hx, params, *settings), RuntimeError, f"{name}: Expected sequence length to be larger")
        yield Wrong((x, hx, params[:-1], *settings), RuntimeError, f"{name}: expected 8 parameters.*got 7")
        short = tuple(h[:1] for h in hx) if mode == "lstm" else hx[:1]
        yield Wrong((x, short, params, *settings), RuntimeError, r"expected states \[2, 4, H\], got \[1, 4, 3\]")
        yield Wrong(args, RuntimeError, f"{name}: expected lengths of 4 sequences", {"lengths": np.ones(4)})
        yield Wrong(args, RuntimeError, f"{name}: expected lengths of 4 sequences", {"lengths": [1, 2]})
        if mode == "lstm":
            yield Wrong((x, hx[:1], params, *settings), RuntimeError, "lstm expects two hidden states, got 1")

    return wrong


# ---- cells ----

CELLS = {
    "rnn_tanh_cell": ("tanh", nc.rnn_tanh_cell),
    "rnn_relu_cell": ("relu", nc.rnn_relu_cell),
    "lstm_cell": ("lstm", nc.lstm_cell),
    "gru_cell": ("gru", nc.gru_cell),
}


def cell_arguments(draw: Draw, mode: str, batch: int, biases: bool = True):
    states = [draw.normal(batch, 4) for _ in range(2 if mode == "lstm" else 1)]
    hx = tuple(states) if mode == "lstm" else states[0]
    return (draw.normal(batch, 3), hx, *weights_of(draw, mode, 3, 4, biases))


def cells(mode: str):
    def samples(draw: Draw):
        for batch, biases in [(3, True), (1, False), (0, True)]:
            args = cell_arguments(draw, mode, batch, biases)
            yield Sample(args, label=f"batch {batch}, biases {biases}", smooth=batch > 0)

    return samples


def wrong_cells(name: str, mode: str):
    def wrong(draw: Draw):
        x, hx, *weights = cell_arguments(draw, mode, 3)
        cut = (lambda f: tuple(f(h) for h in hx)) if mode == "lstm" else (lambda f: f(hx))
        yield Wrong((x[0], hx, *weights), RuntimeError, rf"{name}: expected an input \[N, I\], got \[3\]")
        yield Wrong((x[:, :2], hx, *weights), RuntimeError, "has inconsistent input_size: got 2 expected 3")
        yield Wrong((x, cut(lambda h: h[:2]), *weights), RuntimeError, "size 3 doesn't match hidden0 batch size 2")
        yield Wrong((x, cut(lambda h: h[:, :2]), *weights), RuntimeError, "hidden0 has inconsistent hidden_size: got 2")

    return wrong


# Errors of sigmoid and tanh (2 ulp) and of the sums pass from step to step.
ROUNDED = {"float32": (2e-5, 4e-6), "float64": (1e-12, 1e-13)}

CASES = [
    *[
        Case(f"{mode} layer", *layer(mode), layers(mode), wrong_layers(mode), tolerance=ROUNDED)
        for mode in ("tanh", "relu", "lstm", "gru")
    ],
    *[
        Case(name, function, network_reference(mode), networks(mode), wrong_networks(name, mode), tolerance=ROUNDED)
        for name, (mode, function) in NETWORKS.items()
    ],
    *[
        Case(name, function, getattr(ref.rnn, name), cells(mode), wrong_cells(name, mode), tolerance=ROUNDED)
        for name, (mode, function) in CELLS.items()
    ],
]
