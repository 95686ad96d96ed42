"""Penalties on weights: terms for a loss, and a hard limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.autograd import no_grad
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable


def _listed(operation: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not parameters:
        raise ValueError(f"{operation}: expected at least one parameter")
    return parameters


def l1_penalty(parameters: Tensor | Iterable[Tensor], strength: float = 1.0) -> Tensor:
    """strength * sum of |w| over all elements of the parameters given: added to a loss it drives weights to exactly 0
    (Tibshirani, 1996). Often only weights are given, without biases.

    >>> model = nc.nn.Linear(2, 1)
    >>> loss = nc.nn.utils.l1_penalty(model.weight, 0.1)
    >>> loss.backward()
    >>> model.weight.grad.abs()
    tensor([[0.1000, 0.1000]])
    """
    first, *others = (param.abs().sum() for param in _listed("l1_penalty", parameters))
    return sum(others, start=first) * strength


def l2_penalty(parameters: Tensor | Iterable[Tensor], strength: float = 1.0) -> Tensor:
    """strength * sum of w^2 over all elements of the parameters given: added to a loss it keeps weights small.

    The gradient is 2 * strength * w, that of an optimizer's weight_decay = 2 * strength; unlike weight_decay it is part
    of the loss that is reported, and holds for the parameters given alone (Krogh and Hertz, 1991).

    >>> nc.nn.utils.l2_penalty([nc.tensor([1.0, 2.0]), nc.tensor(3.0)], 0.5)
    tensor(7.)
    """
    first, *others = ((param * param).sum() for param in _listed("l2_penalty", parameters))
    return sum(others, start=first) * strength


@no_grad()
def clip_weights_(parameters: Tensor | Iterable[Tensor], limit: float = 0.01) -> None:
    """Limits every element of the parameters to [-limit, limit], in place: after each step, to bound the slope of a
    Wasserstein critic (Arjovsky et al., 2017).

    >>> w = nc.nn.Parameter(nc.tensor([0.5, -0.001]))
    >>> nc.nn.utils.clip_weights_(w)
    >>> w.detach()
    tensor([ 0.0100, -0.0010])
    """
    if not limit > 0:
        raise ValueError(f"clip_weights_: expected a limit above 0, got {limit}")
    for param in _listed("clip_weights_", parameters):
        param.clamp_(min=-limit, max=limit)
