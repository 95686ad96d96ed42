"""Recurrent networks: one native call for all steps of a layer in one direction, with its gradient rule under it.

In every formula a = W_ih x + b_ih is the share of the input, b = W_hh h + b_hh that of the state before the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nncore import _core, autograd
from nncore.autocast_mode import casts_products
from nncore.autograd import is_grad_enabled, record
from nncore.ops.activation import relu, sigmoid, tanh
from nncore.ops.convert import contiguous
from nncore.ops.creation import arange, tensor, zeros
from nncore.ops.dropout import dropout as drop
from nncore.ops.elementwise import where
from nncore.ops.gemm import linear, matmul
from nncore.ops.join import cat, stack
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

# ---- one layer, one direction ----


class _Inputs(NamedTuple):
    """What a layer in one direction is computed from; the order of the rule's gradients."""

    x: Tensor  # [T, N, I]
    h0: Tensor  # [N, H]
    c0: Tensor | None
    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None


def _layer(mode: str, inputs: _Inputs, lengths: Tensor | None, reverse: bool) -> tuple[Tensor, ...]:
    """(y, h_n), and c_n for "lstm": the state after every step [T, N, H] and after the last one [N, H]."""
    arrays = [None if t is None else t._array for t in inputs]
    y, h_n, c_n, *kept = _core.rnn_forward(mode, *arrays, None if lengths is None else lengths._array, reverse)
    outputs = tuple([Tensor(a) for a in (y, h_n, c_n) if a is not None])
    saved = (mode, lengths, reverse, *inputs, *[None if a is None else Tensor(a) for a in kept])
    return record(mode, outputs, inputs, _layer_rule, saved)


def _layer_rule(gy: tuple, mode: str, lengths: Tensor | None, reverse: bool, *saved) -> tuple:
    inputs, kept = _Inputs(*saved[:7]), saved[7:]
    if is_grad_enabled():
        return _differentiable_gradients(gy, mode, inputs, lengths, reverse)
    h_before = kept[1]
    arrays = [None if t is None else t._array for t in (*gy, *(None,) * (3 - len(gy)), inputs.w_hh, *kept)]
    where = None if lengths is None else lengths._array
    found = _core.rnn_backward(mode, *arrays, where, reverse, inputs.h0.requires_grad)
    gx_gates, gh_gates, gh0, gc0 = (None if a is None else Tensor(a) for a in found)
    steps, batch, features = inputs.x.shape
    rows, width = steps * batch, inputs.w_hh.shape[0]
    a, b = gx_gates.reshape(rows, width), gh_gates.reshape(rows, width)
    gx = matmul(a, inputs.w_ih).reshape(steps, batch, features) if inputs.x.requires_grad else None
    gw_ih = matmul(a.transpose(0, 1), inputs.x.reshape(rows, features))
    gw_hh = matmul(b.transpose(0, 1), h_before.reshape(rows, h_before.shape[2]))
    if inputs.b_ih is None:
        return gx, gh0, gc0, gw_ih, gw_hh, None, None
    gb_ih = a.sum(0)
    return gx, gh0, gc0, gw_ih, gw_hh, gb_ih, b.sum(0) if mode == "gru" else gb_ih


