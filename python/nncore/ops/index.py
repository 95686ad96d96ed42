"""Elements picked from, and put to, places that integers or booleans name."""

from __future__ import annotations

from nncore import _core
from nncore.autograd import record
from nncore.ops.elementwise import where
from nncore.ops.inplace import inplace_method
from nncore.ops.pad import pad
from nncore.ops.require import require_range
from nncore.ops.shape import _dim
from nncore.size import Size
from nncore.tensor import Tensor, tensor_method

# ---- whole slices ----


@tensor_method
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices along dim that a vector of places names, in its order.

    >>> nc.index_select(nc.tensor([10, 20, 30]), 0, nc.tensor([2, 0]))
    tensor([30, 10])
    """
    y = Tensor(_core.index_select("index_select", input._array, dim, index._array))
    return record("index_select", y, (input,), _index_select_rule, (dim, index, input._array.shape))


def _spread_slices(gy: Tensor, dim: int, index: Tensor, shape: tuple) -> Tensor:
    """Zeros of that shape with the slices of gy added where index says: index_add without a copy of the zeros."""
    y = _core.full(shape, 0, gy._array.dtype, gy._array.device)
    _core.index_add_into("index_add", y, dim, index._array, gy._array)
    return record("spread_slices", Tensor(y), (gy,), _spread_slices_rule, (dim, index, gy._array.shape))


_index_select_rule = (_spread_slices,)
_spread_slices_rule = (lambda ggx, dim, index, shape: ggx.index_select(dim, index).reshape(shape),)


@tensor_method
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """input with alpha times slice i of source added to slice index[i]; repeated places add up in the order of i.

    >>> nc.index_add(nc.zeros(3), 0, nc.tensor([2, 2]), nc.tensor([1.0, 5.0]))
    tensor([0., 0., 6.])
    """
    if alpha != 1:
        source = source * (alpha if source.is_floating_point() else int(alpha))
    y = Tensor(_core.clone(input._array))
    _core.index_add_into("index_add", y._array, dim, index._array, source._array)
    return record("index_add", y, (input, source), _index_add_rule, (dim, index, source._array.shape))


_index_add_rule = (
    lambda gy, dim, index, shape: gy,
    lambda gy, dim, index, shape: gy.index_select(dim, index).reshape(shape),
)


@tensor_method
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input with slice index[i] replaced by slice i of source; of repeated places the last counts.

    >>> nc.index_copy(nc.zeros(3), 0, nc.tensor([2, 0]), nc.tensor([1.0, 5.0]))
    tensor([5., 0., 1.])
    """
    y = Tensor(_core.clone(input._array))
    _core.index_copy_into("index_copy", y._array, dim, index._array, source._array)
    return record("index_copy", y, (input, source), _index_copy_rule, (dim, index, source._array.shape))


_index_copy_rule = (
    lambda gy, dim, index, shape: gy.index_fill(dim, index, 0),
    lambda gy, dim, index, shape: gy.index_select(dim, index).reshape(shape),
)


@tensor_method
def index_fill(input: Tensor, dim: int, index: Tensor, value: float | Tensor) -> Tensor:
    """input with one value in the slices that index names.

    >>> nc.index_fill(nc.zeros(3), 0, nc.tensor([2, 0]), 7)
    tensor([7., 0., 7.])
    """
    x, shape = input._array, list(input._array.shape) or [1]
    shape[_dim("index_fill", dim, input.ndim)] = index.numel()
    if not isinstance(value, Tensor):
        source = _core.full((), value, x.dtype, x.device)
    elif value.ndim:
        raise RuntimeError(f"index_fill_ only supports a 0-dimensional value tensor, got {list(value.shape)}")
    else:
        source = _core.cast(value._array, x.dtype)
    y = Tensor(_core.clone(x))
    _core.index_copy_into("index_fill", y._array, dim, index._array, _core.expand(source, shape))
    inputs = (input, value if isinstance(value, Tensor) else None)
    return record(
        "index_fill", y, inputs, _index_fill_rule, (dim, index, value.dtype if inputs[1] is not None else None)
    )


def _of_value(gy: Tensor, dim: int, index: Tensor, dtype: _core.dtype) -> Tensor:
    """The sum over what was filled: slices that index names twice count once."""
    filled = gy.new_zeros(gy.shape, dtype=_core.dtype.bool).index_fill(dim, index, True)
    return where(filled, gy, 0.0).sum().to(dtype)


_index_fill_rule = (lambda gy, dim, index, dtype: gy.index_fill(dim, index, 0), _of_value)


# ---- single elements ----


