"""Gradient checks: what the tape says against finite differences, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nncore import _core, autograd
from nncore.ops.creation import from_numpy
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class GradcheckError(RuntimeError):
    """A gradient differs from its finite difference."""


def gradcheck(
    func: Callable,
    inputs: Tensor | Sequence,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    seed: int = 0,
) -> bool:
    """Whether the gradients of func at the inputs agree with central differences of step eps.

    Compared are the entries of the Jacobian, dy/dx ~ (f(x + eps) - f(x - eps)) / (2 eps), for every input that requires
    a gradient (float64 is expected); with fast_mode one random projection u^T J v of each instead.

    >>> x = nc.tensor([0.5, 2.0], dtype=nc.float64, requires_grad=True)
    >>> nc.testing.gradcheck(lambda x: x * x, x)
    True
    """
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    random = np.random.default_rng(seed)
    try:
        compare = _compare_projection if fast_mode else _compare_jacobian
        differentiable = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
        if not differentiable:
            raise ValueError("gradcheck: expected at least one input that requires a gradient")
        for i in differentiable:
            if inputs[i].dtype != _core.dtype.float64:
                raise ValueError(f"gradcheck: expected float64 inputs, input {i} has {inputs[i].dtype}")
            compare(func, inputs, i, eps, atol, rtol, random)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Tensor | Sequence,
    grad_outputs: Tensor | Sequence | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    seed: int = 1,
) -> bool:
    """As `gradcheck`, for the gradients of func as a function of the inputs and of the gradients that come in."""
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    random = np.random.default_rng(seed)
    if grad_outputs is None:
        grad_outputs = [
            _like(random.standard_normal(y.shape), y).requires_grad_()
            for y in _outputs(func, inputs)
            if y.requires_grad
        ]
    elif isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs]
    count = len(inputs)
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]

    def first_gradients(*values):
        xs = [values[i] for i in wanted]
        outputs = [y for y in _outputs(func, values[:count]) if y.requires_grad]
        gradients = autograd.grad(outputs, xs, values[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in gradients if g is not None and g.requires_grad)

    if not first_gradients(*inputs, *grad_outputs):
        return True  # no gradient depends on anything: all second derivatives are zero
    return gradcheck(
        first_gradients,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        fast_mode=fast_mode,
        seed=seed,
    )


def _outputs(func: Callable, inputs: Sequence) -> list[Tensor]:
    """The floating results of func."""
    result = func(*inputs)
    results = result if isinstance(result, (tuple, list)) else (result,)
    return [y for y in results if isinstance(y, Tensor) and y.is_floating_point()]


def _like(values: np.ndarray, tensor: Tensor) -> Tensor:
    copy = np.array(values, dtype=np.float64)
    return from_numpy(copy).to(device=tensor.device, dtype=tensor.dtype)


def _moved(func: Callable, inputs: tuple, i: int, step: np.ndarray) -> list[np.ndarray]:
    """The results with inputs[i] + step, on a tape of its own where func differentiates inside."""
    x = inputs[i]
    values = x.detach().cpu().numpy() + step
    moved = list(inputs)
    moved[i] = _like(values, x).requires_grad_()
    return [y.detach().cpu().numpy().copy() for y in _outputs(func, moved)]


def _analytic(func: Callable, inputs: tuple, i: int, weights: list[np.ndarray]) -> np.ndarray:
    """The gradient of the weighted sum of the results with respect to inputs[i]."""
    outputs = _outputs(func, inputs)
    pairs = [(y, _like(w, y)) for y, w in zip(outputs, weights, strict=True) if y.requires_grad]
    shape = tuple(inputs[i].shape)
    if not pairs:
        return np.zeros(shape)
    (gradient,) = autograd.grad([y for y, _ in pairs], [inputs[i]], [w for _, w in pairs], allow_unused=True)
    if gradient is None:
        return np.zeros(shape)
    if tuple(gradient.shape) != shape:
        raise GradcheckError(f"input {i} has shape {list(shape)}, its gradient {list(gradient.shape)}")
    return gradient.detach().cpu().numpy()


def _compare_projection(func, inputs, i, eps, atol, rtol, random) -> None:
    direction = random.standard_normal(tuple(inputs[i].shape))
    plus, minus = (_moved(func, inputs, i, sign * eps * direction) for sign in (1, -1))
    weights = [random.standard_normal(y.shape) for y in plus]
    numeric = sum(float(np.sum(w * (p - m))) for w, p, m in zip(weights, plus, minus, strict=True)) / (2 * eps)
    analytic = float(np.sum(_analytic(func, inputs, i, weights) * direction))
    if not abs(numeric - analytic) <= atol + rtol * abs(numeric):
        raise GradcheckError(f"input {i}: a projection of the gradient is {analytic}, finite differences say {numeric}")


def _compare_jacobian(func, inputs, i, eps, atol, rtol, random) -> None:
    shape = tuple(inputs[i].shape)
    outputs = [y.detach().cpu().numpy() for y in _outputs(func, inputs)]
    numeric = [np.zeros((y.size, *shape)) for y in outputs]
    for place in np.ndindex(shape):
        step = np.zeros(shape)
        step[place] = eps
        plus, minus = _moved(func, inputs, i, step), _moved(func, inputs, i, -step)
        for column, p, m in zip(numeric, plus, minus, strict=True):
            column[(slice(None), *place)] = (p - m).ravel() / (2 * eps)
    for k, y in enumerate(outputs):
        for row in range(y.size):
            weights = [np.zeros(z.shape) for z in outputs]
            weights[k].flat[row] = 1
            analytic = _analytic(func, inputs, i, weights)
            if not np.allclose(analytic, numeric[k][row], rtol=rtol, atol=atol):
                raise GradcheckError(
                    f"output {k}, element {row}, input {i}: the gradient is\n{analytic}\n"
                    f"finite differences say\n{numeric[k][row]}"
                )
