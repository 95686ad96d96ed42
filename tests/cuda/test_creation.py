"""Tensors that Python's numbers describe, on CUDA: counting, triangles, tables of interpolation; also in captures."""

import pytest

import nncore as nc
import nncore.nn.functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("arguments", [(0,), (5,), (2, 9), (9, 2, -3), (0.5, 3.5, 0.25), (70_000,)])
@pytest.mark.parametrize("dtype", [None, nc.float32, nc.int32])
def test_counting(arguments, dtype):
    there, here = nc.arange(*arguments, dtype=dtype, device="cuda"), nc.arange(*arguments, dtype=dtype)
    assert there.device.type == "cuda"
    assert there.dtype is here.dtype
    assert nc.equal(there.cpu(), here)
    there.fill_(1)  # what is kept stays as it was
    assert nc.equal(nc.arange(*arguments, dtype=dtype, device="cuda").cpu(), here)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (2, 3, 3), (0, 3), (1, 1), (200, 150)])
@pytest.mark.parametrize("diagonal", [-5, -1, 0, 1, 7])
def test_triangles(shape, diagonal):
    x = nc.ones(*shape)
    for function in (nc.tril, nc.triu):
        assert nc.equal(function(x.cuda(), diagonal).cpu(), function(x, diagonal))


@pytest.mark.parametrize(
    "function",
    [
        nc.tril,
        lambda x: x + nc.arange(4, device=x.device),
        lambda x: F.interpolate(x.to(nc.uint8).view(1, 3, 4), 7),
        lambda x: x.sort(1, descending=True).values,
        lambda x: x.index_add(0, nc.arange(3, device=x.device) // 2, x),
        lambda x: x.scatter(1, (x % 4).to(nc.int64), x),
    ],
)
def test_captured(function):
    x = nc.arange(12, dtype=nc.float32, device="cuda").view(3, 4)
    captured, expected = nc.capture(function), function(x)
    assert all(nc.equal(captured(x), expected) for _ in range(4))
    x.mul_(2)
    assert nc.equal(captured(x), function(x))
