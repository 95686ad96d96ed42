"""The runtime of the CUDA backend: tensors on the device, streams, events, memory. On a GPU, or on the emulation with
NNCORE_CUDA_EMULATION=1."""

import pickle

import numpy as np
import pytest

import nncore as nc

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")


@pytest.fixture
def x():
    return nc.tensor(np.arange(12, dtype=np.float32).reshape(3, 4) - 5)


@pytest.mark.parametrize("dtype", [nc.float32, nc.float64, nc.int32, nc.int64, nc.uint8, nc.bool])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 4), (3, 1001, 517)])
def test_there_and_back(dtype, shape):
    x = nc.tensor(np.random.default_rng(0).integers(0, 2, shape)).to(dtype)
    y = x.to("cuda")
    assert (y.device, y.dtype, y.shape, y.is_cuda) == (nc.device("cuda:0"), dtype, x.shape, True)
    assert y.to("cuda") is y
    np.testing.assert_array_equal(y.cpu().numpy(), x.numpy())


def test_views_travel(x):
    for view in (lambda t: t[1:, ::2], lambda t: t.t(), lambda t: t[0].expand(3, 4)):
        np.testing.assert_array_equal(view(x).cuda().cpu().numpy(), view(x).numpy())
        np.testing.assert_array_equal(view(x.cuda()).cpu().numpy(), view(x).numpy())


@pytest.mark.parametrize("to", [nc.float32, nc.float64, nc.int32, nc.int64, nc.uint8, nc.bool])
def test_conversions_agree_with_the_cpu(to):
    x = nc.tensor([0.0, 0.5, -1.7, 3e9, -3e9, 1e30, float("nan"), float("inf"), 255.9, 300.0])
    for source in (x, x.double(), x.to(nc.int32), x.to(nc.int64), x.to(nc.uint8), x != 0):
        np.testing.assert_array_equal(source.cuda().to(to).cpu().numpy(), source.to(to).numpy())


def test_filled_chosen_and_copied(x):
    assert nc.full((2, 3), 7, device="cuda").tolist() == [[7] * 3] * 2
    assert nc.zeros(3, device="cuda", dtype=nc.int64).tolist() == [0, 0, 0]
    mask = nc.tensor([True, False, True, False])
    np.testing.assert_array_equal(nc.where(mask.cuda(), x.cuda(), 0.0).cpu().numpy(), nc.where(mask, x, 0.0).numpy())
    y = nc.zeros(3, 4, device="cuda")
    y.copy_(x)
    y[:, 1].copy_(nc.tensor([7, 8, 9]))
    back = nc.zeros(4, 3)
    back.t().copy_(y)
    expected = x.numpy().copy()
    expected[:, 1] = [7, 8, 9]
    np.testing.assert_array_equal(back.numpy().T, expected)


def test_gradients_cross_over(x):
    x.requires_grad_()
    y = x.cuda()
    y.backward(y.detach())
    assert x.grad.device == nc.device("cpu")
    np.testing.assert_array_equal(x.grad.numpy(), x.detach().numpy())


def test_products_agree_with_the_cpu(x):
    np.testing.assert_allclose((x.cuda() @ x.cuda().t()).cpu().numpy(), (x @ x.t()).numpy(), rtol=1e-6)


def test_errors(x):
    y = x.cuda()
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        y.numpy()
    with pytest.raises(RuntimeError, match=r"Expected all tensors to be on the same device, .* cuda:0 and cpu"):
        y + x
    with pytest.raises(RuntimeError, match="this machine has 1 GPU"):
        nc.zeros(1, device=f"cuda:{nc.cuda.device_count()}")
    assert y.numpy(force=True).shape == (3, 4)
    assert "device='cuda:0'" in repr(y)


def test_pickled_and_saved_tensors_come_back_to_their_device(x, tmp_path):
    y = pickle.loads(pickle.dumps(x.cuda()))
    assert y.is_cuda
    np.testing.assert_array_equal(y.cpu().numpy(), x.numpy())
    pytest.importorskip("safetensors")
    nc.save({"y": y}, tmp_path / "y.safetensors")
    assert not nc.load(tmp_path / "y.safetensors")["y"].is_cuda
    assert nc.load(tmp_path / "y.safetensors", map_location="cuda")["y"].is_cuda


