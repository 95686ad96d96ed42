"""Operations that a user writes (autograd.Function), and Jacobians and Hessians (autograd.functional)."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import nncore as nc
from nncore.autograd.function import once_differentiable
from nncore.testing import gradcheck, gradgradcheck

functional = nc.autograd.functional


def values(*shape: int, requires_grad: bool = True) -> nc.Tensor:
    return nc.tensor(np.random.default_rng(5).uniform(0.5, 1.5, shape), requires_grad=requires_grad)


class Cube(nc.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, gy):
        (x,) = ctx.saved_tensors
        return 3 * x * x * gy


class Exp(nc.autograd.Function):
    """Saves its result, and takes its two methods apart."""

    @staticmethod
    def forward(x, scale=1.0):
        return (x * scale).exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.scale = inputs[1]

    @staticmethod
    def backward(ctx, gy):
        (y,) = ctx.saved_tensors
        return gy * y * ctx.scale, None


class SumAndProduct(nc.autograd.Function):
    seen = None

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x + y, x * y

    @staticmethod
    def backward(ctx, g_sum, g_product):
        SumAndProduct.seen = (g_sum, ctx.needs_input_grad)
        x, y = ctx.saved_tensors
        return g_sum + g_product * y, g_sum + g_product * x


class TimesThreeInPlace(nc.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(3)

    @staticmethod
    def backward(ctx, gy):
        return gy * 3


@pytest.mark.parametrize(
    "f", [Cube.apply, Exp.apply, lambda x: Exp.apply(x, scale=0.3)], ids=["cube", "exp", "keyword"]
)
def test_first_and_second_gradients(f):
    assert gradcheck(f, values(3, 2))
    assert gradgradcheck(f, values(3, 2))


def test_several_results():
    x, y = values(3), values(3, requires_grad=False)
    total, product = SumAndProduct.apply(x, y)
    product.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    unused, needs = SumAndProduct.seen
    np.testing.assert_array_equal(unused.numpy(), 0)
    assert needs == (True, False)
    assert total.grad_fn is product.grad_fn
    assert (total.output_nr, product.output_nr) == (0, 1)
    assert total.grad_fn.name() == "SumAndProductBackward"
    assert gradgradcheck(SumAndProduct.apply, (values(2), values(2)))


def test_input_changed_in_place():
    x = values(3)
    y = x * 2
    z = TimesThreeInPlace.apply(y)
    assert z is y
    y.exp().sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * np.exp(6 * x.detach().numpy()))
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        TimesThreeInPlace.apply(x)
    base = x * 1
    TimesThreeInPlace.apply(base[1:])
    (gradient,) = nc.autograd.grad(base.sum(), x)
    np.testing.assert_array_equal(gradient.numpy(), [1, 3, 3])


def test_saved_tensors_are_watched_and_freed():
    x = values(3)
    y = Exp.apply(x)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation: ExpBackward"):
        y.sum().backward()
    y = Cube.apply(x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_outputs_without_a_gradient():
    class Split(nc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            rest = x * 2
            ctx.mark_non_differentiable(rest)
            return x.argmax(), x * 3, rest, "text"

        @staticmethod
        def backward(ctx, *gradients):
            assert gradients[3] is None
            return gradients[1] * 3

    x = values(4)
    index, y, rest, text = Split.apply(x)
    assert (index.requires_grad, y.requires_grad, rest.requires_grad, text) == (False, True, False, "text")
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 3)


def returning(result):
    class Returns(nc.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            return x * factor

        @staticmethod
        def backward(ctx, gy):
            return result(gy)

    x = values(2, 3)
    Returns.apply(x, 2).sum().backward()
    return x.grad.numpy()


def test_what_backward_returns_is_checked():
    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 2, got 1\)"):
        returning(lambda gy: gy)
    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        returning(lambda gy: (gy, None, gy))
    with pytest.raises(RuntimeError, match="different from None at position 1"):
        returning(lambda gy: (gy, gy))
    with pytest.raises(RuntimeError, match=r"invalid gradient at index 0 - got \[3\]"):
        returning(lambda gy: (gy[0], None))
    with pytest.raises(TypeError, match="returned a int"):
        returning(lambda gy: (3, None))
    np.testing.assert_array_equal(returning(lambda gy: (gy.float(), None, None)), 1)
    np.testing.assert_array_equal(returning(lambda gy: (nc.stack([gy, gy]), None)), 2)


def test_what_is_missing_is_said():
    class Empty(nc.autograd.Function):
        pass

    with pytest.raises(NotImplementedError, match="forward"):
        Empty.apply(values(2))
    with pytest.raises(TypeError, match="save_for_backward"):
        nc.autograd.function.FunctionCtx().save_for_backward(3)


def test_once_differentiable():
    class Square(nc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, gy):
            return nc.from_numpy(2 * ctx.saved_tensors[0].detach().numpy()) * gy

    x = values(3)
    (gradient,) = nc.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    np.testing.assert_array_equal(gradient.detach().numpy(), 2 * x.detach().numpy())
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_memory_is_back_at_once():
    x = values(100)
    gc.collect()
    gc.disable()
    try:
        before = nc.memory_stats()["live_bytes"]
        for f in (
            Cube.apply,
            Exp.apply,
            lambda x: TimesThreeInPlace.apply(x * 1),
            lambda x: SumAndProduct.apply(x, x)[1],
        ):
            y = f(x)
            (g,) = nc.autograd.grad(y.sum(), x, create_graph=True)
            nc.autograd.grad(g.sum(), x, allow_unused=True) if g.requires_grad else None
            del y, g
            SumAndProduct.seen = None
            assert nc.memory_stats()["live_bytes"] == before
    finally:
        gc.enable()


def test_jacobian_and_hessian():
    x, w = values(3, requires_grad=False), values(2, 3, requires_grad=False)
    np.testing.assert_allclose(functional.jacobian(lambda x: w @ x, x).numpy(), w.numpy())
    by_w, by_x = functional.jacobian(lambda w, x: w @ x, (w, x))
    assert by_w.shape == (2, 2, 3)
    np.testing.assert_allclose(by_x.numpy(), w.numpy())
    np.testing.assert_allclose(functional.hessian(lambda x: (x**3).sum(), x).numpy(), np.diag(6 * x.numpy()))
    np.testing.assert_array_equal(functional.hessian(lambda x: x.sum(), x).numpy(), 0)
    with pytest.raises(RuntimeError, match="does not depend on the inputs"):
        functional.jacobian(lambda x: w * 1, x, strict=True)
    with pytest.raises(RuntimeError, match="single element"):
        functional.hessian(lambda x: x * 2, x)


def test_products_with_vectors():
    x, v = values(3, requires_grad=False), nc.tensor([1.0, -2.0, 0.5], dtype=nc.float64)
    y, found = functional.vjp(lambda x: x**2, x, v)
    np.testing.assert_allclose(found.numpy(), 2 * x.numpy() * v.numpy())
    np.testing.assert_allclose(y.numpy(), x.numpy() ** 2)
    np.testing.assert_allclose(functional.jvp(lambda x: x**2, x, v)[1].numpy(), 2 * x.numpy() * v.numpy())
    for product in (functional.vhp, functional.hvp):
        np.testing.assert_allclose(product(lambda x: (x**3).sum(), x, v)[1].numpy(), 6 * x.numpy() * v.numpy())
    with pytest.raises(RuntimeError, match="invalid size"):
        functional.vjp(lambda x: x**2, x, v[:2])


def test_batched_and_materialized_gradients():
    x, unused = values(3), values(2)
    weights = nc.eye(3, dtype=nc.float64)
    (jacobian,) = nc.autograd.grad(x**2, x, weights, is_grads_batched=True)
    np.testing.assert_allclose(jacobian.numpy(), np.diag(2 * x.detach().numpy()))
    zeros = nc.autograd.grad(x.sum(), (x, unused), materialize_grads=True)[1]
    np.testing.assert_array_equal(zeros.numpy(), [0, 0])
    with pytest.raises(ValueError, match="materialize_grads"):
        nc.autograd.grad(x.sum(), x, allow_unused=False, materialize_grads=True)
