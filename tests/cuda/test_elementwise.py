"""Elementwise operations on CUDA beside the same on the CPU: every case of their table, every dtype, long rows."""

import zlib

import numpy as np
import pytest

import nncore as nc
from op_cases import Draw, elementwise

pytestmark = [
    pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("ignore:from_numpy. the array is not writable"),
]


def moved(value):
    """Arrays as tensors on the device, with the same strides."""
    return nc.from_numpy(value).cuda() if isinstance(value, np.ndarray) else value


def on_cpu(value):
    return nc.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("case", elementwise.CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_on_the_cpu(case, dtype):
    if dtype not in case.dtypes:
        pytest.skip("not defined for this dtype")
    rtol, atol = case.tolerance[dtype]
    for sample in case.samples(Draw(dtype, seed=zlib.crc32(case.name.encode()))):
        got = case.function(*map(moved, sample.args), **sample.kwargs)
        expected = case.function(*map(on_cpu, sample.args), **sample.kwargs)
        if isinstance(got, bool):
            assert got == expected
            continue
        assert got.device.type == "cuda" or not any(isinstance(a, np.ndarray) for a in sample.args)
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(
            got.cpu().numpy(), expected.numpy(), rtol=2 * rtol, atol=atol, err_msg=f"{case.name} {sample.label}"
        )


@pytest.mark.parametrize("dtype", [nc.int32, nc.int64, nc.uint8, nc.bool])
@pytest.mark.parametrize("name", ["add", "mul", "maximum", "eq", "lt", "logical_xor", "bitwise_and", "pow"])
def test_integers(name, dtype):
    random = np.random.default_rng(0)
    x, y = (nc.tensor(random.integers(0, 7, (3, 1001))).to(dtype) for _ in range(2))
    function = getattr(nc, name)
    for a, b in [(x, y), (x, y[:1]), (x[:, ::2], y[:, ::2]), (x[:, 1:], y[:, 1:])]:
        np.testing.assert_array_equal(function(a.cuda(), b.cuda()).cpu().numpy(), function(a, b).numpy())


def test_long_angles():
    x = np.array([8001.0, -1e5, 1e6 + 0.5, -1e22, 3e38, 5e307, 2.0**1023], np.float64)
    for values in (x, x[:5].astype(np.float32)):
        for name in ("sin", "cos", "tan"):
            expected = getattr(np, name)(values.astype(np.float64)).astype(values.dtype)
            got = getattr(nc, name)(nc.tensor(values).cuda()).cpu().numpy()
            np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(values.dtype).eps)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 1023, 1024 * 5 + 3])
def test_tails_and_unaligned_starts(count):
    x = nc.tensor(np.random.default_rng(count).standard_normal(count + 1).astype(np.float32))
    for part in (x[1:], x[:count]):
        np.testing.assert_array_equal(nc.relu(part.cuda()).cpu().numpy(), nc.relu(part).numpy())
        on_device = x.cuda()[1:] if part.storage_offset() else x.cuda()[:count]
        np.testing.assert_array_equal(nc.relu(on_device).cpu().numpy(), nc.relu(part).numpy())


def test_gradients_stay_on_the_device():
    x = nc.tensor(np.linspace(-3, 3, 37, dtype=np.float32))
    for function in (nc.relu, nc.sigmoid, nc.tanh, nc.nn.functional.gelu):
        results = []
        for place in ("cpu", "cuda"):
            leaf = x.detach().to(place).requires_grad_()
            y = function(leaf)
            y.backward(nc.full((37,), 2.0, device=place))
            results.append(leaf.grad.cpu().numpy())
        np.testing.assert_allclose(*results, rtol=2e-6, atol=1e-6)
