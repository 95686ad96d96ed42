"""Indexing and sorting on CUDA beside the same on the CPU: every dtype and layout, long lines, places named often."""

from functools import partial

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool"]


def drawn(rng, shape, dtype: str) -> nc.Tensor:
    """Few different values, so that they meet; whole numbers, so that sums are exact in any order."""
    values = nc.from_numpy(rng.integers(0, 40, shape))
    return (values % 2 == 0) if dtype == "bool" else (values - (0 if dtype == "uint8" else 20)).to(getattr(nc, dtype))


def both(function, *args):
    """function(args) on the device and on the CPU must agree."""
    expected = function(*args)
    got = function(*[a.cuda() if isinstance(a, nc.Tensor) else a for a in args])
    pairs = [(got, expected)] if isinstance(got, nc.Tensor) else zip(got, expected, strict=True)
    for a, b in pairs:
        assert (a.device.type, a.dtype, a.shape) == ("cuda", b.dtype, b.shape)
        np.testing.assert_array_equal(a.cpu().numpy(), b.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_slices(dtype, dim):
    rng = np.random.default_rng(dim)
    for shape, count in [((5, 3, 8), 7), ((4, 6, 5), 200), ((3, 2, 16), 1), ((2, 90, 4), 130), ((70, 2, 3), 0)]:
        x = drawn(rng, shape, dtype)
        for turned in (x, x.permute(2, 1, 0).contiguous().permute(2, 1, 0)):
            index = nc.from_numpy(rng.integers(0, shape[dim], count))
            both(lambda x, i: x.index_select(dim, i), turned, index)
            source = drawn(rng, (*shape[:dim], count, *shape[dim + 1 :]), dtype)
            both(lambda x, i, s: x.clone().index_copy_(dim, i, s), turned, index, source)
            both(lambda x, i, s: x.clone().index_add_(dim, i, s), turned, index, source)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [0, 1])
def test_elements(dtype, dim):
    rng = np.random.default_rng(dim)
    for shape, at in [((5, 7), (5, 7)), ((3, 90), (2, 90)), ((4, 6), (3, 6)), ((4, 5), (1, 1)), ((90, 70), (80, 60))]:
        x, source = drawn(rng, shape, dtype), drawn(rng, at, dtype)
        index = nc.from_numpy(rng.integers(0, shape[dim], at))
        for turned in (x, x.t().contiguous().t()):
            both(lambda x, i: x.gather(dim, i), turned, index)
            both(lambda x, i, s: x.clone().scatter_(dim, i, s), turned, index, source)
            both(lambda x, i, s: x.clone().scatter_add_(dim, i, s), turned, index, source)
            both(lambda x, i, s: x.t().clone().t().scatter_add_(dim, i, s), turned, index.t().clone().t(), source)


@pytest.mark.parametrize("bins", [1, 3, 500])
def test_places_named_often(bins):
    rng = np.random.default_rng(bins)
    index = nc.from_numpy(np.minimum(rng.integers(0, bins, 5000), rng.integers(0, bins, 5000)))
    for width in (1, 3, 8):
        both(lambda x, i, s: x.index_add(0, i, s), nc.zeros(bins, width), index, drawn(rng, (5000, width), "float32"))
    both(lambda x, i, s: x.scatter_add(0, i, s), nc.zeros(bins), index, drawn(rng, 5000, "float32"))


def test_the_order_of_sums_is_that_of_the_index():
    """Rounding tells: the same bits every time, and those of the CPU where a place has few sources."""
    rng = np.random.default_rng(0)
    index = nc.from_numpy(rng.integers(0, 9, 60))
    source = nc.from_numpy(rng.standard_normal((60, 7)).astype(np.float32))
    both(lambda x, i, s: x.index_add(0, i, s), nc.zeros(9, 7), index, source)
    index, source = index.cuda().repeat(9), source.cuda().repeat(9, 1)
    once, again = (nc.zeros(9, 7, device="cuda").index_add(0, index, source) for _ in range(2))
    assert nc.equal(once, again)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("descending", [False, True])
def test_sorting(dtype, descending):
    rng = np.random.default_rng(3)
    for shape in [(1,), (2, 3, 5), (40, 33), (2049,), (3, 5000), (2, 9000)]:
        x = drawn(rng, shape, dtype)
        if dtype.startswith("float"):
            x = nc.where(x == 3, float("nan"), nc.where(x == 4, -0.0, x))
        for dim in range(len(shape)):
            both(partial(nc.sort, dim=dim, descending=descending), x)
            for keep in (1, 3, 1500):
                if keep <= shape[dim]:
                    both(partial(nc.topk, k=keep, dim=dim, largest=descending), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nonzero(dtype):
    rng = np.random.default_rng(4)
    for shape in [(), (1,), (300,), (5, 0), (2049, 2), (3, 70, 30), (10, 3, 5, 33)]:
        x = drawn(rng, shape, dtype)
        both(lambda x: x.nonzero(), x)
        both(lambda x: x[x != 0], x)
        both(lambda x: (x != x).nonzero(), x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, i: x.index_select(0, i), IndexError, "index_select: index 9 is out of bounds for dimension 0"),
        (lambda x, i: x.index_add_(0, i, x[:2]), IndexError, "index 9 is out of bounds"),
        (lambda x, i: x.index_copy_(0, i, x[:2]), IndexError, "index 9 is out of bounds"),
        (lambda x, i: x.gather(0, i.view(2, 1)), RuntimeError, "gather: index 9 is out of bounds"),
        (lambda x, i: x.scatter_(0, i.view(2, 1), x), RuntimeError, "index 9 is out of bounds"),
        (lambda x, i: x.scatter_add_(0, i.view(2, 1), x), RuntimeError, "index 9 is out of bounds"),
        (lambda x, i: x[i], IndexError, "index 9 is out of bounds"),
    ],
)
def test_wrong_places(call, error, message):
    x = nc.ones(3, 4, device="cuda")
    with pytest.raises(error, match=message):
        call(x, nc.tensor([1, 9], device="cuda")).cpu()
    both(lambda x: x.index_select(0, nc.tensor([2], device=x.device)), nc.ones(3, 4))  # all is well afterwards


