"""Memory shared with PyTorch by DLPack, and threads beside PyTorch's."""

from __future__ import annotations

import gc
import multiprocessing
import weakref

import numpy as np
import pytest
import threadpoolctl
import torch

import nncore as nc

DTYPES = [torch.float32, torch.float64, torch.int32, torch.int64, torch.uint8, torch.bool]
LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.transpose(0, 2),
    "every second": lambda x: x[:, ::2],
    "broadcast": lambda x: x[:1].expand(5, 3, 4),
    "empty": lambda x: x[:, :0],
    "0-d": lambda x: x[1, 2, 3],
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("export", [lambda x: x, torch.utils.dlpack.to_dlpack], ids=["object", "capsule"])
def test_both_ways_share_memory(dtype, layout, export):
    source = (torch.arange(24).reshape(2, 3, 4) % 2).to(dtype)
    theirs = layout(source)
    ours = nc.from_dlpack(export(theirs))
    back = torch.from_dlpack(ours)
    assert back.dtype == theirs.dtype
    assert str(ours.dtype).rpartition(".")[2] == str(dtype).rpartition(".")[2]
    source.fill_(1)
    for seen in (ours, back):
        assert tuple(seen.shape) == tuple(theirs.shape)
        assert seen.tolist() == theirs.tolist()
    if theirs.numel():
        assert ours.data_ptr() == back.data_ptr() == theirs.data_ptr()


def test_either_side_may_go_first():
    theirs = torch.arange(1000.0)
    ours = nc.from_dlpack(theirs)
    del theirs
    gc.collect()
    assert ours.sum().item() == 499500

    base = nc.memory_stats()["live_bytes"]
    ours = nc.full((1000,), 3.0)
    theirs = torch.from_dlpack(ours)
    del ours
    gc.collect()
    assert theirs.sum().item() == 3000
    assert nc.memory_stats()["live_bytes"] > base
    del theirs
    assert nc.memory_stats()["live_bytes"] == base


def test_borrowed_memory_is_given_back():
    array = np.arange(10.0)
    alive = weakref.ref(array)
    ours = nc.from_dlpack(torch.from_numpy(array))
    del array
    assert alive() is not None
    view = ours[2:]
    del ours
    assert view.tolist()[0] == 2
    del view
    gc.collect()
    assert alive() is None


def test_a_copy_has_memory_of_its_own():
    theirs = torch.zeros(3)
    copied = nc.from_dlpack(theirs, copy=True)
    theirs.fill_(7)
    assert copied.tolist() == [0, 0, 0]
    assert nc.from_dlpack(theirs, device="cpu", copy=False).data_ptr() == theirs.data_ptr()


def test_what_cannot_be_shared_says_why():
    capsule = torch.utils.dlpack.to_dlpack(torch.zeros(2))
    torch.utils.dlpack.from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="not used yet"):
        nc.from_dlpack(capsule)
    capsule = nc.zeros(2).__dlpack__()
    nc.from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="only once"):
        torch.from_dlpack(capsule)
    with pytest.raises(TypeError, match="from_dlpack: no dtype here"):
        nc.from_dlpack(torch.zeros(2, dtype=torch.complex64))
    with pytest.raises(BufferError, match="require gradient"):
        nc.from_dlpack(torch.zeros(2, requires_grad=True))
    with pytest.raises(BufferError, match="require gradient"):
        torch.from_dlpack(nc.zeros(2, requires_grad=True))


def test_one_limit_for_all_pools():
    before = nc.get_num_threads(), torch.get_num_threads()
    with threadpoolctl.threadpool_limits(1):
        assert nc.get_num_threads() == torch.get_num_threads() == 1
    assert (nc.get_num_threads(), torch.get_num_threads()) == before


class Both(torch.utils.data.Dataset):
    """Items computed by both libraries: what a worker process does."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        x = nc.full((64, 64), float(index))
        return torch.from_dlpack(nc.mm(x, x)) + torch.full((64, 64), 1.0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of fork in a process with threads
def test_in_the_workers_of_its_loader(method):
    nc.mm(nc.ones(256, 256), nc.ones(256, 256))  # the pool has run when the workers start
    context = multiprocessing.get_context(method)
    loader = torch.utils.data.DataLoader(Both(), batch_size=4, num_workers=2, multiprocessing_context=context)
    batches = torch.cat(list(loader))
    expected = 64 * torch.arange(8.0)[:, None, None] ** 2 + 1
    assert torch.equal(batches, expected.expand(8, 64, 64))