@tensor_method
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """y[..., i, ...] = input[..., index[..., i, ...], ...]: along dim, one place for each element of the result.

    >>> nc.gather(nc.tensor([[1, 2], [3, 4]]), 1, nc.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    y = Tensor(_core.gather("gather", input._array, dim, index._array))
    return record("gather", y, (input,), _gather_rule, (dim, index, input._array.shape))


def _spread(gy: Tensor, dim: int, index: Tensor, shape: tuple) -> Tensor:
    """Zeros of that shape with the elements of gy added where index says."""
    y = _core.full(shape, 0, gy._array.dtype, gy._array.device)
    _core.scatter_into("scatter_add", y, dim, index._array, gy._array, True)
    return record("spread", Tensor(y), (gy,), _spread_rule, (dim, index))


_gather_rule = (_spread,)
_spread_rule = (lambda ggx, dim, index: ggx.gather(dim, index),)


def _scattered(name: str, input: Tensor, dim: int, index: Tensor, source: Tensor, accumulate: bool) -> Tensor:
    y = Tensor(_core.clone(input._array))
    _core.scatter_into(name, y._array, dim, index._array, source._array, accumulate)
    return y


def _gathered(gy: Tensor, dim: int, index: Tensor, shape: tuple) -> Tensor:
    """The gradient of what was scattered: 0 where it reaches beyond the index."""
    g = gy.gather(dim, index)
    missing = [n - have for n, have in zip(shape, g._array.shape, strict=True)]
    return pad(g, [w for n in reversed(missing) for w in (0, n)]) if any(missing) else g


@tensor_method
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Tensor | float | None = None, *, value=None, reduce: str | None = None
) -> Tensor:
    """input with elements replaced along dim: y[..., index[..., i, ...], ...] = src[..., i, ...], or one value.

    Of repeated places the last counts. With reduce "add" or "multiply" src is added to, or multiplied by, what is
    there; "multiply" has no gradient.

    >>> nc.scatter(nc.zeros(2, 2), 1, nc.tensor([[1], [0]]), 5.0)
    tensor([[0., 5.],
            [5., 0.]])
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter: expected src, a tensor, or value, a number")
    if not isinstance(src, Tensor):
        full = _core.full((), src, input._array.dtype, input._array.device)
        src = Tensor(_core.expand(full, index._array.shape))
    if reduce is not None:
        return _scatter_reducing(input, dim, index, src, reduce)
    y = _scattered("scatter", input, dim, index, src, False)
    return record("scatter", y, (input, src), _scatter_rule, (dim, index, src._array.shape))


_scatter_rule = (lambda gy, dim, index, shape: gy.scatter(dim, index, 0), _gathered)


def _scatter_reducing(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str) -> Tensor:
    if reduce == "add":
        return scatter_add(input, dim, index, src)
    if reduce != "multiply":
        raise RuntimeError(f"scatter: reduce argument must be either add or multiply, got {reduce!r}")
    y, factor = _core.clone(input._array), src._array
    for i, n in enumerate(index.shape):
        factor = _core.slice(factor, i, 0, n, 1)
    # One at a time of those that meet in one place: the k-th of each line along dim only.
    d = _dim("scatter", dim, input.ndim)
    for k in range(index.shape[d] if index.ndim else 1):
        at, by = (_core.slice(a, d, k, k + 1, 1) if index.ndim else a for a in (index._array, factor))
        there = _core.gather("scatter", y, dim, at)
        _core.scatter_into("scatter", y, dim, at, _core.mul(there, by), False)
    return record("scatter", Tensor(y), (input, src), _refuse_multiplied)


def _refuse_multiplied(gy: Tensor) -> tuple:
    raise RuntimeError("scatter: reduce='multiply' has no derivative")


@tensor_method
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with elements added along dim: y[..., index[..., i, ...], ...] += src[..., i, ...], in the order of i.

    >>> nc.scatter_add(nc.zeros(3), 0, nc.tensor([1, 1]), nc.tensor([2.0, 3.0]))
    tensor([0., 5., 0.])
    """
    y = _scattered("scatter_add", input, dim, index, src, True)
    return record("scatter_add", y, (input, src), _scatter_add_rule, (dim, index, src._array.shape))


_scatter_add_rule = (lambda gy, dim, index, shape: gy, _gathered)


@tensor_method
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with input and indices broadcast against each other but along dim; without dim, of the flattened ones.

    >>> nc.take_along_dim(nc.tensor([[3, 1], [2, 4]]), nc.tensor([[1]]), 1)
    tensor([[1],
            [4]])
    """
    if dim is None:
        return take_along_dim(input.reshape(-1), indices.reshape(-1), 0)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    d = _dim("take_along_dim", dim, input.ndim)
    if input.ndim == 0:
        raise IndexError("take_along_dim: Dimension specified as 0 but tensor has no dimensions")
    indices = Tensor(_core.reshape(_core.wrap_index(indices._array, input.shape[d], d), indices._array.shape))
    x, at = list(input.shape), list(indices.shape)
    for i in range(input.ndim):
        if i != d and x[i] != at[i]:
            if 1 not in (x[i], at[i]):
                raise RuntimeError(f"take_along_dim: {list(input.shape)} and {list(indices.shape)} do not broadcast")
            x[i] = at[i] = x[i] if at[i] == 1 else at[i]
    return gather(input.expand(x), d, indices.expand(at))


# ---- masks ----


