"""Sequences of different lengths as one tensor: padded, with their lengths beside them, or packed.

Recurrent layers here compute on padded sequences: `layer(padded, lengths=lengths)` is all that is needed. A
PackedSequence, which PyTorch's programs use for the same end, is accepted and returned too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nncore.ops.creation import from_numpy
from nncore.ops.join import cat, stack
from nncore.ops.pad import pad
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


class PackedSequence(NamedTuple):
    """The steps of several sequences without padding: those of step 0, longest sequence first, then of step 1, ...

    data [sum of lengths, ...]; batch_sizes: how many sequences have a step t; sorted_indices: the place in the batch of
    each sequence, longest first; unsorted_indices: the way back. Both None where the batch came sorted. batch_sizes
    stays on the CPU, the others lie on the data's device.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, *args, **kwargs) -> PackedSequence:
        """The sequence with its data converted as `Tensor.to` does, and its indices on the same device."""
        data = self.data.to(*args, **kwargs)
        indices = [None if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices)]
        return PackedSequence(data, self.batch_sizes, *indices)

    def cuda(self) -> PackedSequence:
        """The sequence on the current GPU."""
        return self.to("cuda")

    def cpu(self) -> PackedSequence:
        """The sequence on the CPU."""
        return self.to("cpu")

    @property
    def is_cuda(self) -> bool:
        """Whether the data lies on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another one.

    >>> nc.nn.utils.rnn.invert_permutation(nc.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    return from_numpy(np.argsort(permutation.numpy(force=True), kind="stable")).to(permutation.device)


def pad_sequence(
    sequences: Sequence[Tensor] | Tensor,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences [L, ...] of different lengths L as one tensor [T, N, ...] ([N, T, ...] with batch_first), T = max L.

    >>> nc.nn.utils.rnn.pad_sequence([nc.tensor([1, 2, 3]), nc.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side should be 'left' or 'right', got '{padding_side}'")
    if not isinstance(sequences, Tensor) and not isinstance(sequences, (tuple, list)):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    trailing = sequences[0].shape[1:]
    if any(s.ndim == 0 or s.shape[1:] != trailing for s in sequences):
        raise RuntimeError(
            f"pad_sequence: expected sequences [L, ...] that differ in L only, got {[list(s.shape) for s in sequences]}"
        )
    longest = max(len(s) for s in sequences)
    full = []
    for s in sequences:
        missing = longest - len(s)
        sides = (missing, 0) if padding_side == "left" else (0, missing)
        full.append(pad(s, (*(0, 0) * len(trailing), *sides), value=padding_value) if missing else s)
    return stack(full, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor [T, N, ...] ([N, T, ...] with batch_first), each with its own length again.

    >>> nc.nn.utils.rnn.unpad_sequence(nc.tensor([[1, 2], [3, 4]]), nc.tensor([2, 1]), batch_first=True)
    [tensor([1, 2]), tensor([3])]
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:length] for row, length in zip(rows, _as_array(lengths).tolist(), strict=True)]


def _as_array(lengths: Tensor | Sequence[int]) -> np.ndarray:
    return np.asarray(lengths.numpy(force=True) if isinstance(lengths, Tensor) else lengths, np.int64)


def _places(lengths: np.ndarray, batch: int) -> tuple[Tensor, np.ndarray]:
    """Where each packed step lies in [T * N], for lengths from long to short, and how many sequences have a step t."""
    sizes = np.asarray([(lengths > t).sum() for t in range(lengths.max(initial=0))], np.int64)
    return from_numpy(np.concatenate([t * batch + np.arange(n) for t, n in enumerate(sizes)]).astype(np.int64)), sizes


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """A padded tensor [T, N, ...] ([N, T, ...] with batch_first) without its padding.

    With enforce_sorted the sequences must come longest first; otherwise they are sorted here.

    >>> nc.nn.utils.rnn.pack_padded_sequence(nc.tensor([[1, 2], [3, 0]]), [2, 1], batch_first=True).data
    tensor([1, 3, 2])
    """
    steps = input.transpose(0, 1) if batch_first else input
    order, sizes = None, _as_array(lengths)
    if sizes.ndim != 1 or len(sizes) != steps.shape[1]:
        raise RuntimeError(
            f"pack_padded_sequence: Expected `len(lengths)` to be equal to batch_size, but got {sizes.size} "
            f"(batch_size={steps.shape[1]})"
        )
    if len(sizes) == 0 or sizes.min() <= 0:
        raise RuntimeError("pack_padded_sequence: Length of all samples has to be greater than 0")
    if sizes.max() > len(steps):
        raise RuntimeError(f"pack_padded_sequence: Expected lengths up to {len(steps)}, got {sizes.max()}")
    if not enforce_sorted:
        places = np.argsort(-sizes, kind="stable")
        order, sizes = from_numpy(places).to(input.device), sizes[places]
        steps = steps.index_select(1, order)
    elif (np.diff(sizes) > 0).any():
        raise RuntimeError(
            "pack_padded_sequence: `lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this "
            "requirement."
        )
    index, counts = _places(sizes, steps.shape[1])
    data = steps.reshape(-1, *steps.shape[2:]).index_select(0, index.to(input.device))
    return PackedSequence(data, from_numpy(counts), order, invert_permutation(order))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The padded tensor [T, N, ...] of a packed one, in the order of the batch, and the lengths of its sequences.

    total_length: T, at least the longest sequence's length.
    """
    counts = sequence.batch_sizes.numpy(force=True)
    batch, longest = int(counts[0]), len(counts)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    lengths = np.asarray([(counts > n).sum() for n in range(batch)], np.int64)
    data = sequence.data
    index, _ = _places(lengths, batch)
    # Every place of the padded tensor takes a step, or the row of padding behind the steps.
    source = np.full(longest * batch, data.shape[0])
    source[index.numpy()] = np.arange(data.shape[0])
    padding = data.new_full((1, *data.shape[1:]), padding_value)
    rows = cat([data, padding]).index_select(0, from_numpy(source).to(data.device))
    padded = rows.reshape(longest, batch, *data.shape[1:])
    if total_length is not None and total_length > longest:
        rest = padded.new_full((total_length - longest, batch, *data.shape[1:]), padding_value)
        padded = cat([padded, rest])
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.numpy(force=True)]
    return padded.transpose(0, 1) if batch_first else padded, from_numpy(lengths)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences [L, ...] of different lengths, packed.

    >>> nc.nn.utils.rnn.pack_sequence([nc.tensor([1, 2]), nc.tensor([3])]).batch_sizes
    tensor([2, 1])
    """
    lengths = [len(s) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed one, in the order of the batch."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
