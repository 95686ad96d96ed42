"""Indexing, joining and sorting, element by element where NumPy has no function for it."""

import numpy as np


def index_select(x, dim, index):
    return np.take(x, index, axis=dim) if x.ndim else x.copy()


def _slices(y, dim):
    """y seen with dim first: writing to it writes to y."""
    return np.moveaxis(y, dim, 0)


def index_add(x, dim, index, source, alpha=1):
    y = x.copy()
    for place, part in zip(index, _slices(source, dim), strict=True):
        _slices(y, dim)[place] += y.dtype.type(alpha) * part
    return y


def index_copy(x, dim, index, source):
    y = x.copy()
    for place, part in zip(index, _slices(source, dim), strict=True):
        _slices(y, dim)[place] = part
    return y


def index_fill(x, dim, index, value):
    y = x.copy()
    _slices(y, dim)[index] = value
    return y


def gather(x, dim, index):
    y = np.empty(index.shape, x.dtype)
    for at in np.ndindex(index.shape):
        y[at] = x[_moved(at, dim, index[at])]
    return y


def _moved(at, dim, place):
    at = list(at)
    at[dim] = place
    return tuple(at)


def scatter(x, dim, index, src):
    y = x.copy()
    for at in np.ndindex(index.shape):
        y[_moved(at, dim, index[at])] = src[at] if isinstance(src, np.ndarray) else src
    return y


def scatter_add(x, dim, index, src):
    y = x.copy()
    for at in np.ndindex(index.shape):
        y[_moved(at, dim, index[at])] += src[at]
    return y


def take_along_dim(x, indices, dim=None):
    if dim is None:
        return np.take(x.ravel(), indices.ravel())
    return np.take_along_axis(*_fitted(x, indices, dim), dim)


def _fitted(x, indices, dim):
    shapes = [list(a.shape) for a in (x, indices)]
    for shape in shapes:
        shape[dim] = 1
    shape = list(np.broadcast_shapes(*shapes))
    results = []
    for a in (x, indices):
        shape[dim] = a.shape[dim]
        results.append(np.broadcast_to(a, shape))
    return results


def masked_fill(x, mask, value):
    return np.where(mask, x.dtype.type(value), x)


def masked_select(x, mask):
    x, mask = np.broadcast_arrays(x, mask)
    return x[mask]


def nonzero(x):
    return np.argwhere(x)


def one_hot(x, num_classes=-1):
    classes = int(x.max()) + 1 if num_classes == -1 else num_classes
    return (x[..., None] == np.arange(classes)).astype(np.int64)


def embedding(weight, index):
    return weight[index]


def getitem(x, key):
    return np.array(x[key])


def cat(*arrays, dim=0):
    return np.concatenate([a for a in arrays if a.shape != (0,)] or arrays, dim)


def stack(*arrays, dim=0):
    return np.stack(arrays, dim)


def meshgrid(*arrays, indexing="ij"):
    return tuple(np.meshgrid(*arrays, indexing=indexing))


def repeat(x, repeats):
    return np.tile(x, repeats)


def repeat_interleave(x, repeats, dim=None):
    return np.repeat(x, repeats, dim)


def flip(x, dims):
    return np.flip(x, dims)


def roll(x, shifts, dims=None):
    return np.roll(x, shifts, dims)


def tril(x, diagonal=0):
    return np.tril(x, diagonal)


def triu(x, diagonal=0):
    return np.triu(x, diagonal)


def diag(x, diagonal=0):
    return np.diag(x, diagonal)


def diagonal(x, offset=0, dim1=0, dim2=1):
    return np.diagonal(x, offset, dim1, dim2)


_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(x, pad, mode="constant", value=None):
    widths = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    widths = [(0, 0)] * (x.ndim - len(widths)) + widths
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True))
    grown = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode == "constant":
        return np.pad(x[cut], grown, constant_values=0 if value is None else value)
    return np.pad(x[cut], grown, _MODES[mode])


def sort(x, dim=-1, descending=False):
    order = argsort(x, dim, descending)
    return np.take_along_axis(x, order, dim), order


def argsort(x, dim=-1, descending=False):
    """NaN counts as the largest, and equal elements keep their order, also where it descends."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    backwards = np.flip(np.argsort(np.flip(x, dim), axis=dim, kind="stable"), dim)
    return x.shape[dim] - 1 - backwards


def topk(x, k, dim=-1, largest=True):
    return tuple(np.take(a, np.arange(k), axis=dim) for a in sort(x, dim, largest))


def embedding_bag(input, weight, offsets=None, mode="mean", per_sample_weights=None, last=False, padding_idx=None):
    bags = list(input) if offsets is None else np.split(input, offsets[1:])
    factors = np.ones(input.shape) if per_sample_weights is None else per_sample_weights.astype(np.float64)
    factors = list(factors) if offsets is None else np.split(factors, offsets[1:])
    count = (len(bags) if offsets is None else len(offsets)) - last
    y = np.zeros((count, weight.shape[1]))
    for i, (bag, factor) in enumerate(zip(bags[: len(y)], factors, strict=False)):
        kept = np.full(bag.shape, True) if padding_idx is None else bag != padding_idx % len(weight)
        rows = weight[bag[kept]].astype(np.float64) * factor[kept][:, None]
        if len(rows):
            y[i] = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, axis=0)
    return y.astype(weight.dtype)
