"""Writes in place, through views too, under autograd: against gradients derived by hand."""

import numpy as np
import pytest

import nncore as nc


def leaf(*values):
    return nc.tensor(values, dtype=nc.float64, requires_grad=True)


def expect(tensor, values):
    np.testing.assert_allclose(tensor.detach().numpy(), np.asarray(values, float))


def test_multiplying_a_view_changes_its_base():
    x, w = leaf(2.0, 3.0), leaf(5.0)
    base = x * 1
    base[0:1].mul_(w)  # base = [x0 w, x1]
    expect(base, [10, 3])
    (base * nc.tensor([1.0, 10.0])).sum().backward()
    expect(x.grad, [5, 10])
    expect(w.grad, [2])


def test_a_row_of_a_matrix():
    x, w = leaf([1.0, 2.0], [3.0, 4.0]), leaf(5.0, 6.0)
    base = x.clone()
    base[0].mul_(w)
    (base**2).sum().backward()  # (x0j wj)^2 + x1j^2
    expect(x.grad, [[2 * 1 * 25, 2 * 2 * 36], [6, 8]])
    expect(w.grad, [2 * 1 * 5, 2 * 4 * 6])


def test_sibling_views_see_the_write():
    x = leaf(1.0, 2.0, 3.0)
    base = x * 1
    left, right = base[:2], base[1:]
    left.mul_(10)  # base = [10 x0, 10 x1, x2], right = [10 x1, x2]
    expect(right, [20, 3])
    (right**2).sum().backward()
    expect(x.grad, [0, 2 * 20 * 10, 2 * 3])


def test_a_write_to_the_base_reaches_its_views():
    x = leaf(1.0, 2.0, 3.0)
    base = x * 1
    view = base[1:]
    base.mul_(base.detach().clone())  # base = c x with c = x at that moment
    view.sum().backward()
    expect(x.grad, [0, 2, 3])