@tensor_method
def masked_fill(input: Tensor, mask: Tensor, value: float | Tensor) -> Tensor:
    """input with one value where the mask is True.

    >>> nc.masked_fill(nc.tensor([1.0, 2.0]), nc.tensor([True, False]), 0)
    tensor([0., 2.])
    """
    if mask.dtype is not _core.dtype.bool:
        raise RuntimeError(f"masked_fill: expected a mask of dtype bool, got {mask.dtype}")
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)"
            )
        return where(mask, value.to(input.dtype), input)
    return where(mask, Tensor(_core.full((), value, input._array.dtype, input._array.device)), input)


@tensor_method
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is True, in one dimension.

    >>> nc.masked_select(nc.tensor([1, 2, 3]), nc.tensor([True, False, True]))
    tensor([1, 3])
    """
    if mask.dtype is not _core.dtype.bool:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, got {mask.dtype}")
    x, mask = broadcast_tensors(input, mask)
    return x.reshape(-1).index_select(0, nonzero(mask.reshape(-1)).reshape(-1))


def broadcast_shapes(*shapes) -> Size:
    """The shape to which these shapes broadcast; a number is a shape of one dimension.

    >>> nc.broadcast_shapes((2, 1), (3,))
    nncore.Size([2, 3])
    """
    shapes = [(s,) if isinstance(s, int) else s for s in shapes]
    for n in (n for s in shapes for n in s if n < 0):
        raise RuntimeError(f"broadcast_shapes: expected extents of at least 0, got {n}")
    ndim = max((len(s) for s in shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for i, n in enumerate(shape, ndim - len(shape)):
            if n != 1 and result[i] not in (1, n):
                raise RuntimeError(
                    "Shape mismatch: objects cannot be broadcast to a single shape: "
                    + " and ".join(str(list(s)) for s in shapes)
                )
            result[i] = n if n != 1 else result[i]
    return Size(result)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    shape = broadcast_shapes(*(x.shape for x in tensors))
    return tuple(x.expand(shape) for x in tensors)


@tensor_method
def nonzero(input: Tensor, *, as_tuple: bool = False):
    """The coordinates of the elements that are not 0, one row for each; with as_tuple a tensor for each dimension.

    >>> nc.nonzero(nc.tensor([[0, 1], [2, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    if as_tuple:
        return nonzero(input.reshape(1) if input.ndim == 0 else input).unbind(1)
    return Tensor(_core.nonzero(input._array))


# ---- classes and tables ----


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """y[..., c] = 1 where tensor is c, else 0; as many classes as the largest needs, unless told.

    >>> F.one_hot(nc.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype is not _core.dtype.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of dtype int64, got {tensor.dtype}")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("one_hot: Can not infer total number of classes from empty tensor.")
        return tensor.new_zeros((*tensor.shape, num_classes))
    if num_classes == -1:
        num_classes = max(tensor.max().item() + 1, 1)
    require_range(tensor, 0, 2**63 - 1, "one_hot: Class values must be non-negative, got ")
    smaller = f"one_hot: Class values must be smaller than num_classes ({num_classes}), got "
    require_range(tensor, 0, num_classes, smaller)
    return tensor.new_zeros((*tensor.shape, num_classes)).scatter(-1, tensor.unsqueeze(-1), 1)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """y[...] = weight[input[...]]: the row of a table for each index. weight is [rows, D], y [*input.shape, D].

    padding_idx: a row that gets no gradient. max_norm: rows that are used and have a larger norm (of order norm_type)
    are first scaled down to it, in place. scale_grad_by_freq: a row's gradient is divided by how often it is used.
    Gradients are dense whatever `sparse` says.

    >>> F.embedding(nc.tensor([1, 0]), nc.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    if weight.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got {list(weight.shape)}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"embedding: padding_idx must be within the {rows} rows, got {padding_idx}")
        padding_idx %= rows
    index = input if input._array.ndim == 1 else input.reshape(-1)
    if max_norm is not None:
        _renormalise(weight.detach(), index, max_norm, norm_type)
    y = Tensor(_core.index_select("embedding", weight._array, 0, index._array))
    y = record("embedding", y, (weight,), _embedding_rule, (index, rows, padding_idx, scale_grad_by_freq))
    return y if index is input else y.reshape(*input.shape, weight.shape[1])


def _embedding_gradient(gy: Tensor, index: Tensor, rows: int, padding_idx: int | None, by_frequency: bool) -> Tensor:
    if by_frequency:
        uses = gy.new_zeros(rows).index_add(0, index, gy.new_ones(index.numel()))
        gy = gy / uses.index_select(0, index).unsqueeze(1)
    g = _spread_slices(gy, 0, index, (rows, gy._array.shape[1]))
    return g if padding_idx is None else g.index_fill(0, index.new_full((1,), padding_idx), 0)


_embedding_rule = (_embedding_gradient,)


def _renormalise(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    norms = weight.norm(norm_type, 1, keepdim=True)
    used = index.new_zeros(weight.shape[0]).index_fill(0, index, 1).bool().unsqueeze(1)
    weight.copy_(where(used & (norms > max_norm), weight * (max_norm / (norms + 1e-7)), weight))


for _operation in (index_add, index_copy, index_fill, scatter, scatter_add, masked_fill):
    inplace_method(_operation)
