"""L-BFGS, a quasi-Newton method with little memory, and its line search."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nncore.autograd import enable_grad, no_grad
from nncore.ops.creation import zeros_like
from nncore.ops.gemm import dot
from nncore.ops.join import cat
from nncore.optim.optimizer import Optimizer, check_at_least_zero

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nncore.tensor import Tensor


class LBFGS(Optimizer):
    """Steps along -H g, where H, the inverse Hessian, comes from the last `history_size` changes of the gradient
    (Nocedal, 1980; Liu and Nocedal, 1989).

    `step(closure)` makes up to max_iter such steps; closure clears the gradients, computes the loss, calls backward and
    returns the loss. It is called at most about max_eval times (max_iter * 5 / 4 where None). A step ends early where
    the largest gradient is at most tolerance_grad, or parameters or loss change by less than tolerance_change. The
    length of a step is lr, for the first one at most lr over the sum of |g|; with line_search_fn="strong_wolfe" a line
    search starts there. One parameter group only; for the gradient of the whole batch.

    >>> w = nc.nn.Parameter(nc.tensor([3.0, -2.0]))
    >>> optimizer = nc.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (w * w * nc.tensor([1.0, 100.0])).sum()
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> bool(w.detach().abs().max() < 1e-4)
    True
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_at_least_zero(learning__rate=lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @no_grad()
    def step(self, closure: Callable[[], Tensor]):
        """Minimise for up to max_iter iterations; returns the loss that the closure gave first."""
        for hook in self._pre_hooks.values():
            hook(self, (closure,), {})
        first = self._minimise(enable_grad()(closure))
        self._opt_called = True
        for hook in self._post_hooks.values():
            hook(self, (closure,), {})
        return first

    def _minimise(self, closure):
        group = self.param_groups[0]
        lr, search = float(group["lr"]), group["line_search_fn"]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, gradient, calls = float(first), self._flat_gradient(), 1
        state["func_evals"] += 1
        if float(gradient.abs().max()) <= group["tolerance_grad"]:
            return first
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = _direction(state, gradient, group["history_size"])
            state["prev_flat_grad"], before = gradient, loss
            length = min(1.0, 1.0 / float(gradient.abs().sum())) * lr if state["n_iter"] == 1 else lr
            state.update(d=direction, t=length, prev_loss=before)
            slope = float(dot(gradient, direction))
            if slope > -group["tolerance_change"]:
                break
            made = 0
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = _Point(0.0, loss, gradient, slope)
                point, made = _strong_wolfe(
                    self._along(closure, direction), start, length, float(direction.abs().max()), group, calls
                )
                state["t"] = length = point.t
                loss, gradient = point.loss, point.gradient
                self._move(length, direction)
            else:
                self._move(length, direction)
                if iteration != group["max_iter"]:
                    loss, gradient, made = float(closure()), self._flat_gradient(), 1
            calls += made
            state["func_evals"] += made
            if (
                iteration == group["max_iter"]
                or calls >= group["max_eval"]
                or float(gradient.abs().max()) <= group["tolerance_grad"]
                or float((direction * length).abs().max()) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first

    def _flat_gradient(self):
        params = self.param_groups[0]["params"]
        return cat([zeros_like(p).reshape(-1) if p.grad is None else p.grad.detach().reshape(-1) for p in params])

    def _move(self, length: float, direction: Tensor) -> None:
        start = 0
        for param in self.param_groups[0]["params"]:
            stop = start + param.numel()
            param.add_(direction[start:stop].reshape(param.shape), alpha=length)
            start = stop

    def _along(self, closure, direction: Tensor):
        """The loss at x + t direction with its slope, as a function of t; the parameters come back to x."""
        params = self.param_groups[0]["params"]
        origin = [param.detach().clone() for param in params]

        def evaluate(t: float) -> _Point:
            self._move(t, direction)
            loss, gradient = float(closure()), self._flat_gradient()
            for param, value in zip(params, origin, strict=True):
                param.copy_(value)
            return _Point(t, loss, gradient, float(dot(gradient, direction)))

        return evaluate


def _direction(state: dict, gradient: Tensor, history_size: int) -> Tensor:
    """-H g by the two loops over the remembered changes y of the gradient and s of the parameters."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        return -gradient
    y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
    changes, steps, inverse = state["old_dirs"], state["old_stps"], state["ro"]
    curvature = float(dot(y, s))
    if curvature > 1e-10:
        if len(changes) == history_size:
            for remembered in (changes, steps, inverse):
                remembered.pop(0)
        changes.append(y)
        steps.append(s)
        inverse.append(1.0 / curvature)
        state["H_diag"] = curvature / float(dot(y, y))
    weights = state.setdefault("al", [None] * history_size)
    q = -gradient
    for i in reversed(range(len(changes))):
        weights[i] = float(dot(steps[i], q)) * inverse[i]
        q = q - changes[i] * weights[i]
    r = q * float(state["H_diag"])
    for i, change in enumerate(changes):
        r = r + steps[i] * (weights[i] - float(dot(change, r)) * inverse[i])
    return r


# ---- the line search ----


class _Point(NamedTuple):
    """Where a line search has been: the step t, the loss, its gradient, and the slope along the direction."""

    t: float
    loss: float
    gradient: Tensor
    slope: float


def _strong_wolfe(evaluate, start: _Point, t: float, size: float, group: dict, calls: int) -> tuple[_Point, int]:
    """A point of sufficient decrease (c1) whose slope is flat enough (c2), and the number of evaluations.

    First steps are lengthened until they hold such a point between them, then that bracket is narrowed (Nocedal and
    Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6). `size` is the largest element of the direction.
    """
    c1, c2, limit = 1e-4, 0.9, group["max_eval"] - calls

    def too_high(p: _Point) -> bool:
        return p.loss > start.loss + c1 * p.t * start.slope

    def flat(p: _Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    before, now, tries = start, evaluate(t), 0
    while tries < limit:
        if too_high(now) or (tries > 1 and now.loss >= before.loss):
            break
        if flat(now):
            return now, tries + 1
        if now.slope >= 0:
            break
        longer = _lowest_of_cubic(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10)
        before, now, tries = now, evaluate(longer), tries + 1
    else:
        before = start
    low, high = (before, now) if before.loss <= now.loss else (now, before)
    hesitated = False
    while tries < limit and abs(high.t - low.t) * size >= group["tolerance_change"]:
        left, right = sorted((low.t, high.t))
        t = _lowest_of_cubic(low, high, left, right)
        edge = 0.1 * (right - left)
        if min(right - t, t - left) < edge:  # twice in a row, or outside: a tenth into the bracket instead
            if hesitated or t >= right or t <= left:
                t, hesitated = (right - edge if abs(t - right) < abs(t - left) else left + edge), False
            else:
                hesitated = True
        else:
            hesitated = False
        new, tries = evaluate(t), tries + 1
        if too_high(new) or new.loss >= low.loss:
            low, high = (low, new) if low.loss <= new.loss else (new, low)
            continue
        if flat(new):
            return new, tries + 1
        if new.slope * (high.t - low.t) >= 0:
            high = low
        low = new
    return low, tries + 1


def _lowest_of_cubic(a: _Point, b: _Point, least: float, most: float) -> float:
    """Where the cubic through two points with their slopes is lowest, within [least, most]; its middle if nowhere."""
    left, right = (a, b) if a.t <= b.t else (b, a)
    bend = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t)
    square = bend * bend - left.slope * right.slope
    if not square >= 0:
        return (least + most) / 2
    root = square**0.5
    share = (right.slope + root - bend) / (right.slope - left.slope + 2 * root)
    return min(max(right.t - (right.t - left.t) * share, least), most)
