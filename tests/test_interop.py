"""Memory shared with NumPy, by the buffer protocol and by DLPack."""

from __future__ import annotations

import gc
import pickle
import re
import weakref

import numpy as np
import pytest

import nncore as nc

DTYPES = {
    "float32": nc.float32,
    "float64": nc.float64,
    "int32": nc.int32,
    "int64": nc.int64,
    "uint8": nc.uint8,
    "bool": nc.bool,
}
by_dtype = pytest.mark.parametrize(("numpy_name", "dtype"), DTYPES.items(), ids=DTYPES)


def grid(name: str) -> np.ndarray:
    return (
        (np.arange(24).reshape(2, 3, 4) % 2).astype(name)
        if name == "bool"
        else np.arange(24).reshape(2, 3, 4).astype(name)
    )


LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.T,
    "every second": lambda x: x[:, :, ::2],
    "reversed": lambda x: x[::-1, :, ::-1],
    "shifted": lambda x: x[1:, 1:, 1:],
    "one element": lambda x: x[1, 2, 3:],
    "empty": lambda x: x[:, :0],
    "0-d": lambda x: x[0, 0, 0, ...],
    "new axis": lambda x: x[:, None],
}
by_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@by_dtype
@by_layout
def test_from_numpy_and_back_share_memory(numpy_name, dtype, layout):
    source = grid(numpy_name)
    x = layout(source)
    t = nc.from_numpy(x)
    assert t.dtype == dtype
    assert tuple(t.shape) == x.shape
    y = t.numpy()
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x)
    if x.size:
        assert y.__array_interface__["data"][0] == x.__array_interface__["data"][0]
        source[...] = 1
        np.testing.assert_array_equal(y, x)


@by_dtype
@by_layout
def test_dlpack_both_ways(numpy_name, dtype, layout):
    x = layout(grid(numpy_name))
    t = nc.from_dlpack(x)
    assert t.dtype == dtype
    y = np.from_dlpack(t)
    np.testing.assert_array_equal(y, x)
    if x.size:
        assert np.shares_memory(x, y)


def test_numpy_functions_take_tensors():
    t = nc.tensor([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(np.negative(t), [-1, -2, -3])
    assert np.asarray(t).dtype == np.float32
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    copied = np.array(t)
    copied[0] = 9
    assert t.tolist() == [1, 2, 3]
    assert memoryview(t.numpy()).format == "f"


def test_writing_through_numpy_and_back():
    a = np.zeros(4)
    t = nc.from_numpy(a)
    a[1] = 5
    t.numpy()[2] = 7
    assert t.tolist() == [0, 5, 7, 0]


def test_the_array_outlives_its_owner():
    a = np.arange(1000.0)
    t = nc.from_numpy(a)
    alive = weakref.ref(a)
    del a
    gc.collect()
    assert alive() is not None
    assert t.tolist()[-1] == 999
    del t
    assert alive() is None


def test_the_memory_outlives_the_tensor():
    base = nc.memory_stats()["live_bytes"]
    t = nc.full((1000,), 3.0)
    for view in (t.numpy(), np.from_dlpack(t)):
        held = view
    del t, view
    assert held[999] == 3
    assert nc.memory_stats()["live_bytes"] > base
    del held
    assert nc.memory_stats()["live_bytes"] == base


def test_a_capsule_that_nobody_took_frees_its_tensor():
    base = nc.memory_stats()["live_bytes"]
    for version in (None, (1, 0)):
        capsule = nc.zeros(100).__dlpack__(max_version=version)
        assert nc.memory_stats()["live_bytes"] > base
        del capsule
        assert nc.memory_stats()["live_bytes"] == base


def test_a_capsule_is_used_once():
    capsule = nc.zeros(3).__dlpack__()
    nc.from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="not used yet"):
        nc.from_dlpack(capsule)


def test_dlpack_device_and_copy():
    t = nc.zeros(3)
    assert t.__dlpack_device__() == (1, 0)
    copied = nc.from_dlpack(t.__dlpack__(copy=True))
    copied.numpy()[0] = 1
    assert t.tolist() == [0, 0, 0]
    nc.from_dlpack(t, copy=True).numpy()[0] = 1
    assert t.tolist() == [0, 0, 0]
    assert nc.from_dlpack(t, device="cpu", copy=False).data_ptr() == t.data_ptr()
    for asked in ({"stream": 1}, {"dl_device": (2, 0)}):
        with pytest.raises(BufferError, match="__dlpack__: "):
            t.__dlpack__(**asked)


def test_read_only_arrays():
    a = np.arange(3.0)
    a.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        nc.from_numpy(a)
    with pytest.raises(RuntimeError, match="read-only"):
        nc.from_dlpack(a)
    assert nc.tensor(a).tolist() == [0, 1, 2]  # a copy: no warning


def test_what_cannot_be_shared_says_why():
    x = np.arange(4.0)
    with pytest.raises(TypeError, match="native byte order"):
        nc.from_numpy(x.astype(">f8"))
    for other in (np.int16, np.complex64, object, "M8[s]", "U3"):
        with pytest.raises(
            TypeError, match=f"expected dtype float16, float32, float64.* got {re.escape(str(np.dtype(other)))}"
        ):
            nc.from_numpy(np.zeros(2, dtype=other))
    with pytest.raises(
        TypeError, match=r"from_dlpack: expected an object with __dlpack__ or a DLPack capsule, got list"
    ):
        nc.from_dlpack([1.0])
    with pytest.raises(TypeError, match=r"expected a numpy.ndarray, got list"):
        nc.from_numpy([1.0])
    with pytest.raises(ValueError, match="aligned"):
        nc.from_numpy(np.zeros(17, np.uint8)[1:].view(np.float32))
    with pytest.raises(RuntimeError, match="requires grad"):
        nc.zeros(2, requires_grad=True).numpy()
    with pytest.raises(BufferError, match="require gradient"):
        nc.zeros(2, requires_grad=True).__dlpack__()
    with pytest.raises(ValueError, match="multiples of the element size"):
        nc.from_numpy(np.zeros(3, dtype=[("a", "f4"), ("b", "i1")])["a"])


@pytest.mark.parametrize("name", ["f8", "f4", "i8", "i4", "i2"])
def test_foreign_byte_order_is_copied(name):
    source = np.arange(3).astype(f">{name}")
    for copied in (nc.tensor(source), nc.as_tensor(source)):
        assert copied.tolist() == [0, 1, 2]
        assert copied.dtype == nc.tensor(np.arange(3).astype(name)).dtype


def test_pickle():
    for t in (nc.tensor([1.5, 2.5], requires_grad=True), nc.tensor([[1, 2]]), nc.tensor(True)):
        back = pickle.loads(pickle.dumps(t))
        assert back.tolist() == t.tolist()
        assert back.dtype == t.dtype
        assert back.requires_grad == t.requires_grad


def test_python_numbers_keep_their_digits():
    assert nc.tensor(0.3, dtype=nc.float64).item() == 0.3
    assert nc.tensor([16777217.0], dtype=nc.int64).tolist() == [16777217]
    assert nc.tensor(0.3).dtype == nc.float32
