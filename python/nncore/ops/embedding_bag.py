"""Bags of embeddings: the sum, mean or maximum of the rows that each bag names."""

from __future__ import annotations

from nncore import _core
from nncore.ops.creation import arange
from nncore.ops.index import _renormalise, embedding
from nncore.ops.join import cat
from nncore.ops.require import require_range
from nncore.tensor import Tensor


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """y[b, d] = the sum, mean or max (mode) over the indices i of bag b of weight[i, d].

    Shapes: weight [rows, D]; input [B, n], B bags of n indices, or [n] with offsets [B], where each bag begins (with
    include_last_offset one more: where the last one ends). Result [B, D]; an empty bag gives zeros.
    per_sample_weights, shaped as input, multiply the rows ("sum" only). Indices padding_idx count as not there.
    max_norm, norm_type, scale_grad_by_freq, sparse: as in `embedding`.
    Raises ValueError, RuntimeError or IndexError where shapes, dtypes, offsets or indices do not fit.

    >>> table = nc.tensor([[1.0], [2.0], [4.0]])
    >>> F.embedding_bag(nc.tensor([0, 1, 2]), table, nc.tensor([0, 2]), mode="sum")
    tensor([[3.],
            [4.]])
    """
    _check(input, weight, offsets, mode, scale_grad_by_freq, sparse, per_sample_weights)
    if offsets is None and padding_idx is None and mode != "max" and input.shape[1] > 0:
        if max_norm is not None:
            _renormalise(weight.detach(), input.reshape(-1), max_norm, norm_type)
        found = embedding(input, weight, scale_grad_by_freq=scale_grad_by_freq)
        if per_sample_weights is not None:
            found = found * per_sample_weights.unsqueeze(2)
        return found.sum(1) if mode == "sum" else found.mean(1)
    if padding_idx is not None:
        rows = weight.shape[0]
        if not -rows <= padding_idx < rows:
            raise RuntimeError(
                f"embedding_bag: padding_idx must be within the number of embeddings, -{rows} through {rows - 1} but "
                f"got {padding_idx}"
            )
        padding_idx %= rows
    index, start = input.detach().reshape(-1), _bounds(input, offsets, include_last_offset)
    bags = start.shape[0] - 1
    if max_norm is not None:
        _renormalise(weight.detach(), index, max_norm, norm_type)
    if mode == "max":
        return _largest(weight, index, start, padding_idx)
    bag = _bag_of(start, index.shape[0])  # bags: of none
    if padding_idx is not None:
        bag = bag.masked_fill(index == padding_idx, bags)
    found = embedding(index, weight, scale_grad_by_freq=scale_grad_by_freq)
    if padding_idx is not None:
        found = found.masked_fill((index == padding_idx).unsqueeze(1), 0)
    if per_sample_weights is not None:
        found = found * per_sample_weights.reshape(-1).unsqueeze(1)
    sums = weight.new_zeros(bags + 1, weight.shape[1]).index_add(0, bag, found)[:bags]
    if mode == "sum":
        return sums
    sizes = start.new_zeros(bags + 1).index_add(0, bag, bag.new_ones(bag.shape[0]))[:bags].clamp(min=1)
    return sums / sizes.unsqueeze(1).to(weight.dtype)


def _largest(weight: Tensor, index: Tensor, start: Tensor, padding_idx: int | None) -> Tensor:
    """The maximum of each bag, gathered from the rows where it is."""
    padding = -1 if padding_idx is None else padding_idx
    row = Tensor(_core.bag_max("embedding", weight._array, index._array, start._array, padding))
    if weight.shape[0] == 0:
        return weight.new_zeros(row.shape)
    return weight.gather(0, row.clamp(min=0)).masked_fill(row < 0, 0)


def _bounds(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> Tensor:
    """Where each bag begins in the row of all indices, and where the last one ends."""
    if offsets is None:
        bags, size = input.shape
        if size == 0:
            raise RuntimeError(f"embedding_bag: bags of no index need offsets (input {list(input.shape)})")
        return arange(0, bags * size + 1, size, device=input.device)
    length = input.shape[0]
    if include_last_offset and offsets.shape[0] == 0:
        raise RuntimeError("embedding_bag: include_last_offset: number of offset should be at least 1")
    start = offsets.detach().to(_core.dtype.int64)
    if start.shape[0]:
        require_range(
            start[:1],
            0,
            1,
            "embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            "position 0. However, got ",
        )
        order = "embedding_bag: offsets have to increase, got a bag of length "
        require_range(start[1:] - start[:-1], 0, 2**63 - 1, order)
        require_range(
            start[-1:],
            0,
            length + 1,
            f"embedding_bag: offsets[-1] can not be greater than input's length {length} but got offsets[-1] of ",
        )
    return start.contiguous() if include_last_offset else cat([start, start.new_full((1,), length)])


def _bag_of(start: Tensor, length: int) -> Tensor:
    """The bag of each index: how many of the bounds behind the first come up to it. After the last one it is `bags`."""
    begins = start.new_zeros(length + 1).index_add(0, start[1:], start.new_ones(start.shape[0] - 1))
    return begins[:length].cumsum(0)


def _check(input, weight, offsets, mode: str, scale_grad_by_freq: bool, sparse: bool, per_sample_weights) -> None:
    integers = (_core.dtype.int64, _core.dtype.int32)
    if input.dtype not in integers or (offsets is not None and offsets.dtype not in integers):
        raise RuntimeError(
            f"embedding_bag: expected indices and offsets of int32 or int64, got {input.dtype} and "
            f"{None if offsets is None else offsets.dtype}"
        )
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            f"same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim not in (1, 2):
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
            f"sequences. However, found offsets of type {type(offsets)}"
        )
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        raise ValueError(
            "offsets has to be a 1D Tensor" + (" but got None" if offsets is None else f", got {list(offsets.shape)}")
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, got '{mode}'")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is None:
        return
    if mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}')."
        )
    if per_sample_weights.dtype != weight.dtype:
        raise RuntimeError(
            f"embedding_bag: expected per_sample_weights of dtype {weight.dtype}, got {per_sample_weights.dtype}"
        )
