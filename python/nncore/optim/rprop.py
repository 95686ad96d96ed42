"""Rprop: resilient backpropagation, for whole batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.optim.optimizer import Optimizer, check_at_least_zero

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rprop(Optimizer):
    """p -= sign(g) * s, each parameter with a step size s of its own (Riedmiller and Braun, 1993).

    s starts at lr; it is multiplied by etas[1] where g keeps its sign and by etas[0] where it turns, within step_sizes.
    Where it turns the step is left out. The size of g plays no part, so that small gradients move parameters too; it
    needs the gradient of the whole batch.

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.Rprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -0.9000])
    """

    algorithm = "rprop"
    state_names = ("prev", "step_size")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least_zero(learning__rate=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _start(self, name, group):
        return float(group["lr"]) if name == "step_size" else 0.0

    def _settings(self, group) -> tuple:
        return 0.0, 0.0, *(float(value) for value in (*group["etas"], *group["step_sizes"]))
