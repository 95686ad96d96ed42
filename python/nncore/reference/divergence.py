"""Jensen-Shannon divergence and Wasserstein distances."""

import numpy as np

from nncore.reference.loss import _reduced


def js_div(input, target, reduction="mean", logits=False, dim=-1):
    if logits:
        input, target = (np.exp(x - np.logaddexp.reduce(x, dim, keepdims=True)) for x in (input, target))
    middle = (input + target) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = sum(np.where(p > 0, p * np.log(p / middle), 0) for p in (input, target))
    return _reduced(np.asarray(terms.sum(dim) / 2), reduction)


def wasserstein_distance(u_values, v_values, u_weights=None, v_weights=None, p=1.0):
    batch = u_values.shape[:-1]
    out = np.empty(batch, u_values.dtype)
    for i in np.ndindex(batch):
        weights = [None if w is None else w[i] for w in (u_weights, v_weights)]
        out[i] = _distance(u_values[i], v_values[i], *weights, p)
    return out


def _distance(u, v, u_weights, v_weights, p):
    """The weight of each sample is carried to where the other's quantile function has it, piece by piece."""
    piles = []
    for values, weights in ((u, u_weights), (v, v_weights)):
        weights = np.ones(values.shape) if weights is None else weights.astype(np.float64)
        order = np.argsort(values)
        shares = weights[order] / weights.sum()
        piles.append([list(pair) for pair in zip(values[order].astype(np.float64), shares, strict=True)])
    cost = 0.0
    while all(piles):
        (a, mass_a), (b, mass_b) = piles[0][0], piles[1][0]
        moved = min(mass_a, mass_b)
        cost += moved * abs(a - b) ** p
        for pile in piles:
            pile[0][1] -= moved
            if pile[0][1] <= 1e-15:
                pile.pop(0)
    return cost ** (1 / p)


def wasserstein_critic_loss(real, fake):
    return np.asarray(fake.mean() - real.mean())


def wasserstein_generator_loss(fake):
    return np.asarray(-fake.mean())
