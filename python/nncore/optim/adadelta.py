"""Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.optim.optimizer import Optimizer, check_at_least_zero

if TYPE_CHECKING:
    from collections.abc import Iterable


class Adadelta(Optimizer):
    """p -= lr * d with d = sqrt(a + eps) / sqrt(s + eps) * g: steps in the parameter's own unit (Zeiler, 2012).

    s = rho * s + (1 - rho) * g^2 and a = rho * a + (1 - rho) * d^2, with g the gradient plus weight_decay * p.

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.Adadelta([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9968, -0.9968])
    """

    algorithm = "adadelta"
    state_names = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least_zero(learning__rate=lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_at_least_zero(epsilon__value=eps, weight_decay__value=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _settings(self, group) -> tuple:
        return float(group["lr"]), float(group["weight_decay"]), group["rho"], group["eps"]
