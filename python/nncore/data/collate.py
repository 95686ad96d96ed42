"""From a list of samples to one batch."""

import copy
from collections.abc import Mapping, MutableMapping, Sequence

import numpy as np

import nncore


def default_collate(batch: Sequence):
    """Puts a list of samples together into one batch, with a new first dimension.

    Tensors and NumPy arrays are stacked; numbers become a tensor (int -> int64, float -> float64, bool -> bool);
    strings and bytes stay as they are; a mapping, a tuple or a list is gone into element by element (tuples come back
    as lists, named tuples and mappings as what they were). Raises RuntimeError where samples differ in length or shape,
    TypeError for anything else.

    >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    first = batch[0]
    if isinstance(first, nncore.Tensor):
        return nncore.stack(batch)
    if isinstance(first, (np.ndarray, np.generic)):
        return _stack_arrays(batch)
    if isinstance(first, (bool, int, float)):
        return nncore.tensor(batch, dtype=nncore.float64 if isinstance(first, float) else None)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _rebuild(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError(
                f"default_collate: expected samples of equal length, got {sorted({len(sample) for sample in batch})}"
            )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        if isinstance(first, tuple):
            return type(first)(*columns) if hasattr(first, "_fields") else columns
        return _rebuild(first, columns)
    raise TypeError(
        "default_collate: a batch holds tensors, arrays, numbers, strings, mappings or sequences; "
        f"got {type(first).__name__}"
    )


def default_convert(data):
    """One sample when `batch_size` is None: arrays become tensors, containers are gone into, the rest stays."""
    if isinstance(data, np.ndarray) and data.dtype.kind in "biuf":
        return nncore.from_numpy(data)
    if isinstance(data, np.generic) and data.dtype.kind in "biuf":
        return nncore.tensor(data)
    if isinstance(data, Mapping):
        return _rebuild(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, (str, bytes)) or not isinstance(data, Sequence):
        return data
    values = [default_convert(value) for value in data]
    if isinstance(data, tuple):
        return type(data)(*values) if hasattr(data, "_fields") else values
    return _rebuild(data, values)


def _stack_arrays(batch: list):
    if batch[0].dtype.kind not in "biuf":
        raise TypeError(f"default_collate: a batch holds numeric arrays; got one of dtype {batch[0].dtype}")
    if any(np.shape(sample) != batch[0].shape for sample in batch):
        shapes = sorted({str(list(np.shape(sample))) for sample in batch})
        raise RuntimeError(f"default_collate: expected arrays of equal shape, got {', '.join(shapes)}")
    return nncore.from_numpy(np.stack(batch))


def _rebuild(like, values):
    """`values` in a container of the kind of `like`, or a plain one where that kind cannot be made from values."""
    try:
        if isinstance(like, MutableMapping):  # a copy keeps what the container has beside its items
            made = copy.copy(like)
            made.update(values)
            return made
        return type(like)(values)
    except TypeError:
        return values
