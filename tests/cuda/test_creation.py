"""Tensors that Python's numbers describe, on CUDA: counting, triangles, tables of interpolation; also in captures."""

import pytest

import nncore as nc
import nncore.nn.functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")


DTYPES = [None, nc.float32, nc.float64, nc.float16, nc.bfloat16, nc.int32, nc.int64, nc.uint8]
COUNTED = [(0,), (5,), (2, 9), (9, 2, -3), (0.5, 3.5, 0.25), (0.1, 7, 0.013), (70_000,)]
SPACED = [(0, 1, 0), (1, 2, 1), (0, 1, 2), (5, -0.7, 6), (-10, 10, 997), (0.1, 0.9, 70_001)]
DIAGONALS = [(3,), (3, 5), (5, 3), (0,), (0, 3), (1, 1), (70, 40)]


def made(function, arguments, dtype):
    """What the function makes on both devices, or what both refuse."""
    if dtype is not None and not dtype.is_floating_point and function is not nc.eye:
        if function is nc.linspace:
            arguments = tuple(abs(a) for a in arguments)  # of uint8
        elif any(isinstance(a, float) or a < 0 for a in arguments):
            arguments = (1, 200, 3)
    there, here = function(*arguments, dtype=dtype, device="cuda"), function(*arguments, dtype=dtype)
    assert there.device.type == "cuda"
    assert there.dtype is here.dtype
    return there, here


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(f, a) for f, all_of in ((nc.arange, COUNTED), (nc.linspace, SPACED), (nc.eye, DIAGONALS)) for a in all_of],
)
def test_made_there(function, arguments, dtype):
    there, here = made(function, arguments, dtype)
    assert nc.equal(there.cpu(), here)
    there.fill_(1)
    assert nc.equal(made(function, arguments, dtype)[0].cpu(), here)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (2, 3, 3), (0, 3), (1, 1), (200, 150)])
@pytest.mark.parametrize("diagonal", [-5, -1, 0, 1, 7])
def test_triangles(shape, diagonal):
    x = nc.ones(*shape)
    for function in (nc.tril, nc.triu):
        assert nc.equal(function(x.cuda(), diagonal).cpu(), function(x, diagonal))


def gradient_of_embedding(index, weight):
    weight = weight.detach().requires_grad_()
    F.embedding(index, weight, padding_idx=1).square().sum().backward()
    return weight.grad


@pytest.mark.parametrize(
    "function",
    [
        nc.tril,
        lambda x: x + nc.arange(4, device=x.device),
        lambda x: x.sum() * nc.arange(70_000, dtype=nc.float32, device=x.device),
        lambda x: x + nc.linspace(x.shape[0], -0.7, 4, device=x.device),
        lambda x: x @ nc.eye(4, 5, device=x.device),
        lambda x: gradient_of_embedding(x.to(nc.int64) % 3, x),
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
