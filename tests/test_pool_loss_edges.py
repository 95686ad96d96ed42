"""Edges of pooling and class losses where PyTorch's own backward refuses, or that no table of cases can hold."""

import numpy as np
import pytest

import nncore as nc
from nncore.ops import pool, softmax_xent


@pytest.mark.parametrize("function", [pool.adaptive_avg_pool2d, pool.adaptive_max_pool2d])
def test_adaptive_pooling_to_nothing_has_zero_gradient(function):
    x = nc.ones(2, 3, 4, 5, requires_grad=True)
    y = function(x, (0, 2))
    assert y.shape == (2, 3, 0, 2)
    y.sum().backward()
    assert not x.grad.numpy().any()


@pytest.mark.parametrize("loss", [softmax_xent.nll_loss, softmax_xent.cross_entropy])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_one_row_takes_a_target_of_one_element(loss, reduction):
    x = nc.tensor([0.5, -1.0, 2.0], dtype=nc.float64, requires_grad=True)
    one, scalar = (loss(x, nc.tensor(t), reduction=reduction) for t in ([2], 2))
    assert one.shape == scalar.shape == ()
    assert one.item() == scalar.item()
    one.backward()
    assert nc.testing.gradcheck(lambda x: loss(x, nc.tensor([2]), reduction=reduction), x)


def test_arguments_of_old_name_the_reduction():
    x, t = nc.tensor([[0.5, -1.0], [2.0, 1.0]]), nc.tensor([0, 1])
    for old, reduction in [({"size_average": False}, "sum"), ({"reduce": False}, "none"), ({"reduce": True}, "mean")]:
        got, expected = softmax_xent.cross_entropy(x, t, **old), softmax_xent.cross_entropy(x, t, reduction=reduction)
        np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_softmax_without_dim_warns_and_chooses_as_pytorch():
    for ndim, dim in [(1, 0), (2, 1), (3, 0), (4, 1)]:
        x = nc.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 4, 5)[:ndim]))
        with pytest.warns(UserWarning, match="Implicit dimension choice"):
            y = softmax_xent.softmax(x)
        np.testing.assert_array_equal(y.numpy(), softmax_xent.softmax(x, dim).numpy())


def test_windows_that_dilation_leads_past_a_small_input():
    x = nc.ones(1, 3, requires_grad=True)
    y = pool.max_pool1d(x, 2, stride=1, padding=1, dilation=4)  # positions -1 and 3
    assert y.item() == -np.inf
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_a_gradient_of_another_dtype_is_converted():
    x = nc.ones(2, 3, dtype=nc.float64, requires_grad=True)
    softmax_xent.softmax(x, 1).backward(nc.ones(2, 3, dtype=nc.float32))
    assert x.grad.dtype == nc.float64
    np.testing.assert_allclose(x.grad.numpy(), 0, atol=1e-15)


def test_the_backward_kernels_refuse_what_does_not_fit():
    y = nc.ones(2, 3)._array
    with pytest.raises(RuntimeError, match="softmax_backward: expected a gradient"):
        nc._core.softmax_backward(nc.ones(2, 3, dtype=nc.float64)._array, y, 1, False)
    with pytest.raises(RuntimeError, match="avg_pool_backward: expected a gradient"):
        nc._core.avg_pool_backward(nc.ones(1, 3, 3)._array, (1, 4, 4), (2, 2), (2, 2), (0, 0), False, True, 0)


@pytest.mark.parametrize("dtype", [nc.uint8, nc.int32, nc.int64])
def test_max_pooling_of_integers(dtype):
    x = (nc.arange(16) * 7 % 16).to(dtype).reshape(1, 4, 4)
    y, index = nc.nn.functional.max_pool2d(x, 2, return_indices=True)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), [[[12, 14], [15, 13]]])
    np.testing.assert_array_equal(x.flatten().numpy()[index.numpy()], y.numpy())
    np.testing.assert_array_equal(nc.nn.functional.max_pool3d(x.reshape(1, 1, 4, 4), (1, 2, 2)).numpy(), [y.numpy()])


def test_max_pooling_of_integers_that_float64_does_not_hold():
    with pytest.raises(RuntimeError, match=r"max_pool2d: expected integers of at most 2\^53"):
        nc.nn.functional.max_pool2d(nc.full((1, 2, 2), 2**53 + 1), 2)
