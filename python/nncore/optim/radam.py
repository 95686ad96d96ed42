"""RAdam: Adam that waits until it knows the variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.optim.optimizer import Optimizer, check_at_least_zero, check_betas

if TYPE_CHECKING:
    from collections.abc import Iterable


class RAdam(Optimizer):
    """Adam with a rate scaled by r(t) while the variance of its v is known well enough; before that p -= lr * m alone.

    With k = 2 / (1 - beta2) - 1 and q = k - 2 t beta2^t / (1 - beta2^t): where q > 5,
    r = sqrt((q - 4) (q - 2) k / ((k - 4) (k - 2) q)) and
    p -= lr * r / (1 - beta1^t) * m * sqrt(1 - beta2^t) / (sqrt(v) + eps) (Liu et al., 2019).

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8000, -0.8000])
    """

    algorithm = "radam"
    state_names = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least_zero(learning__rate=lr, epsilon__value=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay__value=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _settings(self, group) -> tuple:
        beta1, beta2 = group["betas"]
        return float(group["lr"]), float(group["weight_decay"]), float(beta1), float(beta2), group["eps"]
