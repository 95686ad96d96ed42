"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.ops.creation import empty, zeros
from nncore.optim.optimizer import FLAG_FIRST, FLAG_MAXIMIZE, FLAG_NESTEROV, Optimizer, check_at_least_zero

if TYPE_CHECKING:
    from collections.abc import Iterable


class SGD(Optimizer):
    """p -= lr * g with momentum b = momentum * b + (1 - dampening) * g, which starts as the first g (Sutskever et al.,
    2013).

    g is the gradient plus weight_decay * p. With nesterov the step is g + momentum * b; with maximize it goes uphill.
    `foreach` and `fused` are accepted: a step is one fused call anyway.

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8000, -0.8000])
    """

    algorithm = "sgd"
    buffer_starts_as_gradient = True  # not as (1 - dampening) of it

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_at_least_zero(learning__rate=lr, momentum__value=momentum, weight_decay__value=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _settings(self, group) -> tuple:
        return float(group["lr"]), float(group["weight_decay"]), group["momentum"], group["dampening"]

    def _collect(self, group, index, rows):
        flags = FLAG_MAXIMIZE * group["maximize"] + FLAG_NESTEROV * group["nesterov"]
        buffered = group["momentum"] != 0
        dampened = group["dampening"] != 0 and self.buffer_starts_as_gradient
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if not buffered:
                rows.append((param._array, grad._array, None, None, None, None, index, flags))
                continue
            state = self.state[param]
            buffer, row_flags = state.get("momentum_buffer"), flags
            if buffer is None:
                # Undamped, a buffer of zeros becomes the first gradient by itself, and a recorded step can be replayed.
                make = empty if dampened else zeros
                buffer = state["momentum_buffer"] = make(param.shape, dtype=param.dtype, device=param.device)
                row_flags = flags + FLAG_FIRST * dampened
            rows.append((param._array, grad._array, buffer._array, None, None, None, index, row_flags))