def test_modules_move(x):
    layer = nc.nn.Linear(4, 2)
    expected = layer(x).detach().numpy()
    assert all(p.is_cuda for p in layer.cuda().parameters())
    np.testing.assert_allclose(layer(x.cuda()).detach().cpu().numpy(), expected, rtol=1e-5, atol=1e-6)
    other = nc.nn.Linear(4, 2)
    other.load_state_dict(layer.state_dict())
    np.testing.assert_allclose(other(x).detach().numpy(), expected, rtol=1e-6)


def test_streams_and_events(x):
    side, start, end = nc.cuda.Stream(), nc.cuda.Event(enable_timing=True), nc.cuda.Event(enable_timing=True)
    before = nc.cuda.current_stream()
    assert before == nc.cuda.default_stream()
    with nc.cuda.stream(side):
        assert nc.cuda.current_stream() == side
        start.record()
        y = x.cuda() @ x.cuda().t()
        end.record()
    assert nc.cuda.current_stream() == before
    before.wait_stream(side)
    nc.cuda.record_stream(y, before)
    side.synchronize()
    assert side.query()
    assert end.query()
    assert start.elapsed_time(end) >= 0
    np.testing.assert_allclose(y.cpu().numpy(), (x @ x.t()).numpy(), rtol=1e-6)
    with pytest.raises(ValueError, match="enable_timing"):
        start.elapsed_time(nc.cuda.Event())


def test_memory_is_counted_kept_and_given_back():
    nc.cuda.empty_cache()
    before = nc.cuda.memory_allocated()
    x = nc.empty(1000, device="cuda")
    assert nc.cuda.memory_allocated() - before >= 4000
    nc.cuda.reset_peak_memory_stats()
    asked = nc.cuda.memory_stats()["system_allocations"]
    address = x.data_ptr()
    del x
    assert nc.cuda.memory_allocated() == before
    assert nc.cuda.memory_reserved() - before >= 4000
    assert nc.empty(1000, device="cuda").data_ptr() == address
    assert nc.cuda.memory_stats()["system_allocations"] == asked
    nc.cuda.empty_cache()
    assert nc.cuda.memory_reserved() == before


def test_memory_that_runs_out_is_an_error_that_leaves_everything_usable(x):
    total = nc.cuda.get_device_properties().total_memory
    kept = nc.empty(1 << 20, device="cuda")
    del kept  # in the cache: emptied before the second try
    for _ in range(2):
        with pytest.raises(nc.cuda.OutOfMemoryError, match="CUDA out of memory"):
            nc.empty(total, dtype=nc.uint8, device="cuda").fill_(0), nc.empty(total, dtype=nc.uint8, device="cuda")
    assert issubclass(nc.OutOfMemoryError, RuntimeError)
    np.testing.assert_array_equal(x.cuda().cpu().numpy(), x.numpy())


def test_dlpack_shares_memory_and_orders_streams(x):
    y = x.cuda()
    assert y.__dlpack_device__() == (2, 0)
    z = nc.from_dlpack(y)
    assert (z.data_ptr(), z.device) == (y.data_ptr(), y.device)
    side = nc.cuda.Stream()
    with nc.cuda.stream(side):
        w = nc.from_dlpack(y.t())
        assert w.data_ptr() == y.data_ptr()
        np.testing.assert_array_equal(w.cpu().numpy(), x.numpy().T)
    with pytest.raises(BufferError, match="stream 0 is ambiguous"):
        y.__dlpack__(stream=0)
    del y, z, w
    np.testing.assert_array_equal(nc.from_dlpack(x.cuda()).cpu().numpy(), x.numpy())


def test_cuda_array_interface(x):
    y = x.cuda()
    seen = y.t().__cuda_array_interface__
    assert seen == {
        "shape": (4, 3),
        "typestr": "<f4",
        "data": (y.data_ptr(), False),
        "version": 3,
        "strides": (4, 16),
        "stream": 1,
    }
    assert y.__cuda_array_interface__["strides"] is None
    assert not hasattr(x, "__cuda_array_interface__")
    assert nc.ones(1, dtype=nc.uint8).cuda().__cuda_array_interface__["typestr"] == "|u1"
    with pytest.raises(RuntimeError, match="requires grad"):
        y.requires_grad_().__cuda_array_interface__  # noqa: B018
