"""Pooling with windows that pave the plane, or nearly, on CUDA beside the same on the CPU, bit for bit."""

from functools import partial

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

SHAPES = [(2, 3, 8, 8), (2, 3, 10, 10), (1, 5, 7, 9), (3, 1, 7, 12), (1, 1, 6, 14), (1, 1, 5, 7), (2, 2, 28, 28)]
WINDOWS = [2, (2, 2), (1, 2), (2, 1), 3, (3, 2), (4, 4), (1, 1), (5, 7)]


def bits(x):
    x = x.cpu().numpy()
    return x.view(np.uint32) if x.dtype == np.float32 else x


def same(there, here):
    assert there.device.type == "cuda"
    np.testing.assert_array_equal(bits(there), bits(here))


def inputs(shape, offset=0):
    """x on both devices, beginning `offset` elements after an aligned address: whole numbers, so that there are ties
    and sums are exact; -0, infinities, NaN."""
    count = int(np.prod(shape))
    x = np.random.default_rng(count).integers(-3, 4, count + offset).astype(np.float32)
    x[::5] = -0.0
    here = nc.tensor(x)
    return [v[offset:].view(shape).detach().requires_grad_() for v in (here.cuda(), here)]


def gradients(shape):
    gy = np.random.default_rng(1).integers(-3, 4, shape).astype(np.float32)
    gy.flat[::3] = -0.0
    here = nc.tensor(gy)
    return here.cuda(), here


def compare(function, shape, offset=0):
    x = inputs(shape, offset)
    y = [function(v) for v in x]
    same(y[0].detach(), y[1].detach())
    for result, gy in zip(y, gradients(y[1].shape), strict=True):
        result.backward(gy)
    same(x[0].grad, x[1].grad)


@pytest.mark.parametrize("offset", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_max(window, shape, offset):
    if np.any(np.array(window) > shape[2:]):
        pytest.skip("the window is larger than the plane")
    compare(lambda x: F.max_pool2d(x, window), shape, offset)
    x = inputs(shape, offset)
    for there, here in zip(*(F.max_pool2d(v.detach(), window, return_indices=True) for v in x), strict=True):
        same(there, here)


@pytest.mark.parametrize("offset", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("window", [2, (1, 2), (2, 1), (4, 4), (1, 1), 3], ids=str)
def test_average(window, shape, offset):
    if np.any(np.array(window) > shape[2:]):
        pytest.skip("the window is larger than the plane")
    compare(lambda x: F.avg_pool2d(x, window), shape, offset)
    for divisor in (1, 8, 3, -4):
        compare(partial(F.avg_pool2d, kernel_size=window, divisor_override=divisor), shape, offset)
    compare(lambda x: F.avg_pool2d(x, window, count_include_pad=False), shape, offset)


def nearly_paving():
    for arguments in (
        {"stride": 1},
        {"stride": (2, 1)},
        {"stride": (3, 2)},
        {"padding": 1},
        {"padding": (0, 1)},
        {"ceil_mode": True},
        {"stride": 3, "ceil_mode": True},
    ):
        yield "max_pool2d", arguments
        yield "avg_pool2d", arguments
    yield "max_pool2d", {"dilation": 2}
    yield "max_pool2d", {"dilation": (1, 2)}


@pytest.mark.parametrize(("function", "arguments"), list(nearly_paving()), ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 5, 7), (1, 2, 7, 12)], ids=str)
def test_windows_that_only_nearly_pave(function, arguments, shape):
    compare(lambda x: getattr(F, function)(x, 2, **arguments), shape)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 5, 7), (1, 2, 6, 10)], ids=str)
def test_infinities_and_nan(shape):
    random = np.random.default_rng(0)
    choice = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
    for likely in ([0.2] * 5 + [0], [0, 0, 1, 0, 0, 0], [0.1, 0, 0.9, 0, 0, 0]):
        x = nc.tensor(random.choice(choice, shape, p=likely))
        for there, here in zip(*(F.max_pool2d(v, 2, return_indices=True) for v in (x.cuda(), x)), strict=True):
            np.testing.assert_array_equal(there.cpu().numpy(), here.numpy())
        np.testing.assert_array_equal(F.avg_pool2d(x.cuda(), 2).cpu().numpy(), F.avg_pool2d(x, 2).numpy())


def test_one_and_three_dimensions_and_unpooling():
    compare(lambda x: F.max_pool1d(x, 2), (3, 4, 13))
    compare(lambda x: F.avg_pool1d(x, 4), (3, 4, 13))
    compare(lambda x: F.max_pool3d(x, 2), (2, 2, 4, 5, 6))
    compare(lambda x: F.max_pool3d(x, (1, 2, 2)), (2, 2, 4, 5, 6))
    compare(lambda x: F.avg_pool3d(x, (1, 2, 2)), (2, 2, 4, 5, 6))
    compare(lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), (2, 3, 8, 8))


def test_second_derivatives():
    x = nc.tensor(np.random.default_rng(0).standard_normal((2, 3, 6, 10)).astype(np.float32))
    results = []
    for place in ("cuda", "cpu"):
        leaf = x.detach().to(place).requires_grad_()
        (gx,) = nc.autograd.grad((F.max_pool2d(leaf, 2) ** 3).sum(), leaf, create_graph=True)
        (gx * gx).sum().backward()
        results.append(leaf.grad.cpu().numpy())
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_empty_batch():
    compare(lambda x: F.max_pool2d(x, 2), (0, 3, 8, 8))
    compare(lambda x: F.avg_pool2d(x, 2), (0, 3, 8, 8))
