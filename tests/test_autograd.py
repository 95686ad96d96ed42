"""The tape: what is recorded, how gradients are asked for, and what is refused."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import nncore as nc


def leaf(*values: float) -> nc.Tensor:
    return nc.tensor(list(values), dtype=nc.float64, requires_grad=True)


@pytest.fixture
def no_collector():
    """Without the garbage collector a cycle is a leak."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def live() -> int:
    return nc.memory_stats()["live_bytes"]


# ---- what is recorded ----


def test_leaves_and_results():
    x, c = leaf(1, 2), nc.tensor([1.0, 2.0], dtype=nc.float64)
    y = x * c
    assert x.is_leaf
    assert x.grad_fn is None
    assert not y.is_leaf
    assert y.requires_grad
    assert "mul" in repr(y.grad_fn)
    assert not (c * c).requires_grad
    assert not y.detach().requires_grad
    assert y.detach().data_ptr() == y.data_ptr()


def test_no_grad_enable_grad_set_grad_enabled():
    x = leaf(1)
    with nc.no_grad():
        assert not (x * 2).requires_grad
        assert not nc.is_grad_enabled()
        with nc.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
        with nc.set_grad_enabled(True):
            assert (x * 2).requires_grad
    assert nc.is_grad_enabled()
    nc.set_grad_enabled(False)
    try:
        assert not (x * 2).requires_grad
    finally:
        nc.set_grad_enabled(True)


def test_switches_as_decorators():
    x = leaf(1)

    @nc.no_grad()
    def off():
        return x * 2

    @nc.no_grad
    def off_without_parentheses():
        return x * 2

    @nc.set_grad_enabled(False)
    def also_off():
        return x * 2

    @nc.enable_grad()
    def on():
        return x * 2

    assert not any(f().requires_grad for f in (off, off_without_parentheses, also_off))
    assert nc.is_grad_enabled()
    with nc.no_grad():
        assert on().requires_grad


def test_a_switch_is_undone_by_an_exception():
    with pytest.raises(KeyError), nc.no_grad():
        raise KeyError
    assert nc.is_grad_enabled()


def test_each_thread_has_its_own_switch():
    seen = []
    with nc.no_grad():
        thread = threading.Thread(target=lambda: seen.append(nc.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_requires_grad_errors():
    with pytest.raises(RuntimeError, match="floating point"):
        nc.tensor([1, 2]).requires_grad_()
    y = leaf(1) * 2
    with pytest.raises(RuntimeError, match="leaf"):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        leaf(1).add_(1)


# ---- backward ----


def test_backward_adds_up():
    x = leaf(1, 2)
    (x * 3).sum().backward()
    (x * 4).sum().backward()
    assert x.grad.tolist() == [7, 7]
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_backward_of_what_is_no_scalar():
    x = leaf(1, 2)
    with pytest.raises(RuntimeError, match=r"only for scalar outputs.*\[2\]"):
        (x * x).backward()
    (x * x).backward(nc.tensor([1.0, 10.0], dtype=nc.float64))
    assert x.grad.tolist() == [2, 40]
    with pytest.raises(RuntimeError, match=r"shape \[2\], got \[3\]"):
        (x * x).backward(nc.ones(3, dtype=nc.float64))
    z = leaf(3)
    (z * 2).backward()  # one element needs no gradient given
    assert z.grad.tolist() == [2]


def test_backward_without_a_graph():
    with pytest.raises(RuntimeError, match="does not require grad"):
        nc.ones(1).backward()


def test_a_tensor_used_in_many_places():
    x = leaf(2)
    y = x * x
    z = y * x + y + x * y
    z.backward()
    assert x.grad.tolist() == [3 * 4 + 2 * 2 + 3 * 4]


def test_graph_used_twice():
    x = leaf(3)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]
    with pytest.raises(RuntimeError, match=r"second time.*retain_graph=True"):
        y.backward()


def test_saved_tensor_changed_in_place():
    x = leaf(1, 2)
    y = x * 2
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_in_place_on_the_tape():
    x = leaf(1, 2)
    y = x * 2
    y.add_(x * x)  # 2 x + x^2
    y.exp_().log_()  # what their rules need is kept elsewhere
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [4, 6], rtol=1e-6)
    z = x.exp()
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()  # exp saved its result, which add_ wrote over


def test_gradients_do_not_share_memory():
    x, y = leaf(1, 2), leaf(3, 4)
    (x + y).sum().backward()
    x.grad.mul_(0)
    assert y.grad.tolist() == [1, 1]
    g = nc.ones(2, dtype=nc.float64)
    z = leaf(1, 2)
    z.backward(g)
    z.grad.mul_(5)
    assert g.tolist() == [1, 1]


# ---- grad ----


def test_grad_leaves_grad_alone():
    x, y = leaf(2), leaf(5)
    (gx, gy) = nc.autograd.grad(x * y, (x, y))
    assert (gx.tolist(), gy.tolist()) == ([5], [2])
    assert x.grad is None
    assert y.grad is None


def test_grad_of_intermediate_results():
    x = leaf(2)
    y = x * x
    z = y * y
    assert nc.autograd.grad(z, (y, x))[0].tolist() == [8]


def test_grad_with_unused_inputs():
    x, y = leaf(1), leaf(1)
    with pytest.raises(RuntimeError, match=r"not have been used.*allow_unused=True"):
        nc.autograd.grad(x * 2, (x, y))
    assert nc.autograd.grad(x * 2, (x, y), allow_unused=True)[1] is None
    with pytest.raises(RuntimeError, match="does not require grad"):
        nc.autograd.grad(x * 2, nc.ones(1))


