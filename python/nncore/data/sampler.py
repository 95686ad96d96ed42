"""Samplers: in which order a DataLoader visits the items, and how they are put together into batches."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from types import GenericAlias

import numpy as np

from .seeds import numpy_rng


class Sampler:
    """Yields indices (a batch sampler: lists of indices); a subclass gives `__iter__`, and `__len__` if it knows."""

    __class_getitem__ = classmethod(GenericAlias)  # Sampler[int] says what it yields

    def __iter__(self) -> Iterator:
        raise NotImplementedError(f"{type(self).__name__}: a Sampler needs __iter__")


class SequentialSampler(Sampler):
    """0, 1, ..., len(data_source) - 1."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A new random order at every iteration, or `num_samples` independent draws with `replacement`.

    Without replacement and with `num_samples` above the number of items, one permutation follows the other. The order
    depends on `generator` alone, or on `nncore.manual_seed` without one.

    >>> import nncore as nc
    >>> sampler = RandomSampler(range(4), num_samples=6, generator=nc.Generator().manual_seed(0))
    >>> len(list(sampler)), sorted(list(sampler)[:4])
    (6, [0, 1, 2, 3])
    """

    def __init__(self, data_source, replacement: bool = False, num_samples: int | None = None, generator=None):
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement should be a bool, got {replacement!r}")
        if num_samples is not None:
            _check_count("RandomSampler", num_samples)
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, wanted = len(self.data_source), self.num_samples
        rng = numpy_rng(self.generator)
        if self.replacement:
            return iter(rng.integers(n, size=wanted).tolist())
        rounds = -(-wanted // n) if n else 0
        orders = (rng.permutation(n).tolist() for _ in range(rounds))
        return itertools.islice(itertools.chain.from_iterable(orders), wanted)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in a new random order at every iteration."""

    def __init__(self, indices: Sequence[int], generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return (self.indices[i] for i in numpy_rng(self.generator).permutation(len(self.indices)).tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """`num_samples` indices, each drawn with a probability proportional to its weight.

    Without replacement the next index is drawn by the weights of those that are left: the items with the smallest
    of the independent waiting times `E_i / w_i`, `E_i` exponential, are such draws in order (P. Efraimidis,
    P. Spirakis, "Weighted random sampling with a reservoir", 2006).
    """

    def __init__(self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator=None):
        _check_count("WeightedRandomSampler", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"WeightedRandomSampler: replacement should be a bool, got {replacement!r}")
        self.weights = np.asarray(weights, dtype=np.float64)
        if self.weights.ndim != 1:
            raise ValueError(
                f"WeightedRandomSampler: expected weights of one dimension, got shape {list(self.weights.shape)}"
            )
        if not np.all(np.isfinite(self.weights) & (self.weights >= 0)) or not self.weights.any():
            raise ValueError("WeightedRandomSampler: expected finite weights of at least 0, not all of them 0")
        if not replacement and num_samples > np.count_nonzero(self.weights):
            raise RuntimeError(
                f"WeightedRandomSampler: cannot draw {num_samples} items without replacement from "
                f"{np.count_nonzero(self.weights)} with a weight above 0"
            )
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        rng = numpy_rng(self.generator)
        if self.replacement:
            sums = np.cumsum(self.weights)
            drawn = np.searchsorted(sums, rng.random(self.num_samples) * sums[-1], side="right")
        else:
            with np.errstate(divide="ignore"):
                waiting = rng.standard_exponential(len(self.weights)) / self.weights
            drawn = np.argsort(waiting, kind="stable")[: self.num_samples]
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Groups another sampler's indices into lists of `batch_size`; `drop_last` drops a last one that is shorter.

    >>> list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=False))
    [[0, 1, 2], [3, 4, 5], [6]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        _check_count("BatchSampler", batch_size, "batch_size")
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: drop_last should be a bool, got {drop_last!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


def _check_count(who: str, value, name: str = "num_samples") -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{who}: {name} should be a positive integer, got {value!r}")
