"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.optim.optimizer import Optimizer, check_at_least_zero, check_betas

if TYPE_CHECKING:
    from collections.abc import Iterable


class NAdam(Optimizer):
    """p -= lr * ((1 - mu(t)) / (1 - M) * g + mu(t + 1) / (1 - M * mu(t + 1)) * m) / (sqrt(v / (1 - beta2^t)) + eps).

    m and v are Adam's; mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2), and M, the state's mu_product, is the
    product of all mu so far (Dozat, 2016). decoupled_weight_decay scales p by 1 - lr * weight_decay, as AdamW does.

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8944, -0.8944])
    """

    algorithm = "nadam"
    state_names, scalar_names = ("exp_avg", "exp_avg_sq"), ("mu_product",)

    def __init__(
        self,
        params: Iterable,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least_zero(learning__rate=lr, epsilon__value=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay__value=weight_decay, momentum_decay__value=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _start(self, name, group):
        return 1.0 if name == "mu_product" else 0.0

    def _settings(self, group) -> tuple:
        (beta1, beta2), rates = group["betas"], (float(group["lr"]), float(group["weight_decay"]))
        return *rates, float(beta1), float(beta2), group["eps"], group["momentum_decay"]
