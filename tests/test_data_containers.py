"""Data sets side by side, what batches keep of their samples' containers, and what a DataLoader lets be changed."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import nncore as nc
from nncore.data import ChainDataset, DataLoader, Dataset, Sampler, StackDataset


class Rows(Dataset[int]):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return index * 10


class Several(Rows):
    def __getitems__(self, indices):
        return [i * 100 for i in indices]


def test_stack():
    pairs = StackDataset(Rows(), Several())
    assert (len(pairs), pairs[2]) == (4, (20, 20))
    assert pairs.__getitems__([1, 3]) == [(10, 100), (30, 300)]
    named = StackDataset(x=Rows(), y="abcd")
    assert named[1] == {"x": 10, "y": "b"}
    (batch,) = DataLoader(named, batch_size=4)
    assert batch["y"] == ["a", "b", "c", "d"]
    for make, message in (
        (lambda: StackDataset(), "at least one"),
        (lambda: StackDataset(Rows(), x=Rows()), "got both"),
        (lambda: StackDataset(Rows(), range(3)), r"got \[4, 3\]"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_chain_counts_streams_only():
    with pytest.raises(AssertionError, match="IterableDatasets"):
        len(ChainDataset([Rows()]))


def test_types_may_be_written_in_brackets():
    assert issubclass(Rows, Dataset)
    assert Sampler[int].__origin__ is Sampler


def test_mappings_and_columns_keep_their_kind():
    samples = [collections.defaultdict(int, a=1), collections.defaultdict(int, a=2)]
    (batch,) = DataLoader(samples, batch_size=2)
    assert batch.default_factory is int
    np.testing.assert_array_equal(batch["a"].numpy(), [1, 2])
    (batch,) = DataLoader([(1, "a"), (2, "b")], batch_size=2)
    assert batch[1] == ("a", "b")


@pytest.mark.parametrize("workers", [0, 1])
def test_iterators_know_their_length(workers):
    loader = DataLoader(range(10), batch_size=4, num_workers=workers, in_order=True)
    iterator = iter(loader)
    assert len(iterator) == 3
    np.testing.assert_array_equal(next(iterator).numpy(), [0, 1, 2, 3])


@pytest.mark.parametrize("name", ["batch_size", "dataset", "sampler", "drop_last"])
def test_what_samplers_were_made_from_stays(name):
    loader = DataLoader(range(10))
    with pytest.raises(ValueError, match=name):
        setattr(loader, name, 3)
    loader.collate_fn = list
    assert isinstance(nc.data.get_worker_info(), type(None))


class Stops(Rows):
    def __getitem__(self, index):
        if index == 2:
            raise StopIteration
        return index


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_set_that_stops_is_an_error(workers):
    with pytest.raises(RuntimeError, match="raised StopIteration at"):
        list(DataLoader(Stops(), batch_size=2, num_workers=workers))
