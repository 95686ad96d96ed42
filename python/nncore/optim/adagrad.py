"""Adagrad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.ops.creation import full
from nncore.optim.optimizer import FLAG_MAXIMIZE, Optimizer, check_at_least_zero, new_step

if TYPE_CHECKING:
    from collections.abc import Iterable


class Adagrad(Optimizer):
    """p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps), where sum adds up g^2 (Duchi et al., 2011).

    g is the gradient plus weight_decay * p; sum starts at initial_accumulator_value.
    `foreach` and `fused` are accepted: a step is one fused call anyway.
    """

    algorithm = "adagrad"

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_at_least_zero(
            learning__rate=lr,
            lr_decay__value=lr_decay,
            weight_decay__value=weight_decay,
            initial_accumulator_value__value=initial_accumulator_value,
            epsilon__value=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                self._start(group, param)

    def _start(self, group, param):
        start = float(group["initial_accumulator_value"])
        sums = full(param.shape, start, dtype=param.dtype, device=param.device)
        self.state[param] = {"step": new_step(param), "sum": sums}
        return self.state[param]

    def _settings(self, group) -> tuple:
        return float(group["lr"]), float(group["weight_decay"]), group["lr_decay"], group["eps"]

    def _collect(self, group, index, rows):
        flags = FLAG_MAXIMIZE * group["maximize"]
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param] or self._start(group, param)
            sums, step = state["sum"]._array, state["step"]._array
            rows.append((param._array, grad._array, sums, None, None, step, index, flags))
