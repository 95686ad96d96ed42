"""The allocator: what is live, what is cached, and that a steady loop asks the system for nothing."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import nncore as nc


@pytest.fixture(autouse=True)
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def stats(name: str) -> int:
    return nc.memory_stats()[name]


def test_live_bytes_follow_the_arrays():
    base = stats("live_bytes")
    x = nc.zeros(1000)
    assert 4000 <= stats("live_bytes") - base <= 5120  # rounded up by at most a quarter
    y = x.reshape(10, 100)  # a view holds its memory
    del x
    assert stats("live_bytes") > base
    del y
    assert stats("live_bytes") == base


def test_a_freed_block_is_used_again():
    nc.empty_cache()
    x = nc.empty(100_000)
    where = x.data_ptr()
    del x
    assert stats("cached_bytes") >= 400_000
    before = stats("system_allocations")
    assert nc.empty(99_000).data_ptr() == where
    assert stats("system_allocations") == before
    nc.empty_cache()
    assert stats("cached_bytes") == 0


def test_peak():
    nc.reset_peak_memory_stats()
    base = stats("live_bytes")
    assert stats("peak_bytes") == base
    x = nc.zeros(1 << 20)
    del x
    assert stats("peak_bytes") >= base + (4 << 20)
    assert stats("live_bytes") == base


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000, 1 << 20])
def test_alignment(count):
    arrays = [nc.empty(count, dtype=dtype) for dtype in (nc.uint8, nc.float32, nc.float64)]
    assert all(x.data_ptr() % 64 == 0 for x in arrays)


def test_too_much_memory_is_an_error_that_says_so():
    with pytest.raises(RuntimeError, match="out of memory: 1152921504606846976 bytes"):
        nc.empty(1 << 58)
    with pytest.raises(RuntimeError, match="too large"):
        nc.empty(1 << 62, 1 << 62)


def training_step(weights: list[nc.Tensor], x: nc.Tensor) -> None:
    h = x
    for w in weights:
        h = nc.relu(nc.mm(h, w))
    loss = (h * h).sum()
    loss.backward()
    with nc.no_grad():
        for w in weights:
            w.sub_(w.grad * 1e-4)
            w.grad = None


def test_a_steady_loop_asks_the_system_for_nothing():
    random = np.random.default_rng(0)
    weights = [
        nc.tensor(0.1 * random.standard_normal((64, 64)), dtype=nc.float32, requires_grad=True) for _ in range(4)
    ]
    x = nc.tensor(random.standard_normal((32, 64)), dtype=nc.float32)
    before = nc.get_num_threads()
    nc.set_num_threads(1)  # how many threads hold working memory at once is chance otherwise
    for _ in range(3):
        training_step(weights, x)
    system, live = stats("system_allocations"), stats("live_bytes")
    for _ in range(20):
        training_step(weights, x)
    nc.set_num_threads(before)
    assert stats("system_allocations") == system
    assert stats("live_bytes") == live
