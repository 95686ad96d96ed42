"""ASGD: stochastic gradient descent with the average of its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.optim.optimizer import Optimizer, check_at_least_zero

if TYPE_CHECKING:
    from collections.abc import Iterable


class ASGD(Optimizer):
    """p = (1 - lambd * eta) * p - eta * g, and the average of all p from step t0 on in the state's `ax`.

    eta = lr / (1 + lambd * lr * t)^alpha after step t; ax += mu * (p - ax) with mu = 1 / max(1, t - t0)
    (Polyak and Juditsky, 1992). g is the gradient plus weight_decay * p.

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8000, -0.8000])
    """

    algorithm = "asgd"
    state_names, scalar_names = ("ax",), ("eta", "mu")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_at_least_zero(learning__rate=lr, weight_decay__value=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _start(self, name, group):
        return {"eta": group["lr"], "mu": 1.0, "ax": 0.0}[name]

    def _settings(self, group) -> tuple:
        return float(group["lr"]), float(group["weight_decay"]), group["lambd"], group["alpha"], group["t0"]
