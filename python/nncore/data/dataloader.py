"""DataLoader: batches from a data set, in the order of a sampler, in this process or ahead of time in workers."""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .seeds import draw_seed


class _Endless(Sampler):
    """The sampler of a stream, which has no indices to choose."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class _IndexFetcher:
    """Turns indices into a batch (or one index into a sample)."""

    def __init__(self, dataset, batched: bool, collate_fn: Callable):
        self.dataset, self.batched, self.collate_fn = dataset, batched, collate_fn
        self.getitems = getattr(dataset, "__getitems__", None)
        self.getbatch = getattr(dataset, "__getbatch__", None) if collate_fn is default_collate else None

    def __call__(self, indices):
        try:
            return self._batch(indices)
        except StopIteration as error:  # it would end the loop as if the data were used up
            raise RuntimeError(f"DataLoader: the data set raised StopIteration at {indices}") from error

    def _batch(self, indices):
        if not self.batched:
            return self.collate_fn(self.dataset[indices])
        if self.getbatch is not None:
            batch = self.getbatch(indices)
            if batch is not NotImplemented:
                return batch
        samples = self.getitems(indices) if callable(self.getitems) else [self.dataset[i] for i in indices]
        return self.collate_fn(samples)


class _StreamFetcher:
    """Takes a batch (or one sample) from a stream; raises StopIteration at its end."""

    def __init__(self, dataset, batched: bool, collate_fn: Callable, drop_last: bool):
        self.stream, self.batched, self.collate_fn, self.drop_last = iter(dataset), batched, collate_fn, drop_last

    def __call__(self, indices):
        if not self.batched:
            return self.collate_fn(next(self.stream))
        samples = list(itertools.islice(self.stream, len(indices)))
        if not samples or (self.drop_last and len(samples) < len(indices)):
            raise StopIteration
        return self.collate_fn(samples)


def _make_fetcher(dataset, *, batched: bool, collate_fn: Callable, drop_last: bool) -> Callable:
    if isinstance(dataset, IterableDataset):
        return _StreamFetcher(dataset, batched, collate_fn, drop_last)
    return _IndexFetcher(dataset, batched, collate_fn)


# What the samplers were made from.
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _Iterator:
    """One pass over the data in the process of the loop."""

    def __init__(self, loader: "DataLoader"):
        self._loader = loader
        self._batches = map(loader.make_fetcher(loader.dataset), loader._index_sampler)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._batches)

    def __len__(self) -> int:
        return len(self._loader)


class DataLoader:
    """Iterates over a data set in batches.

    Args, as in PyTorch:
        dataset: a Dataset (or anything with `__getitem__` and `__len__`), or an IterableDataset.
        batch_size: samples per batch; None gives the samples one by one, without a batch dimension.
        shuffle: a new random order at every iteration (default False).
        sampler, batch_sampler: an own order of indices, or of lists of indices, instead of `shuffle`.
        num_workers: processes that fetch ahead of the loop; 0 fetches in the loop itself. Batches come in the same
            order either way, and a worker's exception is raised here, with its traceback in the message.
        collate_fn: makes a batch of a list of samples (default: `default_collate`).
        pin_memory: accepted, without effect: batches live in ordinary memory.
        drop_last: leave out a last batch that is shorter.
        timeout: seconds to wait for a batch from a worker before RuntimeError; 0 waits as long as the worker lives.
        worker_init_fn: called in each worker with its number.
        multiprocessing_context: start method ("fork", "spawn", "forkserver") or context; default: Python's own.
        generator: what shuffling and worker seeds are drawn from; default: the one that `nncore.manual_seed` seeds.
        prefetch_factor: batches each worker prepares ahead (default 2).
        persistent_workers: keep the workers from one iteration to the next.
        in_order, pin_memory_device: accepted, without effect: batches always come in order.

    A TensorDataset, and any data set with `__getbatch__`, gives a whole batch with one indexing operation. In a worker
    `random`, NumPy's old global generator and nncore are seeded with a seed of its own, and kernels use one thread.

    >>> import nncore as nc
    >>> data = nc.data.TensorDataset(nc.arange(5), nc.arange(5) * 10)
    >>> [y for x, y in nc.data.DataLoader(data, batch_size=2)]
    [tensor([ 0, 10]), tensor([20, 30]), tensor([40])]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        _check_workers(num_workers, timeout, multiprocessing_context, prefetch_factor, persistent_workers)
        stream = isinstance(dataset, IterableDataset)
        _check_order(stream, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.pin_memory, self.drop_last, self.generator = pin_memory, drop_last, generator
        self.worker_init_fn, self.persistent_workers = worker_init_fn, persistent_workers
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.multiprocessing_context = _context(multiprocessing_context) if num_workers else None
        if sampler is None:
            if stream:
                sampler = _Endless()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            self.batch_size = None
        else:
            self.batch_size = batch_size
            if batch_size is not None:
                batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.make_fetcher = functools.partial(
            _make_fetcher, batched=batch_sampler is not None, collate_fn=self.collate_fn, drop_last=drop_last
        )
        self._iterator = None
        self._made = True

    def __setattr__(self, name: str, value) -> None:
        if name in _FIXED and "_made" in self.__dict__:
            raise ValueError(f"DataLoader: the {name} attribute should not be set after the DataLoader was made")
        super().__setattr__(name, value)

    @property
    def _index_sampler(self):
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> Iterator:
        # One draw per iteration with or without workers, so that num_workers does not change the order of the data.
        seed = draw_seed(self.generator)
        if self.num_workers == 0:
            return _Iterator(self)
        from .workers import WorkerIterator  # multiprocessing takes 15 ms to import

        if self._iterator is not None and not self._iterator.closed:
            self._iterator.restart(self._index_sampler)
            return self._iterator
        iterator = WorkerIterator(self, seed, self._index_sampler)
        if self.persistent_workers:
            self._iterator = iterator
        return iterator

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)


