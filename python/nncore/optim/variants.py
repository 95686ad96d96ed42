"""Two optimizers as the lecture writes them, where PyTorch's formulas differ a little."""

from __future__ import annotations

from nncore.optim.optimizer import FLAG_EPS_INSIDE
from nncore.optim.rmsprop import RMSprop
from nncore.optim.sgd import SGD


class MovingAverageSGD(SGD):
    """v = b * v + (1 - b) * g;  p -= lr * v: momentum as a moving average of the gradients, from v = 0.

    SGD's momentum is v = b * v + g. The average is smaller by the factor 1 - b: with b = 0.9, lr = 0.1 here goes the
    way of lr = 0.01 there.

    >>> w = nc.nn.Parameter(nc.tensor([1.0, -1.0]))
    >>> optimizer = nc.optim.MovingAverageSGD([w], lr=0.1, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9800, -0.9800])
    """

    buffer_starts_as_gradient = False

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"Invalid momentum value: {momentum}")
        super().__init__(
            params,
            lr,
            momentum,
            momentum,
            weight_decay,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
        )


class RootEpsRMSprop(RMSprop):
    """q = alpha * q + (1 - alpha) * g^2;  p -= lr * g / sqrt(q + eps): RMSprop with epsilon inside the root.

    RMSprop itself divides by sqrt(q) + eps. The two agree where q is much larger than eps; for a parameter whose
    gradients vanish the divisor is sqrt(eps) here, 1e-4 by default, and eps there. Arguments as in RMSprop.

    >>> w = nc.nn.Parameter(nc.tensor([1.0]))
    >>> optimizer = nc.optim.RootEpsRMSprop([w], lr=0.1, alpha=0.75, eps=3.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()  # 2 / sqrt(0.25 * 4 + 3)
    >>> w.detach()
    tensor([0.9000])
    """

    flags = FLAG_EPS_INSIDE
