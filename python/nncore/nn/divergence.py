"""Divergences and Wasserstein losses as modules; each applies a function of nncore.nn.functional."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.nn import functional as F
from nncore.nn.loss import _Loss
from nncore.nn.module import Module

if TYPE_CHECKING:
    from nncore.tensor import Tensor


class JSDivLoss(_Loss):
    """KL(P || M) / 2 + KL(Q || M) / 2 with M = (P + Q) / 2, of probabilities or of logits along `dim` (Lin, 1991)."""

    def __init__(self, reduction: str = "mean", logits: bool = False, dim: int = -1) -> None:
        super().__init__(reduction=reduction)
        self.logits, self.dim = logits, dim

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.js_div(input, target, reduction=self.reduction, logits=self.logits, dim=self.dim)


class WassersteinDistance(Module):
    """The exact Wasserstein distance of order p of one-dimensional samples [..., N] and [..., M]."""

    def __init__(self, p: float = 1.0) -> None:
        super().__init__()
        self.p = p

    def forward(
        self,
        u_values: Tensor,
        v_values: Tensor,
        u_weights: Tensor | None = None,
        v_weights: Tensor | None = None,
    ) -> Tensor:
        return F.wasserstein_distance(u_values, v_values, u_weights, v_weights, self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class WassersteinCriticLoss(Module):
    """mean(fake) - mean(real) of a critic's scores (Arjovsky et al., 2017)."""

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.wasserstein_critic_loss(real, fake)


class WassersteinGeneratorLoss(Module):
    """-mean(fake) of a critic's scores (Arjovsky et al., 2017)."""

    def forward(self, fake: Tensor) -> Tensor:
        return F.wasserstein_generator_loss(fake)
