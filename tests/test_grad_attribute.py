"""`grad`, `data`, the hooks after accumulation, and the switches as decorators of generators."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nc


def leaf(*values: float) -> nc.Tensor:
    return nc.tensor(values, requires_grad=True)


def test_grad_takes_only_what_fits():
    x = leaf(1.0, 2.0)
    for wrong, error in ((3, TypeError), (x, RuntimeError), (nc.ones(3), RuntimeError), (x.double(), RuntimeError)):
        with pytest.raises(error, match="grad"):
            x.grad = wrong
    assert x.grad is None
    x.grad = nc.ones(2)
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 3)
    del x.grad
    assert x.grad is None


def test_grad_of_what_is_no_leaf_warns():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None
    y.retain_grad()
    assert y.retains_grad
    assert not leaf(1.0).retains_grad
    y.backward()
    assert y.grad.item() == 1


def test_retain_grad_of_an_unused_result():
    a, b = nc.var_mean(leaf(1.0, 2.0))
    b.retain_grad()
    a.backward()
    assert b.grad is None


def test_hook_after_accumulation():
    x, seen = leaf(1.0), []
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
    for _ in range(2):
        (x * 3).sum().backward()
    handle.remove()
    (x * 3).sum().backward()
    assert seen == [3, 6]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_hooks_must_return_gradients():
    x = leaf(1.0, 2.0)
    handle = x.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="hook returned 'int'"):
        x.sum().backward()
    handle.remove()
    x.register_hook(lambda g: g[0])
    with pytest.raises(RuntimeError, match="changed the size"):
        x.sum().backward()


def test_writes_to_data_are_not_counted():
    x = leaf(1.0, 2.0)
    y = x.exp()
    before = y._version
    y.data.zero_()
    assert y._version == before
    np.testing.assert_array_equal(y.detach().numpy(), 0)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 0)
    x.data.copy_(x.data.flip(0))  # the two still know that they are one memory
    np.testing.assert_array_equal(x.detach().numpy(), [2, 1])


def test_data_takes_another_shape_and_dtype():
    x = leaf(1.0, 2.0)
    x.data = nc.ones(3, dtype=nc.float64)
    assert (x.shape, x.dtype, x.requires_grad, x.is_leaf) == ((3,), nc.float64, True, True)
    with pytest.raises(RuntimeError, match="int64"):
        x.data = nc.arange(3)
    with pytest.raises(TypeError, match="expected a Tensor"):
        x.data = 3


def test_switches_around_generators():
    x = leaf(1.0)

    @nc.no_grad()
    def numbers():
        """Says."""
        try:
            given = yield x * 2
            assert not nc.is_grad_enabled()
            yield given
        except ValueError:
            assert not nc.is_grad_enabled()
            yield "caught"
        return 7

    running = numbers()
    assert numbers.__doc__ == "Says."
    assert not next(running).requires_grad
    assert nc.is_grad_enabled()
    assert running.send(5) == 5
    assert running.throw(ValueError()) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(running)
    assert stop.value.value == 7
    assert nc.is_grad_enabled()


def test_inference_mode():
    x = leaf(1.0)
    with nc.inference_mode():
        assert nc.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
        with nc.inference_mode(False):
            assert (x * 2).requires_grad
            assert not nc.is_inference_mode_enabled()
    assert nc.is_grad_enabled()

    @nc.inference_mode
    def double(x):
        return x * 2

    assert not double(x).requires_grad
    assert not nc.inference_mode()(lambda: x * 2)().requires_grad


def test_classes_as_decorated_warn():
    with pytest.warns(FutureWarning, match="Decorating classes"):

        @nc.no_grad()
        class Made:
            def __init__(self):
                self.enabled = nc.is_grad_enabled()

    assert not Made().enabled
