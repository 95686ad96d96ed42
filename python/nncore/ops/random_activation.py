"""Activations that draw random numbers while they train."""

from __future__ import annotations

import warnings

from nncore.ops.activation import leaky_relu
from nncore.ops.apply import in_place
from nncore.ops.elementwise import where
from nncore.ops.index import scatter
from nncore.ops.random import rand
from nncore.ops.softmax_xent import softmax
from nncore.tensor import Tensor


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where x > 0, else r x, each r uniform in [lower, upper) while training and their mean otherwise (Xu et al.,
    2015).

    >>> F.rrelu(nc.tensor([-1.0, 2.0]), 0.1, 0.3)
    tensor([-0.2000,  2.0000])
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: Lower bound should be less than or equal to the upper bound, got {lower}, {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    return in_place(_rrelu, input, lower, upper) if inplace else _rrelu(input, lower, upper)


def _rrelu(input: Tensor, lower: float, upper: float) -> Tensor:
    slope = lower + (upper - lower) * rand(tuple(input.shape), dtype=input.dtype, device=input.device)
    return where(input <= 0, input * slope, input)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((logits + g) / tau) along dim, g Gumbel noise: a sample of the classes that has a gradient.

    As tau goes to 0 it goes to one-hot vectors; with hard=True it is one, while the gradient stays that of the soft
    sample (Jang et al., 2016; Maddison et al., 2016). eps is PyTorch's former argument, without effect.

    >>> F.gumbel_softmax(nc.tensor([0.0, 100.0]), hard=True)
    tensor([0., 1.])
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -(-rand(tuple(logits.shape), dtype=logits.dtype, device=logits.device).log()).log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = soft.detach().argmax(dim, keepdim=True)
    return scatter(soft.new_zeros(soft.shape), dim, chosen, 1.0) - soft.detach() + soft
