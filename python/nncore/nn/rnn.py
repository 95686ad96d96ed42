"""Recurrent layers: RNN, LSTM, GRU over sequences, and their cells for one step."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import TYPE_CHECKING

from nncore.nn import init
from nncore.nn.module import Module
from nncore.nn.parameter import Parameter
from nncore.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from nncore.ops import rnn
from nncore.ops.creation import empty, zeros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.nn.types import Device, DType
    from nncore.tensor import Tensor

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
_FUNCTIONS = {"RNN_TANH": rnn.rnn_tanh, "RNN_RELU": rnn.rnn_relu, "LSTM": rnn.lstm, "GRU": rnn.gru}


def _start(module: Module, hidden_size: int) -> None:
    bound = 1 / math.sqrt(hidden_size) if hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, checks, and the call.

    Parameters of layer k: weight_ih_lk [G H, I or directions * H], weight_hh_lk [G H, H], bias_ih_lk and bias_hh_lk
    [G H], with `_reverse` behind the name for the direction from the end; G is 1, 4 (LSTM: i f g o) or 3 (GRU: r z n).
    All start from U(-k, k) with k = 1 / sqrt(hidden_size).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        self._check(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        width = _GATES[mode] * hidden_size
        self._names: list[list[str]] = []
        for layer in range(num_layers):
            features = input_size if layer == 0 else hidden_size * self._directions
            shapes = {"weight_ih": (width, features), "weight_hh": (width, hidden_size)}
            shapes |= {"bias_ih": (width,), "bias_hh": (width,)} if bias else {}
            for suffix in ("", "_reverse")[: self._directions]:
                self._names.append([f"{name}_l{layer}{suffix}" for name in shapes])
                for name, shape in zip(self._names[-1], shapes.values(), strict=True):
                    setattr(self, name, Parameter(empty(*shape, device=device, dtype=dtype)))
        self.reset_parameters()

    @staticmethod
    def _check(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size) -> None:
        if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=4,
            )
        for name, value, kind in [
            ("bias", bias, bool),
            ("batch_first", batch_first, bool),
            ("input_size", input_size, int),
            ("hidden_size", hidden_size, int),
        ]:
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
        for name, size in [("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)]:
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if proj_size > 0:
            raise NotImplementedError(
                f"LSTM: projections are not supported, got proj_size={proj_size}; "
                f"a Linear({hidden_size}, {proj_size}) after the layer gives outputs of that size"
            )

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def reset_parameters(self) -> None:
        """Draw new values."""
        _start(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Does nothing: PyTorch arranges the weights for cuDNN here."""

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, usual in [
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ]:
            if getattr(self, name) != usual:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)

    def _run(self, input, states: tuple[Tensor, ...] | None, lengths, count: int):
        """(output, states) from the input and `count` states, or None for zeros."""
        if isinstance(input, PackedSequence):
            return self._run_packed(input, states, lengths, count)
        kind = "RNN" if self.mode.startswith("RNN") else self.mode
        if input.ndim not in (2, 3):
            end = " tensor" if kind == "RNN" else ""
            raise ValueError(f"{kind}: Expected input to be 2D or 3D, got {input.ndim}D{end} instead")
        batched, batch_dim = input.ndim == 3, 0 if self.batch_first else 1
        if states is not None:
            self._check_dimensions(states, 3 if batched else 2)
        if not batched:
            if lengths is not None:
                raise RuntimeError(f"{kind}: lengths are for batches of sequences; cut an unbatched input instead")
            input = input.unsqueeze(batch_dim)
            states = None if states is None else tuple(s.unsqueeze(1) for s in states)
        weights = self.all_weights
        self._check_input(input, weights[0][0])
        shape = (self.num_layers * self._directions, input.shape[batch_dim], self.hidden_size)
        if states is None:
            states = (zeros(*shape, dtype=input.dtype, device=input.device),) * count
        for i, state in enumerate(states):
            if tuple(state.shape) != shape:
                which = f"hidden[{i}]" if count > 1 else "hidden"
                raise RuntimeError(f"Expected {which} size {shape}, got {list(state.shape)}")
        y, *finals = _FUNCTIONS[self.mode](
            input,
            states if count > 1 else states[0],
            [w for own in weights for w in own],
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
            lengths,
        )
        if not batched:
            y, finals = y.squeeze(batch_dim), [s.squeeze(1) for s in finals]
        return y, tuple(finals)

    def _run_packed(self, input: PackedSequence, states, lengths, count: int):
        if lengths is not None:
            raise RuntimeError(f"{self.mode}: a PackedSequence has its lengths in it, got lengths as well")
        padded, lengths = pad_packed_sequence(input, batch_first=self.batch_first)
        y, finals = self._run(padded, states, lengths, count)
        if input.sorted_indices is not None:
            y = y.index_select(0 if self.batch_first else 1, input.sorted_indices)
            lengths = lengths.index_select(0, input.sorted_indices.to(lengths.device))
        return PackedSequence(pack_padded_sequence(y, lengths, self.batch_first).data, *input[1:]), finals

    def _check_dimensions(self, states: tuple[Tensor, ...], expected: int) -> None:
        if any(s.ndim != expected for s in states):
            got = ", ".join(f"{s.ndim}-D" for s in states)
            what, got = ("hx", f"{got} tensor") if len(states) == 1 else ("hx and cx", f"({got}) tensors")
            kind = "batched" if expected == 3 else "unbatched"
            raise RuntimeError(f"For {kind} {expected}-D input, {what} should also be {expected}-D but got {got}")

    def _check_input(self, input: Tensor, weight: Tensor) -> None:
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )


class _OneState(RNNBase):
    def forward(self, input, hx: Tensor | None = None, *, lengths: Tensor | Sequence[int] | None = None):
        output, (h_n,) = self._run(input, None if hx is None else (hx,), lengths, 1)
        return output, h_n


class RNN(_OneState):
    """Elman's network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu for tanh.

    Input [T, N, I], [N, T, I] with batch_first, or [T, I]; hx [layers * directions, N, H] or [layers * directions, H],
    zeros where None. Returns the last layer's states after each step [T, N, directions * H], and every layer's state
    after the last step, shaped as hx. Between layers there is dropout while training.

    lengths: N integers, for padded sequences of different lengths. A sequence's state stays as it is from its end on
    and its output is 0 there; the other direction begins at its end. A PackedSequence as input does the same.

    Source: Elman, "Finding structure in time", 1990. Parameters: see RNNBase.

    >>> output, h_n = nc.nn.RNN(10, 20, 2, bidirectional=True)(nc.ones(5, 3, 10), lengths=[5, 1, 3])
    >>> output.shape, h_n.shape
    (nncore.Size([5, 3, 40]), nncore.Size([4, 3, 20]))
    """

    def __init__(self, *args, **kwargs) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory, with gates i, f, g, o from W_ih x + b_ih + W_hh h + b_hh:

    c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')

    Input, output and `lengths` as in RNN; hx is a pair (h, c) of states, and so is what the call returns beside the
    output. proj_size other than 0 raises NotImplementedError.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997; Gers et al., "Learning to forget", 2000.

    >>> output, (h_n, c_n) = nc.nn.LSTM(10, 20)(nc.ones(5, 3, 10))
    >>> output.shape, c_n.shape
    (nncore.Size([5, 3, 20]), nncore.Size([1, 3, 20]))
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def forward(self, input, hx: tuple[Tensor, Tensor] | None = None, *, lengths: Tensor | Sequence[int] | None = None):
        if hx is not None and len(hx) != 2:
            raise RuntimeError(f"LSTM: expected hx to be a pair (h, c) of states, got {len(hx)}")
        return self._run(input, None if hx is None else tuple(hx), lengths, 2)


class GRU(_OneState):
    """Gated recurrent units, with a = W_ih x + b_ih and b = W_hh h + b_hh cut into gates r, z, n:

    r = sigmoid(a_r + b_r),  z = sigmoid(a_z + b_z),  n = tanh(a_n + r b_n),  h' = (1 - z) n + z h

    Input, hx, output and `lengths` as in RNN.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.

    >>> nc.nn.GRU(10, 20, batch_first=True)(nc.ones(3, 5, 10))[0].shape
    nncore.Size([3, 5, 20])
    """

    def __init__(self, *args, **kwargs) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """What the cells share: weight_ih [G H, I], weight_hh [G H, H], bias_ih and bias_hh [G H], from U(-k, k) with
    k = 1 / sqrt(hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        width = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(width, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(width, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(width, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        _start(self, self.hidden_size)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        return text

    def _step(self, function, input: Tensor, states: tuple[Tensor, ...] | None, count: int):
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for i, state in enumerate(states or ()):
            if state.ndim not in (1, 2):
                which = f"hx[{i}]" if count > 1 else "hidden"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {state.ndim}D instead")
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
            states = None if states is None else tuple(s.unsqueeze(0) for s in states)
        if states is None:
            states = (zeros(input.shape[0], self.hidden_size, dtype=input.dtype, device=input.device),) * count
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        found = function(input, states if count > 1 else states[0], *weights)
        if batched:
            return found
        return tuple(s.squeeze(0) for s in found) if count > 1 else found.squeeze(0)


class RNNCell(RNNCellBase):
    """One step of RNN: h' [N, H] from input [N, I] and hx [N, H] (zeros where None); or all without N.

    >>> nc.nn.RNNCell(10, 20)(nc.ones(3, 10)).shape
    nncore.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        function = rnn.rnn_tanh_cell if self.nonlinearity == "tanh" else rnn.rnn_relu_cell
        return self._step(function, input, None if hx is None else (hx,), 1)

    def extra_repr(self) -> str:
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity={self.nonlinearity}"


class LSTMCell(RNNCellBase):
    """One step of LSTM: (h', c') from input [N, I] and hx = (h, c), each [N, H] (zeros where None); or all without N.

    >>> h, c = nc.nn.LSTMCell(10, 20)(nc.ones(3, 10))
    >>> h.shape, c.shape
    (nncore.Size([3, 20]), nncore.Size([3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Device = None, dtype: DType = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        if hx is not None and len(hx) != 2:
            raise RuntimeError(f"LSTMCell: expected hx to be a pair (h, c) of states, got {len(hx)}")
        return self._step(rnn.lstm_cell, input, None if hx is None else tuple(hx), 2)


class GRUCell(RNNCellBase):
    """One step of GRU: h' [N, H] from input [N, I] and hx [N, H] (zeros where None); or all without N.

    >>> nc.nn.GRUCell(10, 20)(nc.ones(10), nc.zeros(20)).shape
    nncore.Size([20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Device = None, dtype: DType = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(rnn.gru_cell, input, None if hx is None else (hx,), 1)
