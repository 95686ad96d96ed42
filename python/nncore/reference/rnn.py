"""Recurrent networks, step by step, in float64 and rounded once."""

import numpy as np


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _tanh(a, b, h, c):
    return np.tanh(a + b), c


def _relu(a, b, h, c):
    return np.where(a + b < 0, 0, a + b), c


def _lstm(a, b, h, c):
    i, f, g, o = np.split(a + b, 4, axis=1)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def _gru(a, b, h, c):
    (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(a, 3, axis=1), np.split(b, 3, axis=1)
    z, n = _sigmoid(a_z + b_z), np.tanh(a_n + _sigmoid(a_r + b_r) * b_n)
    return (1 - z) * n + z * h, c


_UNITS = {"tanh": _tanh, "relu": _relu, "lstm": _lstm, "gru": _gru}


def layer(mode, x, h0, c0, w_ih, w_hh, b_ih=None, b_hh=None, lengths=None, reverse=False):
    """(y, h_n), and c_n for "lstm": the states of one layer in one direction after every step and after the last."""
    wide = [None if a is None else a.astype(np.float64) for a in (x, h0, c0, w_ih, w_hh, b_ih, b_hh)]
    xs, h, c, w_ih, w_hh, b_ih, b_hh = wide
    b_ih, b_hh = (0 if b is None else b for b in (b_ih, b_hh))
    y = np.zeros((*x.shape[:2], h0.shape[1]))
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        new_h, new_c = _UNITS[mode](xs[t] @ w_ih.T + b_ih, h @ w_hh.T + b_hh, h, c)
        inside = np.full((len(h), 1), True) if lengths is None else (lengths > t)[:, None]
        y[t] = np.where(inside, new_h, 0)
        h = np.where(inside, new_h, h)
        c = None if c is None else np.where(inside, new_c, c)
    return tuple(a.astype(x.dtype) for a in ((y, h) if c is None else (y, h, c)))


def _cell(mode):
    def cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        return layer(mode, input[None], hx, None, w_ih, w_hh, b_ih, b_hh)[1]

    return cell


rnn_tanh_cell, rnn_relu_cell, gru_cell = _cell("tanh"), _cell("relu"), _cell("gru")


def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    return layer("lstm", input[None], *hx, w_ih, w_hh, b_ih, b_hh)[1:]


def network(mode, input, states, params, has_biases, num_layers, bidirectional, batch_first, lengths=None):
    """Layers above each other, of one or two directions, without dropout."""
    each, directions = 4 if has_biases else 2, 2 if bidirectional else 1
    x, finals = (np.swapaxes(input, 0, 1) if batch_first else input), []
    for i in range(num_layers):
        ys = []
        for d in range(directions):
            k = i * directions + d
            h0, c0 = [s[k] for s in states] + [None] * (2 - len(states))
            y, *final = layer(mode, x, h0, c0, *params[k * each : (k + 1) * each], lengths=lengths, reverse=d == 1)
            ys.append(y)
            finals.append(final)
        x = np.concatenate(ys, axis=2)
    return (np.swapaxes(x, 0, 1) if batch_first else x, *[np.stack(s) for s in zip(*finals, strict=True)])