def test_a_view_of_a_view():
    x = leaf([1.0, 2.0], [3.0, 4.0])
    base = x * 1
    base.t()[1].mul_(2)  # the second column
    (base * nc.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    expect(x.grad, [[1, 4], [3, 8]])


def test_chained_writes():
    x = leaf(3.0)
    y = x * 1
    y.mul_(x)  # x^2
    y.add_(x).mul_(2)  # 2 (x^2 + x)
    y.backward(nc.ones(1, dtype=nc.float64))
    expect(x.grad, [2 * (2 * 3 + 1)])


def test_setitem_with_slices():
    x, v = leaf(1.0, 2.0, 3.0, 4.0), leaf(5.0, 6.0)
    y = x * 2
    y[1:3] = v
    (y**2).sum().backward()
    expect(x.grad, [8, 0, 0, 32])
    expect(v.grad, [10, 12])


def test_setitem_broadcasts():
    x, v = leaf([1.0, 2.0], [3.0, 4.0]), leaf(7.0)
    y = x * 1
    y[:, 0] = v
    (y * nc.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    expect(x.grad, [[0, 2], [0, 4]])
    expect(v.grad, [4])


def test_setitem_with_a_mask():
    x, v = leaf(1.0, -2.0, 3.0, -4.0), leaf(5.0, 6.0)
    y = x * 1
    y[y.detach() < 0] = v
    expect(y, [1, 5, 3, 6])
    (y**2).sum().backward()
    expect(x.grad, [2, 0, 6, 0])
    expect(v.grad, [10, 12])


def test_setitem_with_places():
    x, v = leaf([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]), leaf(7.0, 8.0)
    y = x * 1
    y[nc.tensor([2, 0]), nc.tensor([0, 1])] = v
    expect(y, [[1, 8], [3, 4], [7, 6]])
    (y**2).sum().backward()
    expect(x.grad, [[2, 0], [6, 8], [0, 12]])
    expect(v.grad, [14, 16])


def test_setitem_on_a_view_with_places():
    x, v = leaf([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]), leaf(9.0)
    y = x * 1
    y[:, [0, 2]] = v
    y[1][nc.tensor([1])] = v * 2
    expect(y, [[9, 2, 9], [9, 18, 9]])
    y.sum().backward()
    expect(x.grad, [[0, 1, 0], [0, 0, 0]])
    expect(v.grad, [4 + 2])


def test_setitem_without_gradients():
    x = nc.zeros(3, 4)
    x[1] = 5
    x[:, ::2] = nc.tensor([7.0, 8.0])
    x[x == 0] = -1
    x[nc.tensor([0, 2]), nc.tensor([1, 3])] = nc.tensor([20.0, 30.0])
    expect(x, [[7, 20, 8, -1], [7, 5, 8, 5], [7, -1, 8, 30]])
    x.t()[nc.tensor([0, 1]), :] = 0  # places in a view that is not contiguous
    expect(x, [[0, 0, 8, -1], [0, 0, 8, 5], [0, 0, 8, 30]])
    three = nc.zeros(2, 3, 4)
    three[nc.tensor([0, 1]), :, nc.tensor([1, 3])] = nc.arange(6).reshape(2, 3)
    expect(three[0, :, 1], [0, 1, 2])
    expect(three[1, :, 3], [3, 4, 5])
    three[:, 0] = np.ones((2, 4))
    three[..., None, 2][0] = 9
    expect(three[0, :, 2], [9, 9, 9])
    counts = nc.zeros(4, dtype=nc.int64)
    counts.index_add_(0, nc.tensor([1, 1, 3]), nc.tensor([1, 2, 3]))
    assert counts.tolist() == [0, 3, 0, 3]
    with pytest.raises(RuntimeError, match=r"shape mismatch: value tensor of shape \[3\] cannot be broadcast"):
        x[nc.tensor([0, 1])] = nc.ones(3)
    with pytest.raises(RuntimeError, match="does not broadcast"):
        x[0] = nc.ones(3)


def test_later_places_win():
    y = nc.zeros(3)
    y[nc.tensor([1, 1])] = nc.tensor([5.0, 6.0])
    expect(y, [0, 6, 0])
    put = nc.zeros(3).index_put((nc.tensor([1, 1]),), nc.tensor([5.0, 6.0]), accumulate=True)
    expect(put, [0, 11, 0])
    expect(nc.zeros(1, 2).scatter(1, nc.tensor([[1, 1]]), nc.tensor([[5.0, 6.0]])), [[0, 6]])


def test_second_derivatives_through_a_written_view():
    def function(x, w):
        y = x * 1
        y[0].mul_(w)
        y[1:, nc.tensor([0])] = w[:1] ** 2
        return (y**3).sum()

    x, w = leaf([1.0, 2.0], [3.0, 4.0]), leaf(0.5, 0.7)
    assert nc.testing.gradcheck(function, (x, w))
    assert nc.testing.gradgradcheck(function, (x, w))


def test_leaves_are_refused():
    x = leaf(1.0, 2.0)
    for write in (lambda: x.mul_(2), lambda: x.__setitem__(0, 1.0), lambda: x[0].zero_()):
        with pytest.raises(
            RuntimeError, match="leaf Variable that requires grad is being used in an in-place operation"
        ):
            write()
    with nc.no_grad():
        x[0] = 5.0
    expect(x, [5, 2])


def test_what_was_saved_must_not_change():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y**2
    y[0] = 3.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_repeated_memory_is_refused():
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single memory"):
        nc.zeros(1).expand(3).add_(1)


def test_numpy_semantics_that_pytorch_does_not_have():
    x = nc.arange(24).reshape(2, 3, 4)
    assert x[0, :, nc.tensor([1, 2])].shape == (3, 2)  # the integer is a view, not a place
    assert x[True].shape == (1, 2, 3, 4)
    assert x[False].shape == (0, 2, 3, 4)
    assert x[nc.tensor(1)].shape == (3, 4)
    assert x[:, nc.tensor([[0], [2]]), :].shape == (2, 2, 1, 4)
    assert x[nc.tensor([0]), None, nc.tensor([1])].shape == (1, 1, 4)
    assert x[...].data_ptr() == x.data_ptr()


def test_retain_grad_of_a_base_sees_what_comes_through_its_views():
    x = nc.tensor([1.0, 2.0, 3.0], requires_grad=True)
    base = x * 1
    base.retain_grad()
    view = base[1:]
    view.mul_(2)
    (view * view).sum().backward()
    np.testing.assert_array_equal(base.grad.numpy(), [0, 8, 12])
    np.testing.assert_array_equal(x.grad.numpy(), [0, 16, 24])


@pytest.mark.parametrize("requires_grad", [False, True])
def test_one_value_everywhere_may_be_written_to_repeated_elements(requires_grad):
    x = nc.ones(3, requires_grad=requires_grad) * 1
    x.expand(2, 3).fill_(2.0)
    np.testing.assert_array_equal(x.detach().numpy(), 2)
    x.expand(2, 3).zero_()
    np.testing.assert_array_equal(x.detach().numpy(), 0)
    with pytest.raises(RuntimeError, match="fill_: unsupported operation"):
        x.expand(2, 3).fill_(nc.tensor(2.0))
