"""Cross-entropy on CUDA finds its gradient in the forward pass: who gets it, and what it is multiplied by. The rest:
tests/test_ops.py --device cuda."""

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

SHAPES = [(5, 3), (3, 2100), (2, 5, 3, 2), (4,), (0, 3)]


def scores(shape, dtype="float32"):
    random = np.random.default_rng(len(shape) + shape[0])
    target = random.integers(0, shape[0] if len(shape) == 1 else shape[1], shape[:1] + shape[2:] if shape[1:] else ())
    return random.standard_normal(shape).astype(dtype) * 3, target


def on_both(shape, run, dtype="float32"):
    """What run(x, target) makes of the scores on the CPU and on CUDA."""
    x, target = scores(shape, dtype)
    found = []
    for device in ("cpu", "cuda"):
        leaf = nc.tensor(x, device=device, requires_grad=True)
        found.append([r.cpu().numpy() for r in run(leaf, nc.tensor(target, device=device))])
    return zip(*found, strict=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("scale", [1.0, 0.25, -3.0])
def test_gradient_times_what_comes_back(shape, reduction, scale):
    def run(x, target):
        loss = F.cross_entropy(x, target, reduction=reduction, label_smoothing=0.1)
        (loss * scale).sum().backward()
        return loss.detach(), x.grad

    for cpu, cuda in on_both(shape, run):
        np.testing.assert_allclose(cuda, cpu, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ignored_rows_stay_zero(reduction):
    def run(x, target):
        where = nc.tensor([1, -100, 0, 2, -100], device=x.device)
        weight = nc.tensor([0.5, 1.0, 3.0], device=x.device)
        loss = F.cross_entropy(x, where, weight, reduction=reduction)
        gy = nc.tensor([1.0, float("inf"), 2.0, 0.5, float("nan")], device=x.device)
        loss.backward(gy if reduction == "none" else gy[2])
        return loss.detach(), x.grad

    for cpu, cuda in on_both((5, 3), run):
        np.testing.assert_allclose(cuda, cpu, rtol=2e-5, atol=2e-6)
        assert np.isfinite(cuda).all()


def test_no_row_counts():
    def run(x, target):
        F.cross_entropy(x, nc.full((5,), -100, device=x.device)).backward()
        return (x.grad,)

    for cpu, cuda in on_both((5, 3), run):
        np.testing.assert_array_equal(cpu, 0)
        np.testing.assert_array_equal(cuda, 0)


def test_a_second_backward_has_a_gradient_of_its_own():
    x, target = (nc.tensor(v, device="cuda") for v in scores((4, 7)))
    x.requires_grad_()
    loss = F.cross_entropy(x, target)
    loss.backward(nc.tensor(2.0, device="cuda"), retain_graph=True)
    first = x.grad
    kept, x.grad = first.cpu().numpy(), None
    first.zero_()  # belongs to the caller alone
    loss.backward(retain_graph=True)
    np.testing.assert_allclose(2 * x.grad.cpu().numpy(), kept, rtol=1e-5, atol=1e-7)
    loss.backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), kept, rtol=1e-5, atol=1e-7)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_second_derivatives_after_a_first():
    def run(x, target):
        loss = F.cross_entropy(x, target)
        loss.backward(retain_graph=True)
        (g,) = nc.autograd.grad(loss, x, create_graph=True)
        (gg,) = nc.autograd.grad((g * g).sum(), x)
        return x.grad, g.detach(), gg

    for cpu, cuda in on_both((4, 7), run, "float64"):
        np.testing.assert_allclose(cuda, cpu, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [nc.float16, nc.bfloat16])
def test_half_scores_get_half_gradients(dtype):
    def run(x, target):
        half = x.detach().to(dtype).requires_grad_()
        F.cross_entropy(half, target).backward()
        assert half.grad.dtype is dtype
        return (half.grad.float(),)

    for cpu, cuda in on_both((4, 7), run):
        np.testing.assert_allclose(cuda, cpu, rtol=1e-2, atol=1e-4)


def test_changed_scores_are_noticed():
    x, target = (nc.tensor(v, device="cuda") for v in scores((4, 7)))
    x.requires_grad_()
    y = x * 1.0
    loss = F.cross_entropy(y, target)
    y += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_memory_of_the_gradient_comes_back():
    x, target = (nc.tensor(v, device="cuda") for v in scores((64, 100)))
    x.requires_grad_()
    before = nc.cuda.memory_allocated()
    loss = F.cross_entropy(x, target)
    assert nc.cuda.memory_allocated() - before >= x.nbytes
    del loss
    assert nc.cuda.memory_allocated() == before
    with nc.no_grad():
        loss = F.cross_entropy(x, target)
    assert loss.ndim == 0
    assert nc.cuda.memory_allocated() - before < x.nbytes