def test_higher_derivatives():
    x = leaf(3)
    y = x * x * x
    derivatives = []
    for _ in range(3):
        (y,) = nc.autograd.grad(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [27, 18, 6]
    assert not nc.autograd.grad(x * x * x, x)[0].requires_grad


def test_backward_through_a_gradient():
    x, w = leaf(1, 2), leaf(3, 4)
    (g,) = nc.autograd.grad((w * x * x).sum(), x, create_graph=True)  # 2 w x
    (g * g).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 8 * w.detach().numpy() * x.detach().numpy() ** 2)


def test_several_outputs_and_weights():
    x = leaf(1, 2)
    weights = [nc.tensor([1.0, 0.0], dtype=nc.float64), None]
    (g,) = nc.autograd.grad([x * 3, (x * x).sum()], x, weights)
    assert g.tolist() == [5, 4]
    with pytest.raises(RuntimeError, match="2 tensors and 1 gradients"):
        nc.autograd.grad([x * 3, x * 2], x, [None])


# ---- hooks ----


def test_hooks_see_and_replace_gradients():
    x = leaf(1, 2)
    y = x * 2
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    handle = y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert x.grad.tolist() == [20, 20]
    assert seen == [[20, 20]]
    handle.remove()
    x.grad = None
    (y.detach() * x).sum().backward()
    assert len(seen) == 2
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        nc.ones(1).register_hook(print)


def test_retain_grad():
    x = leaf(1, 2)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [4, 8]


# ---- memory ----


def test_deep_chain_neither_recurses_nor_leaks(no_collector):
    base = live()
    x = nc.ones(16, requires_grad=True)
    before = live()
    y = x
    for _ in range(10_000):
        y = y * 1.0001 + 0.0
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
    del y
    assert live() == before + x.grad.nbytes
    y = x
    for _ in range(10_000):
        y = y.relu()
    del y  # without a backward pass
    assert live() == before + x.grad.nbytes
    del x
    assert live() == base


def test_del_loss_frees_the_graph(no_collector):
    x = nc.ones(1000, requires_grad=True)
    base = live()
    loss = ((x * 2).exp() * x).sum()
    assert live() > base + x.nbytes  # exp keeps its result
    del loss
    assert live() == base


def test_create_graph_leaves_no_cycle(no_collector):
    x = nc.ones(1000, requires_grad=True)
    base = live()
    y = (x * x).exp().sum()
    (g,) = nc.autograd.grad(y, x, create_graph=True)
    (h,) = nc.autograd.grad(g.sum(), x)
    del y, g, h
    assert live() == base


def test_hooks_leave_no_cycle(no_collector):
    x = nc.ones(1000, requires_grad=True)
    base = live()
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    del y
    x.grad = None
    assert live() == base


def test_in_place_and_views_leave_no_cycle(no_collector):
    x = nc.ones(10, 100, requires_grad=True)
    base = live()
    y = x * 2
    part = y[2:4]
    part.mul_(3)
    y.add_(1)
    y.sum().backward()
    del y, part
    x.grad = None
    assert live() == base


def test_backward_frees_what_was_saved_on_the_way(no_collector):
    """The pass gives back the memory of each node as it goes, not at its end."""
    x = nc.ones(1 << 16, requires_grad=True)
    y = x
    for _ in range(20):
        y = y.sigmoid()
    loss = y.sum()
    del y
    nc.reset_peak_memory_stats()
    held = live()
    loss.backward()
    assert nc.memory_stats()["peak_bytes"] < held + 4 * x.nbytes


def test_backward_from_many_threads():
    x = leaf(1, 2)
    results = []

    def work() -> None:
        for _ in range(50):
            results.append(nc.autograd.grad((x * x).sum(), x)[0].tolist())

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert results == [[2, 4]] * 200


def test_retain_grad_sees_what_the_hooks_leave_and_follows_writes():
    x = leaf(1.0, 2.0)
    h = x * 2
    h.retain_grad()
    h.retain_grad()
    h.register_hook(lambda g: g * 5)
    h.sum().backward()
    assert h.grad.tolist() == [5.0, 5.0]
    h = x * 2
    h.retain_grad()
    h.mul_(3)
    h.sum().backward()
    assert h.grad.tolist() == [1.0, 1.0]  # of the values that were written
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        x.detach().retain_grad()


def test_backward_of_some_inputs():
    x, y = leaf(2.0), leaf(3.0)
    h = x * y
    (h * y).sum().backward(inputs=[y, h])
    assert (x.grad, y.grad.tolist(), h.grad.tolist()) == (None, [12.0], [3.0])
    for call in (lambda: h.sum().backward(inputs=[]), lambda: nc.autograd.grad(h.sum(), [])):
        with pytest.raises(RuntimeError, match="at least one input"):
            call()


def test_overwritten_values_get_a_gradient_of_zero():
    x, y = leaf(1.0, 2.0), leaf(3.0)
    h = x.clone().copy_(y)
    assert [g.tolist() for g in nc.autograd.grad(h.sum(), (x, y))] == [[0.0, 0.0], [2.0]]
    assert x.clone().copy_(nc.tensor([1, 2])).requires_grad


def test_gradient_checks_have_their_place_here_too():
    x = nc.tensor([0.5, 2.0], dtype=nc.float64, requires_grad=True)
    assert nc.autograd.gradcheck(nc.sin, x)
    assert nc.autograd.gradgradcheck(nc.sin, x)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nc.autograd.nothing