def _check_workers(num_workers, timeout, context, prefetch_factor, persistent_workers) -> None:
    if num_workers < 0:
        raise ValueError(f"DataLoader: num_workers should be at least 0, got {num_workers}")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout should be at least 0, got {timeout}")
    if prefetch_factor is not None and prefetch_factor <= 0:
        raise ValueError(f"DataLoader: prefetch_factor should be at least 1, got {prefetch_factor}")
    if num_workers:
        return
    given = {
        "prefetch_factor": prefetch_factor is not None,
        "persistent_workers": persistent_workers,
        "multiprocessing_context": context is not None,
    }
    if any(given.values()):
        names = ", ".join(name for name, is_given in given.items() if is_given)
        raise ValueError(f"DataLoader: {names} needs num_workers > 0, got 0")


def _check_order(stream: bool, batch_size, shuffle, sampler, batch_sampler, drop_last) -> None:
    if stream and (shuffle or sampler is not None or batch_sampler is not None):
        raise ValueError(
            "DataLoader: an IterableDataset sets its own order; expected no shuffle, sampler or batch_sampler"
        )
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: sampler and shuffle exclude each other")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last")
    if batch_size is None and drop_last:
        raise ValueError("DataLoader: batch_size=None makes no batches, so drop_last has no meaning")


def _context(context):
    import multiprocessing

    if context is None or isinstance(context, str):
        if context is not None and context not in multiprocessing.get_all_start_methods():
            methods = ", ".join(multiprocessing.get_all_start_methods())
            raise ValueError(f"DataLoader: multiprocessing_context should be one of {methods}, got {context!r}")
        return multiprocessing.get_context(context)
    if not hasattr(context, "Process"):
        raise TypeError(f"DataLoader: multiprocessing_context should be a start method or a context, got {context!r}")
    return context
