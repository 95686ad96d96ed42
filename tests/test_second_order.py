"""L-BFGS and Newton's method: optimizers that use curvature."""

import numpy as np
import pytest

import nncore as nc


def rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def minimise(optimizer, loss, steps):
    def closure():
        optimizer.zero_grad()
        value = loss()
        if isinstance(optimizer, nc.optim.LBFGS):
            value.backward()
        return value

    return [optimizer.step(closure).item() for _ in range(steps)]


def start(*values):
    return nc.nn.Parameter(nc.tensor(values, dtype=nc.float64))


@pytest.mark.parametrize(("search", "lr", "steps"), [("strong_wolfe", 1, 3), (None, 0.1, 30)])
def test_lbfgs_on_rosenbrock(search, lr, steps):
    w = start(-1.2, 1.0)
    losses = minimise(nc.optim.LBFGS([w], lr=lr, line_search_fn=search), lambda: rosenbrock(w), steps)
    np.testing.assert_allclose(w.detach().numpy(), 1, atol=1e-3)
    assert losses[0] == pytest.approx(24.2)


def test_lbfgs_keeps_its_history_in_the_state():
    w = start(-1.2, 1.0)
    first = nc.optim.LBFGS([w], max_iter=4, line_search_fn="strong_wolfe")
    minimise(first, lambda: rosenbrock(w), 2)
    copy = nc.nn.Parameter(w.detach().clone())
    second = nc.optim.LBFGS([copy], lr=9.0)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] == 1
    minimise(first, lambda: rosenbrock(w), 2)
    minimise(second, lambda: rosenbrock(copy), 2)
    np.testing.assert_array_equal(w.detach().numpy(), copy.detach().numpy())
    assert first.state[w]["n_iter"] == second.state[copy]["n_iter"] > 8
    assert first.state[w]["func_evals"] == second.state[copy]["func_evals"]


def test_lbfgs_forgets_beyond_history_size():
    w = start(-1.2, 1.0)
    optimizer = nc.optim.LBFGS([w], lr=0.1, max_iter=10, history_size=3)
    minimise(optimizer, lambda: rosenbrock(w), 1)
    assert len(optimizer.state[w]["old_dirs"]) == 3


def test_lbfgs_with_parameters_out_of_use():
    used, unused = start(3.0), start(5.0)
    minimise(nc.optim.LBFGS([used, unused]), lambda: (used**2).sum(), 1)
    assert used.item() == pytest.approx(0, abs=1e-6)
    assert unused.item() == 5
    used = start(3.0)
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        minimise(nc.optim.LBFGS([used], line_search_fn="x"), lambda: (used**2).sum(), 1)


def test_newton_on_a_quadratic_and_on_rosenbrock():
    matrix = np.random.default_rng(0).standard_normal((6, 4))
    target = nc.tensor(np.arange(6.0))
    a, b = start(1.0, 2.0), start(3.0, 4.0)
    optimizer = nc.optim.Newton([a, b])
    minimise(optimizer, lambda: ((nc.tensor(matrix) @ nc.cat([a, b]) - target) ** 2).sum(), 1)
    solution = np.linalg.lstsq(matrix, target.numpy(), rcond=None)[0]
    np.testing.assert_allclose(nc.cat([a, b]).detach().numpy(), solution, rtol=1e-9)
    w = start(-1.2, 1.0)
    minimise(nc.optim.Newton([w]), lambda: rosenbrock(w), 7)
    np.testing.assert_allclose(w.detach().numpy(), 1, atol=1e-12)


def test_newton_goes_to_a_saddle_unless_damped():
    def saddle(w):
        return w[0] ** 2 - w[1] ** 2 + w[1] ** 4

    w = start(0.5, 0.1)
    minimise(nc.optim.Newton([w]), lambda: saddle(w), 10)
    np.testing.assert_allclose(w.detach().numpy(), 0, atol=1e-9)
    w = start(0.5, 0.1)
    minimise(nc.optim.Newton([w], damping=3.0), lambda: saddle(w), 60)
    np.testing.assert_allclose(w.detach().numpy(), [0, np.sqrt(0.5)], atol=1e-6)


def test_newton_says_what_is_wrong():
    w = start(1.0, 2.0)
    with pytest.raises(RuntimeError, match="the Hessian is singular; give a damping above 0"):
        minimise(nc.optim.Newton([w]), lambda: w[0] ** 2, 1)
    optimizer = nc.optim.Newton([w], lr=0.5, damping=1.0)
    assert minimise(optimizer, lambda: w[0] ** 2, 1) == [1.0]
    np.testing.assert_allclose(w.detach().numpy(), [1 - 0.5 * 2 / 3, 2])
    np.testing.assert_allclose(w.grad.numpy(), [2, 0])
    assert repr(optimizer) == "Newton (\nParameter Group 0\n    damping: 1.0\n    lr: 0.5\n)"
