"""How far two distributions are apart, where PyTorch has no loss: Jensen and Shannon's divergence, and Wasserstein's
distance, exactly in one dimension and through a critic in many."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore.autograd import grad
from nncore.ops.elementwise import maximum, where
from nncore.ops.index import gather
from nncore.ops.join import cat
from nncore.ops.loss import check_reduction, reduced
from nncore.ops.pad import pad
from nncore.ops.pointwise import clamp_max
from nncore.ops.random import rand
from nncore.ops.require import require
from nncore.ops.softmax_xent import log_softmax
from nncore.ops.sort import argsort, sort
from nncore.ops.statistics import vector_norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore.ops.random import Generator
    from nncore.tensor import Tensor


# ---- Jensen-Shannon ----


def js_div(input: Tensor, target: Tensor, reduction: str = "mean", logits: bool = False, dim: int = -1) -> Tensor:
    """KL(P || M) / 2 + KL(Q || M) / 2 with M = (P + Q) / 2: Jensen-Shannon divergence (Lin, 1991), between 0 and log 2.

    P = input and Q = target hold probabilities along dim, or with logits=True any scores, whose softmax is taken.
    One divergence for each distribution: all of them for "none", their mean or sum otherwise. Probabilities of 0
    count 0. It is symmetric and bounded; where P and Q do not overlap it is flat, and the gradient by logits is 0.

    >>> p, q = nc.tensor([1.0, 0.0]), nc.tensor([0.0, 1.0])
    >>> F.js_div(p, q), F.js_div(p, p)
    (tensor(0.6931), tensor(0.))
    """
    reduction = check_reduction(reduction)
    if logits:
        log_p, log_q = log_softmax(input, dim), log_softmax(target, dim)
        low = -abs(log_p - log_q)
        log_m = maximum(log_p, log_q) + low.exp().log1p() - math.log(2)
        terms = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    else:
        middle = (input + target) * 0.5
        terms = _part(input, middle) + _part(target, middle)
    return reduced(terms.sum(dim) * 0.5, reduction)


def _part(p: Tensor, m: Tensor) -> Tensor:
    """p log(p / m), and 0 with a finite gradient where p is 0."""
    some = p > 0
    return p * (where(some, p, 1.0).log() - where(some, m, 1.0).log())


# ---- Wasserstein in one dimension ----


def wasserstein_distance(
    u_values: Tensor,
    v_values: Tensor,
    u_weights: Tensor | None = None,
    v_weights: Tensor | None = None,
    p: float = 1.0,
) -> Tensor:
    """(integral over q from 0 to 1 of |U(q) - V(q)|^p)^(1/p), U and V the quantile functions of two sets of samples.

    In one dimension this is the least cost of moving one distribution to the other, without any search: sorted samples
    go to sorted samples (Vallender, 1974; Villani, "Topics in Optimal Transportation", 2003, theorem 2.18).

    u_values [..., N] and v_values [..., M] have one batch shape; the result is [...]. Weights, of their values' shapes,
    at least 0 and not all 0 in a row, are normalised; without them samples count alike. p >= 1. Differentiable by
    values and weights (by the samples' order as it is; at equal quantiles the slope is 0).

    >>> F.wasserstein_distance(nc.tensor([0.0, 1.0, 3.0]), nc.tensor([5.0, 6.0, 8.0]))
    tensor(5.)
    >>> x = nc.tensor([0.0, 1.0])
    >>> F.wasserstein_distance(x, x, u_weights=nc.tensor([3.0, 1.0]))
    tensor(0.2500)
    """
    if not p >= 1 or math.isinf(p):
        raise ValueError(f"wasserstein_distance: expected a finite p of at least 1, got {p}")
    for what, values, weights in (("u", u_values, u_weights), ("v", v_values, v_weights)):
        _check_samples(what, values, weights)
    if u_values.shape[:-1] != v_values.shape[:-1]:
        raise RuntimeError(
            "wasserstein_distance: expected samples of one batch shape, got "
            f"{list(u_values.shape)} and {list(v_values.shape)}"
        )
    if u_weights is v_weights is None and u_values.shape == v_values.shape:
        gaps = sort(u_values, -1).values - sort(v_values, -1).values
        return vector_norm(gaps, p, -1) / u_values.shape[-1] ** (1 / p)
    (u, u_levels), (v, v_levels) = _quantiles(u_values, u_weights), _quantiles(v_values, v_weights)
    # Between two neighbouring levels of either both quantile functions are constant.
    levels, order = sort(cat([u_levels, v_levels], -1), -1, stable=True)
    widths = levels - pad(levels[..., :-1], (1, 0))
    from_u = (order < u.shape[-1]).to(order.dtype)
    u_place, v_place = from_u.cumsum(-1) - from_u, (1 - from_u).cumsum(-1) - (1 - from_u)  # levels passed before
    gaps = gather(u, -1, clamp_max(u_place, u.shape[-1] - 1)) - gather(v, -1, clamp_max(v_place, v.shape[-1] - 1))
    if p == 1:
        return (widths * gaps.abs()).sum(-1)
    return vector_norm(where(widths > 0, widths, 1.0) ** (1 / p) * where(widths > 0, gaps, 0.0), p, -1)


def _quantiles(values: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """The samples in order, and the share of the weight up to each of them."""
    if weights is None:
        ordered = sort(values, -1).values
        count = values.shape[-1]
        return ordered, ordered.new_ones(ordered.shape).cumsum(-1) / count
    order = argsort(values, -1)
    total = gather(weights, -1, order).cumsum(-1)
    return gather(values, -1, order), total / total[..., -1:]


def _check_samples(what: str, values: Tensor, weights: Tensor | None) -> None:
    if values.ndim == 0 or values.shape[-1] == 0:
        raise RuntimeError(f"wasserstein_distance: expected {what}_values [..., N], N > 0, got {list(values.shape)}")
    if not values.is_floating_point():
        raise RuntimeError(f"wasserstein_distance: expected floating point {what}_values, got {values.dtype}")
    if weights is None:
        return
    if weights.shape != values.shape:
        raise RuntimeError(
            f"wasserstein_distance: expected {what}_weights of the shape of the values {list(values.shape)}, got "
            f"{list(weights.shape)}"
        )
    expected = f"wasserstein_distance: expected {what}_weights of at least 0 with a sum above 0"
    require(~(weights.detach() < 0), ValueError, expected)
    require(weights.detach().sum(-1) > 0, ValueError, expected)


# ---- Wasserstein through a critic ----


def wasserstein_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """mean(fake) - mean(real), the critic's scores: least for the critic that tells them apart best (Arjovsky et al.,
    2017). While the critic is 1-Lipschitz, -loss is at most the Wasserstein distance, and reaches it.

    >>> F.wasserstein_critic_loss(nc.tensor([3.0, 5.0]), nc.tensor([1.0]))
    tensor(-3.)
    """
    return fake.mean() - real.mean()


def wasserstein_generator_loss(fake: Tensor) -> Tensor:
    """-mean(fake), the critic's scores of what the generator made (Arjovsky et al., 2017).

    >>> F.wasserstein_generator_loss(nc.tensor([1.0, 3.0]))
    tensor(-2.)
    """
    return -fake.mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    weight: float = 10.0,
    generator: Generator | None = None,
) -> Tensor:
    """weight * mean((||d critic(x) / dx||_2 - 1)^2) at points x drawn between the pairs of real and fake samples.

    x = e * real + (1 - e) * fake with e uniform for each sample [N, ...]. It holds the critic near slope 1, in place of
    clipped weights (Gulrajani et al., 2017, who take a weight of 10). The penalty is differentiable by the critic's
    parameters; real and fake count as constants.

    >>> F.gradient_penalty(lambda x: 3 * x.sum(1), nc.zeros(4, 1), nc.ones(4, 1))
    tensor(40.)
    """
    if real.shape != fake.shape or real.ndim == 0:
        raise RuntimeError(
            f"gradient_penalty: expected real and fake samples [N, ...] of one shape, got {list(real.shape)} and "
            f"{list(fake.shape)}"
        )
    real, fake = real.detach(), fake.detach()
    mix = rand((real.shape[0], *(1,) * (real.ndim - 1)), dtype=real.dtype, device=real.device, generator=generator)
    x = (mix * real + (1 - mix) * fake).requires_grad_()
    (slope,) = grad(critic(x).sum(), x, create_graph=True)
    excess = vector_norm(slope.reshape(real.shape[0], -1), 2, 1) - 1
    return weight * (excess * excess).mean()
