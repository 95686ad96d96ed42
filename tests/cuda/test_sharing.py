"""Memory of a GPU handed to other libraries and taken from them: what is shared, and which stream waits for which."""

import numpy as np
import pytest

import nncore as nc

on_gpu = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")


class Producer:
    """A library's tensor over a tensor of ours, that notes how it was asked."""

    def __init__(self, tensor, device):
        self.tensor, self.device, self.asked = tensor, device, {}

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **asked):
        self.asked = asked
        return self.tensor.__dlpack__(**asked)


def test_a_tensor_of_the_cpu_has_no_array_interface_of_cuda():
    assert not hasattr(nc.zeros(2), "__cuda_array_interface__")
    with pytest.raises(AttributeError, match=r"on a tensor of device cpu"):
        _ = nc.zeros(2).__cuda_array_interface__


def test_producers_on_the_cpu_are_asked_for_no_stream():
    producer = Producer(nc.arange(3), (1, 0))
    assert nc.from_dlpack(producer).tolist() == [0, 1, 2]
    assert producer.asked == {"max_version": (1, 0)}


def test_producers_that_name_no_device_are_on_the_cpu():
    class Old:
        def __dlpack__(self, stream=None):
            return nc.arange(3).__dlpack__()

    assert nc.from_dlpack(Old()).tolist() == [0, 1, 2]


@pytest.mark.skipif(nc.cuda.is_available(), reason="there is a GPU")
def test_memory_of_a_gpu_that_cannot_be_used_is_refused():
    producer = Producer(nc.arange(3), (2, 0))
    with pytest.raises(RuntimeError, match="device cuda:0 is not available: "):
        nc.from_dlpack(producer)
    assert producer.asked == {}


@on_gpu
@pytest.mark.parametrize("dtype", [nc.float32, nc.float64, nc.int32, nc.int64, nc.uint8, nc.bool])
def test_the_array_interface_says_where_the_elements_are(dtype):
    x = nc.tensor(np.arange(12).reshape(3, 4) % 2, dtype=dtype).to("cuda")
    told = x.__cuda_array_interface__
    expected = np.zeros((3, 4), x.cpu().numpy().dtype)
    assert told == {
        "shape": (3, 4),
        "typestr": expected.__array_interface__["typestr"],
        "data": (x.data_ptr(), False),
        "version": 3,
        "strides": None,
        "stream": 1,
    }
    part = x[1:, ::2]
    assert part.__cuda_array_interface__["strides"] == expected[1:, ::2].strides
    assert part.__cuda_array_interface__["data"] == (x.data_ptr() + expected.strides[0], False)
    assert x[:0].__cuda_array_interface__["data"] == (0, False)


@on_gpu
def test_the_array_interface_names_the_current_stream_and_refuses_gradients():
    x = nc.tensor([1.0, 2.0]).to("cuda")
    stream = nc.cuda.Stream()
    with nc.cuda.stream(stream):
        assert x.__cuda_array_interface__["stream"] == stream.cuda_stream
    with pytest.raises(RuntimeError, match="requires grad"):
        _ = x.requires_grad_().__cuda_array_interface__


@on_gpu
@pytest.mark.parametrize("version", [None, (1, 0)])
def test_dlpack_shares_the_memory_of_a_gpu(version):
    x = nc.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).to("cuda")
    assert x.__dlpack_device__() == (2, 0)
    before = nc.cuda.memory_allocated()
    shared = nc.from_dlpack(x[:, 1:].__dlpack__(max_version=version))
    assert shared.device == x.device
    assert shared.data_ptr() == x.data_ptr() + 4
    assert nc.cuda.memory_allocated() == before
    del x
    assert nc.cuda.memory_allocated() == before  # kept alive by who took it
    assert shared.cpu().tolist() == [[2, 3], [5, 6]]
    del shared
    assert nc.cuda.memory_allocated() < before


@on_gpu
def test_producers_on_a_gpu_are_told_the_current_stream():
    producer = Producer(nc.tensor([1.0]).to("cuda"), (2, 0))
    nc.from_dlpack(producer)
    assert producer.asked["stream"] == 1
    stream = nc.cuda.Stream()
    with nc.cuda.stream(stream):
        nc.from_dlpack(producer)
    assert producer.asked["stream"] == stream.cuda_stream


@on_gpu
def test_the_consumers_stream_waits_for_ours(monkeypatch):
    x = nc.tensor([1.0]).to("cuda")
    waits = []
    wait = nc._core.stream_wait
    monkeypatch.setattr(nc._core, "stream_wait", lambda i, s, e: (waits.append((i, s)), wait(i, s, e)))
    consumer, ours = nc.cuda.Stream(), nc.cuda.Stream()
    for stream in (None, 1, -1):  # the current one is the default one, and -1 waits for none
        x.__dlpack__(stream=stream)
    assert waits == []
    x.__dlpack__(stream=consumer.cuda_stream)
    with nc.cuda.stream(ours):
        for stream in (None, 1, ours.cuda_stream, -1):
            x.__dlpack__(stream=stream)
    assert waits == [(0, consumer.cuda_stream), (0, 0), (0, 0)]


@on_gpu
def test_streams_that_are_none_are_refused():
    x = nc.tensor([1.0]).to("cuda")
    with pytest.raises(BufferError, match="__dlpack__: stream 0 is ambiguous"):
        x.__dlpack__(stream=0)
    with pytest.raises(BufferError, match=r"__dlpack__: expected stream -1, 1, 2 or .* got -2"):
        x.__dlpack__(stream=-2)
    with pytest.raises(TypeError, match="__dlpack__: expected stream to be an int or None, got 'fast'"):
        x.__dlpack__(stream="fast")
