"""Triangles and diagonals of matrices."""

from __future__ import annotations

import functools

import numpy as np

from nncore import _core
from nncore.autograd import record
from nncore.ops.creation import arange
from nncore.ops.inplace import inplace_method
from nncore.ops.shape import _diagonal_look, _dim, _part_backward_rule, diagonal
from nncore.tensor import Tensor, tensor_method


def _triangle(name: str, input: Tensor, diagonal: int) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions, got {list(input.shape)}")
    rows, columns = input._array.shape[-2:]
    if input._array.device.type != "cpu":
        row, column = (arange(n, device=input._array.device) for n in (rows, columns))
        ends = row.unsqueeze(1) + diagonal
        return input.masked_fill(column > ends if name == "tril" else column < ends, 0)
    make = _dropped if rows * columns <= 1 << 14 else _dropped.__wrapped__
    return input.masked_fill(Tensor(_core.clone(_core.from_buffer(make(name, rows, columns, diagonal)))), 0)


@functools.lru_cache(maxsize=32)
def _dropped(name: str, rows: int, columns: int, diagonal: int) -> np.ndarray:
    """Where a triangle has no elements. Small masks are kept: it is the same ones that are asked for, such as those of
    causal attention."""
    return ~np.tri(rows, columns, diagonal, bool) if name == "tril" else np.tri(rows, columns, diagonal - 1, bool)


@tensor_method
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Each matrix up to its `diagonal`-th diagonal, and 0 above.

    >>> nc.tril(nc.tensor([[1, 2], [3, 4]]))
    tensor([[1, 0],
            [3, 4]])
    """
    return _triangle("tril", input, diagonal)


@tensor_method
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Each matrix from its `diagonal`-th diagonal on, and 0 below.

    >>> nc.triu(nc.tensor([[1, 2], [3, 4]]))
    tensor([[1, 2],
            [0, 4]])
    """
    return _triangle("triu", input, diagonal)


@tensor_method
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with this diagonal, or the diagonal of this matrix.

    >>> nc.diag(nc.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return _diagonal(input, diagonal).clone()


_diagonal = diagonal  # the argument of the same name hides the function


@tensor_method
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices over two new dimensions, dim1 and dim2, whose diagonals are the last dimension of input.

    >>> nc.diag_embed(nc.tensor([1, 2]), 1).shape
    nncore.Size([3, 3])
    """
    if input.ndim == 0:
        raise IndexError("diag_embed: expected at least one dimension, got a 0-d tensor")
    ndim = input.ndim + 1
    a, b = _dim("diag_embed", dim1, ndim), _dim("diag_embed", dim2, ndim)
    if a == b:
        raise RuntimeError(f"diag_embed: diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, n)
    look = (_diagonal_look, (offset, a, b))
    y = _core.full(shape, 0, input._array.dtype, input._array.device)
    _core.copy(_diagonal_look(y, *look[1]), input._array)
    return record("diag_embed", Tensor(y), (input,), _part_backward_rule, look)


for _operation in (tril, triu):
    inplace_method(_operation)
