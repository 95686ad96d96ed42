"""Newton's method, with the whole Hessian: for problems of a few parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nncore.autograd import enable_grad, grad, no_grad
from nncore.ops.creation import tensor
from nncore.ops.join import cat
from nncore.optim.optimizer import Optimizer, check_at_least_zero

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nncore.tensor import Tensor

_MOST = 2000  # parameters: a Hessian of 32 MB, 2000 passes over the tape and some seconds for each step


class Newton(Optimizer):
    """p -= lr * (H + damping * I)^-1 g, H the Hessian of the loss (Levenberg, 1944, for the damping).

    `step(closure)` makes one step; closure computes the loss and returns it, and does not call backward. H comes from
    the tape, one pass for each parameter (N numbers in all, N <= 2000); the system is solved in N^3 operations.

    Undamped, on a quadratic loss, one step with lr 1 ends at the stationary point, whichever kind that is: Newton's
    method goes to saddles and maxima as it goes to minima. Where H has negative eigenvalues, a damping larger than the
    most negative one makes each step a descent; large damping makes it gradient descent with rate lr / damping. Far
    from a minimum steps can be too long: damp them, or take a smaller lr.

    Raises RuntimeError where the matrix is singular or the loss has no second derivative. One parameter group only.

    >>> w = nc.nn.Parameter(nc.tensor([3.0, -2.0]))
    >>> optimizer = nc.optim.Newton([w])
    >>> loss = optimizer.step(lambda: (w * w * nc.tensor([1.0, 100.0])).sum())
    >>> w.detach()
    tensor([0., 0.])
    """

    def __init__(self, params: Iterable, lr: float = 1.0, damping: float = 0.0) -> None:
        check_at_least_zero(learning__rate=lr, damping__value=damping)
        super().__init__(params, {"lr": lr, "damping": damping})
        if len(self.param_groups) != 1:
            raise ValueError("Newton doesn't support per-parameter options (parameter groups)")
        count = sum(param.numel() for param in self.param_groups[0]["params"])
        if count > _MOST:
            raise ValueError(f"Newton: expected at most {_MOST} numbers, whose Hessian fits in memory, got {count}")

    def step(self, closure: Callable[[], Tensor]):
        """One step; returns the loss before it. The parameters' `grad` is the gradient that was used."""
        for hook in self._pre_hooks.values():
            hook(self, (closure,), {})
        group = self.param_groups[0]
        params = group["params"]
        with enable_grad():
            loss = closure()
            first = grad(loss, params, create_graph=True, allow_unused=True)
            gradient = cat([(p * 0 if g is None else g).reshape(-1) for g, p in zip(first, params, strict=True)])
            hessian = np.stack([self._row(element, params) for element in gradient])
        update = self._solve(hessian, gradient.detach().numpy(force=True), group["damping"])
        start = 0
        with no_grad():
            for param, g in zip(params, first, strict=True):
                stop = start + param.numel()
                change = tensor(update[start:stop].reshape(param.shape), dtype=param.dtype, device=param.device)
                param.sub_(change, alpha=group["lr"])
                param.grad = None if g is None else g.detach()
                start = stop
        self._opt_called = True
        for hook in self._post_hooks.values():
            hook(self, (closure,), {})
        return loss.detach()

    @staticmethod
    def _row(element: Tensor, params) -> np.ndarray:
        """The derivatives of one element of the gradient."""
        if not element.requires_grad:
            return np.zeros(sum(p.numel() for p in params))
        row = grad(element, params, retain_graph=True, allow_unused=True)
        parts = [np.zeros(p.numel()) if r is None else r.numpy(force=True) for r, p in zip(row, params, strict=True)]
        return np.concatenate([part.reshape(-1) for part in parts])

    @staticmethod
    def _solve(hessian: np.ndarray, gradient: np.ndarray, damping: float) -> np.ndarray:
        matrix = hessian.astype(np.float64) + damping * np.eye(len(hessian))
        try:
            return np.linalg.solve(matrix, gradient)
        except np.linalg.LinAlgError:
            raise RuntimeError("Newton: the Hessian is singular; give a damping above 0") from None
