"""Products of float16 and bfloat16 matrices on CUDA: factors as they are, sums in float32, rounded once."""

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

DIGITS = {nc.float16: 2.0**-11, nc.bfloat16: 2.0**-8}


def random(shape, dtype, seed):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return nc.from_numpy(values).to(dtype).cuda()


def check(result, expected, dtype):
    assert result.dtype is dtype
    result = result.float().cpu().numpy()
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=DIGITS[dtype], atol=DIGITS[dtype])


@pytest.mark.parametrize("simt", [False, True])
@pytest.mark.parametrize("dtype", DIGITS)
@pytest.mark.parametrize(
    ("batch", "m", "n", "k"),
    [
        ((), 1, 1, 1),
        ((), 5, 7, 3),
        ((), 130, 70, 65),
        ((2,), 64, 130, 200),
        ((), 3, 4, 0),
        ((), 0, 4, 3),
        ((), 70, 70, 300),
    ],
)
def test_products(monkeypatch, simt, dtype, batch, m, n, k):
    if simt:
        monkeypatch.setenv("NNCORE_CUDA_SIMT", "1")
    a, b = random((*batch, m, k), dtype, 0), random((*batch, k, n), dtype, 1)
    expected = a.float().cpu().numpy() @ b.float().cpu().numpy()
    turned = [x.transpose(-2, -1).contiguous().transpose(-2, -1) for x in (a, b)]
    for left, right in ((a, b), (turned[0], b), (a, turned[1]), tuple(turned)):
        check(left @ right, expected, dtype)


@pytest.mark.parametrize("dtype", DIGITS)
def test_linear_and_its_gradients(dtype):
    x, w, bias = (random(s, dtype, i).requires_grad_() for i, s in enumerate([(40, 33), (21, 33), (21,)]))
    y = F.linear(x, w, bias)
    wide = [t.detach().float().cpu().numpy() for t in (x, w, bias)]
    check(y.detach(), wide[0] @ wide[1].T + wide[2], dtype)
    y.backward(gy := random((40, 21), dtype, 3))
    g = gy.float().cpu().numpy()
    check(x.grad, g @ wide[1], dtype)
    check(w.grad, g.T @ wide[0], dtype)
    check(bias.grad, g.sum(0), dtype)


def test_autocast():
    x, w = nc.ones(3, 4, device="cuda"), nc.ones(4, 2, device="cuda", requires_grad=True)
    with nc.autocast("cuda"):
        y = x @ w
        assert nc.is_autocast_enabled()
        assert y.dtype is nc.float16
        assert y.exp().dtype is y.softmax(0).dtype is (y + x[:, :2]).dtype is nc.float32
    y.sum().backward()
    assert (w.grad.dtype, w.grad.tolist()) == (nc.float32, [[3, 3]] * 4)
