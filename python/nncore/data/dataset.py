"""Data sets: `Dataset` (items by index), `IterableDataset` (items in a stream), and new ones built from old."""

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Sequence
from types import GenericAlias

import numpy as np

from .seeds import numpy_rng


class Dataset:
    """Items by index: a subclass gives `__getitem__` and `__len__`.

    Two more methods are optional. `__getitems__(indices)` returns the list of several samples, as in PyTorch.
    `__getbatch__(indices)` returns the collated batch itself, made with one indexing operation; the DataLoader uses it
    where its `collate_fn` is the default one.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 5
    ...     def __getitem__(self, index):
    ...         return index * index
    >>> (Squares() + Squares())[7]
    4
    """

    __class_getitem__ = classmethod(GenericAlias)  # Dataset[int] says what the items are

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__}: a Dataset needs __getitem__")

    def __add__(self, other: "Dataset") -> "ConcatDataset":
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Items in a stream: a subclass gives `__iter__`.

    With several DataLoader workers each one iterates over its own copy; `get_worker_info()` tells a copy which part
    of the stream is its own.
    """

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__}: an IterableDataset needs __iter__")

    def __add__(self, other: Dataset) -> "ChainDataset":
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Item `i` is the tuple of the rows `i` of all tensors, which have equally many rows.

    >>> import nncore as nc
    >>> data = TensorDataset(nc.arange(6).reshape(3, 2), nc.tensor([0, 1, 0]))
    >>> len(data), data[2]
    (3, (tensor([4, 5]), tensor(0)))
    """

    def __init__(self, *tensors):
        if any(tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
            raise AssertionError(
                f"TensorDataset: expected tensors with equally many rows, got {[tensor.shape[0] for tensor in tensors]}"
            )
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)

    def __getbatch__(self, indices):
        indices = np.asarray(indices, dtype=np.int64)
        return [tensor[indices] for tensor in self.tensors]

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


def _several(dataset: Dataset, indices: list[int]) -> list:
    if callable(getattr(dataset, "__getitems__", None)):
        return dataset.__getitems__(indices)
    return [dataset[i] for i in indices]


class Subset(Dataset):
    """The items of `dataset` at `indices`, in their order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list:
        return _several(self.dataset, [self.indices[i] for i in indices])

    def __getbatch__(self, indices):
        if not callable(getattr(self.dataset, "__getbatch__", None)):
            return NotImplemented
        return self.dataset.__getbatch__([self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class TransformedDataset(Dataset):
    """The items (input, target) of `dataset`, each changed by a function where one is given.

    >>> data = TransformedDataset([(1, 0), (2, 1)], transform=lambda x: 10 * x)
    >>> data[1], len(data)
    ((20, 1), 2)
    """

    def __init__(self, dataset: Dataset, transform=None, target_transform=None):
        self.dataset, self.transform, self.target_transform = dataset, transform, target_transform

    def __getitem__(self, index):
        input, target = self.dataset[index]
        if self.transform is not None:
            input = self.transform(input)
        return input, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.dataset)


class StackDataset(Dataset):
    """Item `i` is the tuple of the items `i` of several data sets, or their dictionary where they have names.

    >>> StackDataset(range(3), [5, 6, 7])[1], StackDataset(x=range(3), y="abc")[1]
    ((1, 6), {'x': 1, 'y': 'b'})
    """

    def __init__(self, *args: Dataset, **kwargs: Dataset):
        if args and kwargs:
            raise ValueError("StackDataset: expected data sets either by position or by name, got both")
        if not args and not kwargs:
            raise ValueError("StackDataset: at least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in self._each()]
        if len(set(lengths)) != 1:
            raise ValueError(f"StackDataset: size mismatch between datasets, got {lengths}")
        self._length = lengths[0]

    def _each(self):
        return self.datasets.values() if isinstance(self.datasets, dict) else self.datasets

    def _together(self, items):
        return dict(zip(self.datasets, items, strict=True)) if isinstance(self.datasets, dict) else tuple(items)

    def __getitem__(self, index: int):
        return self._together([dataset[index] for dataset in self._each()])

    def __getitems__(self, indices: list[int]) -> list:
        columns = [_several(dataset, indices) for dataset in self._each()]
        return [self._together(items) for items in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset):
    """Several data sets one after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: expected at least one data set")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset: expected data sets with __getitem__, got an IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int):
        if index < 0:
            if -index > len(self):
                raise ValueError(f"ConcatDataset: index {index} is out of range for {len(self)} items")
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        if which == len(self.datasets):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} items")
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """Several streams one after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = datasets

    def __iter__(self):
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(f"ChainDataset: expected IterableDatasets, got a {type(dataset).__name__}")
            yield from dataset

    def __len__(self) -> int:
        if not all(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ChainDataset: expected IterableDatasets")
        return sum(len(dataset) for dataset in self.datasets)


def random_split(dataset: Dataset, lengths: Sequence[int | float], generator=None) -> list[Subset]:
    """Splits a data set at random into disjoint subsets of the given lengths, or fractions that add up to 1.

    With fractions every part gets `floor(len(dataset) * fraction)` items, and what is left over goes one by one to
    the first parts. Raises ValueError where the lengths do not add up to `len(dataset)`.

    >>> import nncore as nc
    >>> parts = random_split(range(10), [0.75, 0.25], generator=nc.Generator().manual_seed(0))
    >>> [len(part) for part in parts], sorted(i for part in parts for i in part)
    ([8, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        if any(not 0 <= fraction <= 1 for fraction in lengths):
            raise ValueError(f"random_split: expected fractions between 0 and 1, got {list(lengths)}")
        counts = [math.floor(total * fraction) for fraction in lengths]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
        if not all(counts):
            warnings.warn(f"random_split: a part is empty (lengths {counts})", stacklevel=2)
        lengths = counts
    if sum(lengths) != total:
        raise ValueError(
            f"random_split: the lengths {list(lengths)} add up to {sum(lengths)}, the data set has {total} items"
        )
    order = numpy_rng(generator).permutation(total).tolist()
    ends = itertools.accumulate(lengths)
    return [Subset(dataset, order[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
