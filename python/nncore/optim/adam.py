"""Adam and AdamW, both with AMSGrad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.ops.creation import zeros
from nncore.optim.optimizer import FLAG_DECOUPLED, FLAG_MAXIMIZE, Optimizer, check_at_least_zero, check_betas, new_step

if TYPE_CHECKING:
    from collections.abc import Iterable


class Adam(Optimizer):
    """p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps) (Kingma and Ba, 2014).

    m = beta1 * m + (1 - beta1) * g and v = beta2 * v + (1 - beta2) * g^2, with g the gradient plus weight_decay * p.
    amsgrad takes the largest v so far (Reddi et al., 2018); decoupled_weight_decay makes it AdamW.
    `foreach`, `fused` and `capturable` are accepted: a step is one fused call that can be recorded anyway.

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -0.9000])
    """

    algorithm = "adam"

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_at_least_zero(learning__rate=lr, epsilon__value=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay__value=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _settings(self, group) -> tuple:
        beta1, beta2 = group["betas"]
        return float(group["lr"]), float(group["weight_decay"]), float(beta1), float(beta2), group["eps"]

    def _collect(self, group, index, rows):
        flags = FLAG_MAXIMIZE * group["maximize"] + FLAG_DECOUPLED * group["decoupled_weight_decay"]
        amsgrad = group["amsgrad"]
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state["step"] = new_step(param)
                for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if amsgrad else 2]:
                    state[name] = zeros(param.shape, dtype=param.dtype, device=param.device)
            mean, square = state["exp_avg"]._array, state["exp_avg_sq"]._array
            largest = state["max_exp_avg_sq"]._array if amsgrad else None
            rows.append((param._array, grad._array, mean, square, largest, state["step"]._array, index, flags))


class AdamW(Adam):
    """Adam whose weight decay is no part of the gradient: p is scaled by 1 - lr * weight_decay before each step
    (Loshchilov and Hutter, 2017). Arguments as in Adam."""

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