def _differentiable_gradients(gy: tuple, mode: str, inputs: _Inputs, lengths: Tensor | None, reverse: bool) -> tuple:
    """The same gradients where they shall have gradients: by the rules of the operations in `_steps`."""
    # A place of its own on the tape for each input, because two of them may be the same tensor.
    places = _Inputs(*[None if t is None else t.view(t.shape) for t in inputs])
    outputs = _steps(mode, places, lengths, reverse)
    pairs = [(y, g) for y, g in zip(outputs, gy, strict=True) if g is not None]
    wanted = [t for t in places if t is not None and t.requires_grad]
    found = autograd.grad([y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True)
    left = iter(found)
    return tuple([next(left) if t is not None and t.requires_grad else None for t in places])


def _steps(mode: str, inputs: _Inputs, lengths: Tensor | None, reverse: bool) -> tuple[Tensor, ...]:
    """What `_layer` computes, step by step from operations of the library."""
    x, h, c, w_ih, w_hh, b_ih, b_hh = inputs
    xs = _pieces(x)
    ys = list(xs)
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        y, new_c = _UNITS[mode](linear(xs[t], w_ih, b_ih), linear(h, w_hh, b_hh), h, c)
        if lengths is None:
            h, c = y, new_c
        else:
            inside = (lengths > t).unsqueeze(1)
            h = where(inside, y, h)
            c = None if c is None else where(inside, new_c, c)
            y = where(inside, y, 0.0)
        ys[t] = y
    return (stack(ys), h) if c is None else (stack(ys), h, c)


def _pieces(x: Tensor) -> tuple[Tensor, ...]:
    """x[0], x[1], ...: the gradient of all is one `stack`."""
    if len(x) == 1:
        return (x.reshape(x.shape[1:]),)
    pieces = tuple([Tensor(_core.select(x._array, 0, t)) for t in range(len(x))])
    return record("pieces", pieces, (x,), _pieces_rule, (x.shape[1:], x.dtype, x.device))


def _pieces_rule(gys: tuple, shape: tuple, dtype: _core.dtype, device: _core.device) -> tuple:
    return (stack([zeros(shape, dtype=dtype, device=device) if g is None else g for g in gys]),)


def _lstm_unit(a: Tensor, b: Tensor, h: Tensor, c: Tensor) -> tuple:
    i, f, g, o = (a + b).chunk(4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gru_unit(a: Tensor, b: Tensor, h: Tensor, c: None) -> tuple:
    (a_r, a_z, a_n), (b_r, b_z, b_n) = a.chunk(3, 1), b.chunk(3, 1)
    n = tanh(a_n + sigmoid(a_r + b_r) * b_n)
    return n + sigmoid(a_z + b_z) * (h - n), None


_UNITS = {
    "tanh": lambda a, b, h, c: (tanh(a + b), None),
    "relu": lambda a, b, h, c: (relu(a + b), None),
    "lstm": _lstm_unit,
    "gru": _gru_unit,
}

# ---- networks of layers ----


def _network(
    name: str,
    mode: str,
    input: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Tensor | Sequence[int] | None,
) -> tuple[Tensor, ...]:
    directions, each = 2 if bidirectional else 1, 4 if has_biases else 2
    if input.ndim != 3:
        raise RuntimeError(f"{name}: expected an input of 3 dimensions, got {list(input.shape)}")
    if len(params) != num_layers * directions * each:
        raise RuntimeError(
            f"{name}: expected {num_layers * directions * each} parameters, {each} for each of {num_layers} layers in "
            f"{directions} directions, got {len(params)}"
        )
    x = contiguous(input.transpose(0, 1)) if batch_first else input  # once, not in each product
    if len(x) == 0:
        raise RuntimeError(f"{name}: Expected sequence length to be larger than 0 in RNN, got {list(input.shape)}")
    for state in states:
        if state.ndim != 3 or tuple(state.shape[:2]) != (num_layers * directions, x.shape[1]):
            raise RuntimeError(
                f"{name}: expected states [{num_layers * directions}, {x.shape[1]}, H], got {list(state.shape)}"
            )
    if lengths is not None:
        lengths = _lengths(name, lengths, x)
        # What lies past the end of a sequence may be anything, NaN too: it must not reach the weights' gradient.
        x = x.masked_fill((arange(len(x), device=x.device).unsqueeze(1) >= lengths).unsqueeze(2), 0)
    finals: list[tuple[Tensor, ...]] = []
    for layer in range(num_layers):
        if layer > 0 and dropout > 0:
            x = drop(x, dropout, train)
        ys = []
        for direction in range(directions):
            i = layer * directions + direction
            own = params[i * each : (i + 1) * each]
            h0, c0 = [s[i] for s in states] + [None] * (2 - len(states))
            inputs = _Inputs(x, h0, c0, *own, *(None,) * (4 - each))
            y, *final = _layer(mode, inputs, lengths, direction == 1)
            ys.append(y)
            finals.append(tuple(final))
        x = ys[0] if directions == 1 else cat(ys, 2)
    y = x.transpose(0, 1) if batch_first else x
    return (y, *[stack(state) for state in zip(*finals, strict=True)])


def _lengths(name: str, lengths: Tensor | Sequence[int], x: Tensor) -> Tensor:
    lengths = lengths if isinstance(lengths, Tensor) else tensor(lengths)
    if lengths.is_floating_point() or tuple(lengths.shape) != (x.shape[1],):
        raise RuntimeError(
            f"{name}: expected lengths of {x.shape[1]} sequences as integers, got {list(lengths.shape)} of "
            f"{lengths.dtype}"
        )
    return lengths.to(x.device, _core.dtype.int64)


@casts_products("cpu", "cuda")
def lstm(
    input: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Tensor | Sequence[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory. With a and b of the module's docstring, cut into four gates i, f, g, o:

    c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')

    Shapes: input [T, N, I] ([N, T, I] with batch_first), hx = (h0, c0), each [layers * directions, N, H]; params: for
    each layer and direction weight_ih [4 H, I], weight_hh [4 H, H] and, with has_biases, bias_ih, bias_hh [4 H]. Later
    layers read the states of the layer before, of both directions side by side, after dropout while training.
    Returns all states of the last layer [T, N, directions * H], and h_n, c_n, shaped as h0, c0. float32 and float64.

    lengths (N integers from 0 to T): a sequence ends after that many steps. Its state stays as it is from there on, its
    output is 0, and the reverse direction begins at its end: as with PyTorch's packed sequences, in any order.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997; Gers et al., "Learning to forget", 2000.

    >>> one, state = nc.ones(4, 1), nc.zeros(1, 1, 1)
    >>> y, h_n, c_n = nc.lstm(nc.ones(2, 1, 1), (state, state), [one, one], False, 1, 0.0, False, False, False)
    >>> y.flatten()
    tensor([0.3696, 0.6505])
    """
    if len(hx) != 2:
        raise RuntimeError(f"lstm expects two hidden states, got {len(hx)}")
    return _network(
        "lstm", "lstm", input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths
    )


@casts_products("cpu", "cuda")
def gru(
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Tensor | Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Gated recurrent units. With a and b of the module's docstring, cut into three gates r, z, n:

    r = sigmoid(a_r + b_r),  z = sigmoid(a_z + b_z),  n = tanh(a_n + r b_n),  h' = (1 - z) n + z h

    Shapes and arguments as in `lstm`, with one state h0 and weights of 3 H rows; returns (y, h_n).

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014; r multiplies the product
    instead of the state, as in PyTorch and cuDNN.

    >>> one, state = nc.ones(3, 1), nc.zeros(1, 1, 1)
    >>> y, h_n = nc.gru(nc.ones(2, 1, 1), state, [one, one], False, 1, 0.0, False, False, False)
    >>> y.flatten()
    tensor([0.2048, 0.3468])
    """
    return _network(
        "gru", "gru", input, (hx,), params, has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths
    )


@casts_products("cpu", "cuda")
def rnn_tanh(
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Tensor | Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """A network of Elman's (1990): h' = tanh(a + b), with a and b of the module's docstring.

    Shapes and arguments as in `lstm`, with one state h0 and weights of H rows; returns (y, h_n).

    >>> one, state = nc.ones(1, 1), nc.zeros(1, 1, 1)
    >>> nc.rnn_tanh(nc.ones(2, 1, 1), state, [one, one], False, 1, 0.0, False, False, False)[0].flatten()
    tensor([0.7616, 0.9427])
    """
    return _network(
        *("rnn_tanh", "tanh", input, (hx,), params, has_biases, num_layers, dropout, train),
        *(bidirectional, batch_first, lengths),
    )


@casts_products("cpu", "cuda")
def rnn_relu(
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Tensor | Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """As `rnn_tanh`, with h' = max(a + b, 0).

    >>> one, state = nc.ones(1, 1), nc.zeros(1, 1, 1)
    >>> nc.rnn_relu(nc.ones(2, 1, 1), state, [one, one], False, 1, 0.0, False, False, False)[0].flatten()
    tensor([1., 2.])
    """
    return _network(
        *("rnn_relu", "relu", input, (hx,), params, has_biases, num_layers, dropout, train),
        *(bidirectional, batch_first, lengths),
    )


# ---- one step ----


def _cell(name: str, mode: str, input: Tensor, states: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih, b_hh):
    if input.ndim != 2:
        raise RuntimeError(f"{name}: expected an input [N, I], got {list(input.shape)}")
    if w_ih.ndim != 2 or w_hh.ndim != 2 or input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(
            f"{name}: input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[-1]} (input "
            f"{list(input.shape)}, weight_ih {list(w_ih.shape)}, weight_hh {list(w_hh.shape)})"
        )
    for i, state in enumerate(states):
        if state.ndim != 2 or state.shape[0] != input.shape[0]:
            raise RuntimeError(
                f"{name}: Input batch size {input.shape[0]} doesn't match hidden{i} batch size "
                f"{state.shape[0] if state.ndim else 1} (input {list(input.shape)}, hidden{i} {list(state.shape)})"
            )
        if state.shape[1] != w_hh.shape[1]:
            raise RuntimeError(
                f"{name}: hidden{i} has inconsistent hidden_size: got {state.shape[1]}, expected {w_hh.shape[1]}"
            )
    h0, c0 = [*states, None][:2]
    return _layer(mode, _Inputs(input.unsqueeze(0), h0, c0, w_ih, w_hh, b_ih, b_hh), None, False)[1:]


@casts_products("cuda")
def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of `lstm`: (h', c') from input [N, I] and hx = (h, c), each [N, H]. Weights [4 H, I] and [4 H, H].

    >>> one, state = nc.ones(4, 1), nc.zeros(1, 1)
    >>> nc.lstm_cell(nc.ones(1, 1), (state, state), one, one)
    (tensor([[0.3696]]), tensor([[0.5568]]))
    """
    if len(hx) != 2:
        raise RuntimeError(f"lstm_cell expects two hidden states, got {len(hx)}")
    return _cell("lstm_cell", "lstm", input, hx, w_ih, w_hh, b_ih, b_hh)


@casts_products("cuda")
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `gru`: h' [N, H] from input [N, I] and hx [N, H]. Weights [3 H, I] and [3 H, H].

    >>> nc.gru_cell(nc.ones(1, 1), nc.zeros(1, 1), nc.ones(3, 1), nc.ones(3, 1))
    tensor([[0.2048]])
    """
    return _cell("gru_cell", "gru", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


@casts_products("cuda")
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `rnn_tanh`: h' [N, H] from input [N, I] and hx [N, H]. Weights [H, I] and [H, H].

    >>> nc.rnn_tanh_cell(nc.ones(1, 1), nc.zeros(1, 1), nc.ones(1, 1), nc.ones(1, 1))
    tensor([[0.7616]])
    """
    return _cell("rnn_tanh_cell", "tanh", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


@casts_products("cuda")
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `rnn_relu`: h' [N, H] from input [N, I] and hx [N, H]. Weights [H, I] and [H, H].

    >>> nc.rnn_relu_cell(nc.ones(1, 1), nc.zeros(1, 1), nc.ones(1, 1), nc.ones(1, 1))
    tensor([[1.]])
    """
    return _cell("rnn_relu_cell", "relu", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]
