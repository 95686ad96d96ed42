"""RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.ops.creation import zeros
from nncore.optim.optimizer import FLAG_MAXIMIZE, Optimizer, check_at_least_zero, new_step

if TYPE_CHECKING:
    from collections.abc import Iterable


class RMSprop(Optimizer):
    """p -= lr * g / (sqrt(q) + eps), where q = alpha * q + (1 - alpha) * g^2 (Tieleman and Hinton, 2012).

    Centered, q - m^2 stands under the root, with m the running mean of g (Graves, 2013). With momentum the step is
    b = momentum * b + g / (sqrt(q) + eps). g is the gradient plus weight_decay * p.
    `foreach` and `capturable` are accepted: a step is one fused call that can be recorded anyway.
    """

    algorithm = "rmsprop"
    flags = 0  # of every row

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least_zero(
            learning__rate=lr,
            epsilon__value=eps,
            momentum__value=momentum,
            weight_decay__value=weight_decay,
            alpha__value=alpha,
        )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _settings(self, group) -> tuple:
        return float(group["lr"]), float(group["weight_decay"]), group["alpha"], group["eps"], group["momentum"]

    def _collect(self, group, index, rows):
        flags = FLAG_MAXIMIZE * group["maximize"] + self.flags
        names = ["square_avg"] + ["momentum_buffer"] * (group["momentum"] > 0) + ["grad_avg"] * group["centered"]
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state["step"] = new_step(param)
                state.update((n, zeros(param.shape, dtype=param.dtype, device=param.device)) for n in names)
            buffer = state["momentum_buffer"]._array if group["momentum"] > 0 else None
            mean = state["grad_avg"]._array if group["centered"] else None
            step = state["step"]._array
            rows.append((param._array, grad._array, state["square_avg"]._array, buffer, mean, step, index, flags))
