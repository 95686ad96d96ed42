"""DataLoader in this process: batches, order, collating. Its workers: test_dataloader_workers.py."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import nncore as nc
from loader_datasets import Rows, Stream, add_thousand
from nncore.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    datasets,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)

Pair = namedtuple("Pair", "x y")


def seeded(seed):
    return nc.Generator().manual_seed(seed)


def numbers(loader):
    """The second element of every sample, batch by batch."""
    return [batch[1].tolist() for batch in loader]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, [1] * 7),
        ({"batch_size": 3}, [3, 3, 1]),
        ({"batch_size": 3, "drop_last": True}, [3, 3]),
        ({"batch_size": 7}, [7]),
        ({"batch_size": 9}, [7]),
        ({"batch_size": 9, "drop_last": True}, []),
        ({"batch_sampler": [[0, 1], [6]]}, [2, 1]),
        ({"sampler": [3, 1], "batch_size": 2}, [2]),
    ],
)
def test_batches_and_length(options, sizes):
    loader = DataLoader(Rows(7), **options)
    assert [len(batch[1]) for batch in loader] == sizes
    assert len(loader) == len(sizes)


def test_batch_is_tensors_in_order():
    batches = list(DataLoader(Rows(5), batch_size=2))
    assert numbers(batches) == [[0, 1], [2, 3], [4]]
    x, y = batches[1]
    assert isinstance(x, nc.Tensor)
    assert x.dtype == nc.float32
    assert y.dtype == nc.int64
    np.testing.assert_array_equal(x.numpy(), [[2, 2, 2], [3, 3, 3]])


def test_without_batching():
    samples = list(DataLoader(Rows(3), batch_size=None))
    assert [sample[1] for sample in samples] == [0, 1, 2]
    assert samples[2][0].shape == (3,)
    assert isinstance(samples[0][0], nc.Tensor)
    assert len(DataLoader(Rows(3), batch_size=None)) == 3


def test_empty_dataset():
    assert list(DataLoader(Rows(0), batch_size=2)) == []
    assert list(DataLoader(Rows(0), batch_size=2, shuffle=True)) == []
    assert len(DataLoader(Rows(0), batch_size=2)) == 0


def test_shuffle_visits_everything_once_and_anew():
    loader = DataLoader(Rows(50), batch_size=8, shuffle=True, generator=seeded(0))
    first, second = ([i for batch in numbers(loader) for i in batch] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first != list(range(50))


def test_shuffle_is_seeded():
    def order(**options):
        return numbers(DataLoader(Rows(50), batch_size=8, shuffle=True, **options))

    assert order(generator=seeded(4)) == order(generator=seeded(4))
    assert order(generator=seeded(4)) != order(generator=seeded(5))
    nc.manual_seed(7)
    first = order()
    second = order()
    nc.manual_seed(7)
    assert order() == first
    assert order() == second
    assert order(generator=np.random.default_rng(1)) == order(generator=np.random.default_rng(1))


def test_own_generator_leaves_the_default_one_alone():
    nc.manual_seed(7)
    expected = nc.randint(1000, (4,)).tolist()
    nc.manual_seed(7)
    list(DataLoader(Rows(50), shuffle=True, generator=seeded(4)))
    assert nc.randint(1000, (4,)).tolist() == expected


def test_tensor_dataset_takes_a_batch_at_once():
    class Counting(TensorDataset):
        items = 0

        def __getitem__(self, index):
            self.items += 1
            return super().__getitem__(index)

    x = np.arange(12.0, dtype=np.float32).reshape(6, 2)
    data = Counting(nc.from_numpy(x), nc.arange(6))
    got = list(DataLoader(data, batch_size=4, sampler=[5, 0, 3, 1, 2]))
    assert data.items == 0
    np.testing.assert_array_equal(got[0][0].numpy(), x[[5, 0, 3, 1]])
    assert got[1][1].tolist() == [2]
    slow = list(DataLoader(data, batch_size=4, sampler=[5, 0, 3, 1, 2], collate_fn=lambda s: default_collate(s)))
    assert data.items == 5
    for a, b in zip(got, slow, strict=True):
        assert type(a) is type(b) is list
        for left, right in zip(a, b, strict=True):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left.numpy(), right.numpy())


def test_getitems_gives_the_samples_of_a_batch():
    class Listed(Rows):
        def __getitem__(self, index):
            raise AssertionError("not to be called")

        def __getitems__(self, indices):
            return [(0, index * 10) for index in indices]

    assert numbers(DataLoader(Listed(5), batch_size=3)) == [[0, 10, 20], [30, 40]]
    assert numbers(DataLoader(Subset(Listed(5), [4, 2]), batch_size=3)) == [[40, 20]]


def test_collate_fn():
    assert list(DataLoader(Rows(3), batch_size=2, collate_fn=add_thousand)) == [[1000, 1001], [1002]]


def test_stream():
    assert [b.tolist() for b in DataLoader(Stream(5), batch_size=2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in DataLoader(Stream(5), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    assert len(DataLoader(Stream(5), batch_size=2)) == 3
    assert len(DataLoader(Stream(5), batch_size=2, drop_last=True)) == 2
    assert list(ChainDataset([Stream(2), Stream(3)])) == [0, 1, 0, 1, 2]
    assert list(Stream(2) + Stream(1)) == [0, 1, 0]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"num_workers": -1}, "num_workers should be at least 0, got -1"),
        ({"timeout": -1}, "timeout should be at least 0"),
        ({"prefetch_factor": 2}, "prefetch_factor needs num_workers > 0"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor should be at least 1"),
        ({"persistent_workers": True}, "persistent_workers needs num_workers > 0"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context needs num_workers > 0"),
        ({"multiprocessing_context": "thread", "num_workers": 1}, "should be one of .*fork.*, got 'thread'"),
        ({"sampler": [0], "shuffle": True}, "sampler and shuffle exclude each other"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler excludes"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler excludes"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None makes no batches"),
        ({"batch_size": 0}, "batch_size should be a positive integer, got 0"),
        ({"batch_size": 1.5}, "batch_size should be a positive integer, got 1.5"),
        ({"drop_last": 1}, "drop_last should be a bool"),
    ],
)
def test_errors(options, match):
    with pytest.raises(ValueError, match=match):
        DataLoader(Rows(), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_stream_errors(options):
    with pytest.raises(ValueError, match="IterableDataset sets its own order"):
        DataLoader(Stream(), **options)


def test_no_worker_here():
    assert get_worker_info() is None


def test_image_dataset_batch_is_its_samples():
    data = datasets.digits(train=False)
    x, y = next(iter(DataLoader(data, batch_size=5)))
    assert x.dtype == nc.float32
    assert y.dtype == nc.int64
    np.testing.assert_array_equal(x.numpy(), np.stack([data[i][0].numpy() for i in range(5)]))
    assert y.tolist() == [data[i][1] for i in range(5)]


# ---- collating ----


@pytest.mark.parametrize(
    ("samples", "dtype", "values"),
    [
        ([1, 2], nc.int64, [1, 2]),
        ([1.5, 2.0], nc.float64, [1.5, 2.0]),
        ([True, False], nc.bool, [True, False]),
        ([np.float32(1), np.float32(2)], nc.float32, [1, 2]),
        ([np.array([1, 2], np.uint8), np.array([3, 4], np.uint8)], nc.uint8, [[1, 2], [3, 4]]),
        ([np.array(5, np.int32), np.array(6, np.int32)], nc.int32, [5, 6]),
    ],
)
def test_collate_values(samples, dtype, values):
    batch = default_collate(samples)
    assert batch.dtype == dtype
    assert batch.tolist() == values


def test_collate_tensors():
    batch = default_collate([nc.tensor([1.0, 2.0]), nc.tensor([3.0, 4.0])])
    assert batch.tolist() == [[1, 2], [3, 4]]
    assert default_collate([nc.tensor(1), nc.tensor(2)]).shape == (2,)


def test_collate_containers():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]
    batch = default_collate([{"x": 1, "n": {"s": "a"}}, {"x": 2, "n": {"s": "b"}}])
    assert batch["x"].tolist() == [1, 2]
    assert batch["n"] == {"s": ["a", "b"]}
    assert type(default_collate([OrderedDict(a=1)])) is OrderedDict
    pair = default_collate([Pair(1, "a"), Pair(2, "b")])
    assert type(pair) is Pair
    assert pair.x.tolist() == [1, 2]
    assert pair.y == ("a", "b")
    first, second = default_collate([(1, [2.0, 3]), (4, [5.0, 6])])
    assert first.tolist() == [1, 4]
    assert [part.tolist() for part in second] == [[2, 5], [3, 6]]
    assert type(default_collate([(1, 2)])) is list


def test_collate_errors():
    with pytest.raises(RuntimeError, match="samples of equal length"):
        default_collate([[1], [1, 2]])
    with pytest.raises(RuntimeError, match=r"arrays of equal shape, got \[2\], \[3\]"):
        default_collate([np.zeros(2), np.zeros(3)])
    with pytest.raises(TypeError, match="got object"):
        default_collate([object()])
    with pytest.raises(TypeError, match="numeric arrays"):
        default_collate([np.array(["a"])])


def test_convert_leaves_what_is_no_array():
    converted = default_convert({"a": np.zeros(2), "b": ["x", 1], "c": Pair(np.float32(2), None)})
    assert isinstance(converted["a"], nc.Tensor)
    assert converted["b"] == ["x", 1]
    assert converted["c"].x.item() == 2
    assert converted["c"].y is None


# ---- data sets ----


def test_tensor_dataset():
    data = TensorDataset(nc.arange(6).reshape(3, 2), nc.tensor([7, 8, 9]))
    assert len(data) == 3
    assert [part.tolist() for part in data[1]] == [[2, 3], 8]
    with pytest.raises(AssertionError, match=r"equally many rows, got \[3, 2\]"):
        TensorDataset(nc.zeros(3), nc.zeros(2))


def test_concat():
    data = Rows(2) + Rows(3)
    assert len(data) == 5
    assert [data[i][1] for i in range(5)] == [0, 1, 0, 1, 2]
    assert data[-1][1] == 2
    assert data[-5][1] == 0
    with pytest.raises(ValueError, match="out of range"):
        data[-6]
    with pytest.raises(IndexError, match="out of range"):
        data[5]
    with pytest.raises(AssertionError, match="at least one"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="got an IterableDataset"):
        ConcatDataset([Stream()])
    assert [item[1] for item in data] == [0, 1, 0, 1, 2]  # by the old protocol: indices until IndexError


def test_subset():
    subset = Subset(TensorDataset(nc.arange(10)), [9, 3, 5])
    assert [item[0].item() for item in (subset[0], subset[2])] == [9, 5]
    assert [b[0].tolist() for b in DataLoader(subset, batch_size=2)] == [[9, 3], [5]]
    assert numbers(DataLoader(Subset(Rows(), [8, 1]), batch_size=2)) == [[8, 1]]


@pytest.mark.parametrize(
    ("lengths", "sizes"), [([3, 7], [3, 7]), ([0.5, 0.5], [5, 5]), ([0.31, 0.69], [4, 6]), ([1 / 3] * 3, [4, 3, 3])]
)
def test_random_split(lengths, sizes):
    parts = random_split(range(10), lengths, generator=seeded(0))
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in part) == list(range(10))
    again = random_split(range(10), lengths, generator=seeded(0))
    assert [list(part) for part in parts] == [list(part) for part in again]


def test_random_split_errors():
    with pytest.raises(ValueError, match=r"add up to 9, the data set has 10"):
        random_split(range(10), [4, 5])
    with pytest.raises(ValueError, match="fractions between 0 and 1"):
        random_split(range(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="a part is empty"):
        random_split(range(2), [0.5, 0.3, 0.2])


def test_abstract_classes():
    with pytest.raises(NotImplementedError, match="needs __getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="needs __iter__"):
        iter(IterableDataset())


# ---- samplers ----


def test_batch_sampler():
    assert list(BatchSampler(SequentialSampler(range(5)), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(SequentialSampler(range(5)), 2, True)) == [[0, 1], [2, 3]]
    assert len(BatchSampler(SequentialSampler(range(5)), 2, False)) == 3
    assert len(BatchSampler(SequentialSampler(range(4)), 2, False)) == 2


def test_random_sampler_counts():
    drawn = list(RandomSampler(range(5), num_samples=12, generator=seeded(1)))
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == list(range(5))
    assert len(set(drawn[10:])) == 2
    drawn = list(RandomSampler(range(5), replacement=True, num_samples=500, generator=seeded(1)))
    assert len(drawn) == 500
    assert min(np.bincount(drawn, minlength=5)) > 50
    assert len(RandomSampler(range(5))) == 5


def test_random_sampler_errors():
    with pytest.raises(TypeError, match="replacement should be a bool"):
        RandomSampler(range(5), replacement=1)
    with pytest.raises(ValueError, match="num_samples should be a positive integer, got 0"):
        RandomSampler(range(5), num_samples=0)


def test_subset_random_sampler():
    assert sorted(SubsetRandomSampler([8, 1, 4], generator=seeded(0))) == [1, 4, 8]


def test_weighted_sampler_follows_the_weights():
    drawn = np.bincount(list(WeightedRandomSampler([1, 0, 3], 4000, generator=seeded(0))), minlength=3)
    assert drawn[1] == 0
    assert abs(drawn[2] / 4000 - 0.75) < 0.03  # four standard deviations
    firsts = [
        next(iter(WeightedRandomSampler([1, 0, 3], 2, replacement=False, generator=seeded(i)))) for i in range(800)
    ]
    assert abs(np.mean(np.array(firsts) == 2) - 0.75) < 0.06
    assert sorted(WeightedRandomSampler([1, 0, 3], 2, replacement=False)) == [0, 2]


def test_weighted_sampler_errors():
    with pytest.raises(RuntimeError, match="cannot draw 3 items without replacement from 2"):
        WeightedRandomSampler([1, 0, 3], 3, replacement=False)
    with pytest.raises(ValueError, match="at least 0, not all of them 0"):
        WeightedRandomSampler([1, -1], 1)
    with pytest.raises(ValueError, match="of one dimension"):
        WeightedRandomSampler([[1.0]], 1)