def bag_of(mode, **options):
    return lambda table, index, offsets: F.embedding_bag(index, table, offsets, mode=mode, **options)


UNWATCHED = {
    "sum": bag_of("sum"),
    "mean": bag_of("mean", padding_idx=2),
    "max": bag_of("max", padding_idx=2),
    "last": bag_of("max", include_last_offset=True),
    "rows": lambda table, index, offsets: F.embedding_bag(index.view(2, -1), table, mode="max"),
    "one_hot": lambda table, index, offsets: F.one_hot(index, 9) @ offsets.new_ones(9),
    "replacement": lambda table, index, offsets: nc.multinomial(table.abs() + 0.1, 70, True),
    "multinomial": lambda table, index, offsets: nc.multinomial(table.abs() + 0.1, 2),
    "bernoulli": lambda table, index, offsets: nc.bernoulli(table.sigmoid()),
    "normal": lambda table, index, offsets: nc.normal(table, table.abs()),
}


@pytest.mark.parametrize("name", UNWATCHED)
def test_nobody_waits_for_values(name):
    """With the CPU's results, and in captures, which refuse what waits; offsets and indices may change."""
    rng = np.random.default_rng(0)
    table = nc.tensor(rng.integers(-9, 9, (7, 5)).astype(np.float32))
    calls = [(table, nc.tensor(rng.integers(0, 7, 30)), nc.tensor(bounds)) for bounds in ([0, 4, 4, 29], [0, 1, 2, 30])]
    captured = nc.capture(UNWATCHED[name])
    for call in calls * 3:
        nc.manual_seed(3)
        expected = UNWATCHED[name](*call)
        nc.manual_seed(3)
        got = captured(*(t.cuda() for t in call))
        np.testing.assert_array_equal(got.cpu().numpy(), expected.numpy())
    assert len(captured.plans) == 1


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize(
    ("call", "right", "wrong", "message"),
    [
        (nc.multinomial, [1.0, 2.0], [1.0, -2.0], "`inf`, `nan` or element < 0"),
        (nc.multinomial, [1.0, 2.0], [1.0, float("nan")], "`inf`, `nan` or element < 0"),
        (nc.multinomial, [1.0, 2.0], [0.0, 0.0], "sum of probabilities <= 0"),
        (lambda p, n: nc.multinomial(p, 2), [1.0, 2.0], [0.0, 3.0], "not enough non-zero weights"),
        (lambda p, n: nc.multinomial(p, 9, True), [1.0, 2.0], [0.0, float("inf")], "`inf`, `nan` or element < 0"),
        (lambda p, n: nc.bernoulli(p), [0.5, 1.0], [0.5, 1.5], "Expected p_in >= 0 && p_in <= 1"),
        (lambda s, n: nc.normal(0.0, s), [0.5, 1.0], [0.5, -1.0], "normal expects all elements of std >= 0.0"),
        (lambda i, n: F.one_hot(i, 3), [0, 2], [0, 3], r"smaller than num_classes \(3\), got 3"),
        (lambda i, n: F.one_hot(i, 3), [0, 2], [-1, 2], "must be non-negative, got -1"),
        (lambda o, n: bag(n, o), [0, 2], [1, 2], r"offsets\[0\] has to be 0.* However, got 1"),
        (lambda o, n: bag(n, o), [0, 4], [0, 5], r"input's length 4 but got offsets\[-1\] of 5"),
        (lambda o, n: bag(n, o, "max"), [0, 1, 2], [0, 2, 1], "offsets have to increase, got a bag of length -1"),
        (lambda o, n: bag(n, o, "max"), [0, 1, 2], [-(2**40), 2**40, 2**41], r"offsets\[0\] has to be 0"),
    ],
)
def test_values_that_are_wrong_show_at_the_next_synchronisation(call, right, wrong, message, captured):
    run = nc.capture(call) if captured else call
    right, wrong = nc.tensor(right, device="cuda"), nc.tensor(wrong, device="cuda")
    for _ in range(3):
        run(right, 1)
    nc.cuda.synchronize()
    y = run(wrong, 1)
    with pytest.raises(RuntimeError, match=message):
        y.cpu()
    run(right, 1).cpu()


def bag(size, offsets, mode="sum"):
    table = nc.ones(3, 5, device="cuda")
    return F.embedding_bag(nc.arange(4, device="cuda") // 2, table, offsets, mode=mode)
