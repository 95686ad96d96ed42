"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.optim.optimizer import Optimizer, check_at_least_zero, check_betas

if TYPE_CHECKING:
    from collections.abc import Iterable


class Adamax(Optimizer):
    """p -= lr / (1 - beta1^t) * m / u (Kingma and Ba, 2014, section 7.1).

    m = beta1 * m + (1 - beta1) * g and u = max(beta2 * u, |g| + eps), with g the gradient plus weight_decay * p.

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -0.9000])
    """

    algorithm = "adamax"
    state_names = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_at_least_zero(learning__rate=lr, epsilon__value=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay__value=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _settings(self, group) -> tuple:
        beta1, beta2 = group["betas"]
        return float(group["lr"]), float(group["weight_decay"]), float(beta1), float(beta2), group["eps"]
