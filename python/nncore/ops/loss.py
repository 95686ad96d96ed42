"""Losses computed element by element. They are composed of other operations, so their gradients follow from those."""

from __future__ import annotations

import math
import warnings

from nncore import autograd
from nncore.autocast_mode import casts_wide
from nncore.ops.activation import logsigmoid, relu, sigmoid, softplus
from nncore.ops.apply import fit
from nncore.ops.elementwise import where
from nncore.ops.piecewise import huber
from nncore.ops.pointwise import clamp_min, square
from nncore.ops.require import require
from nncore.tensor import Tensor

_REDUCTIONS = ("none", "mean", "sum")
LEAST = 9.999999960041972e-13  # 1e-12 in float32: PyTorch's guard against division by 0 in some losses


def legacy_reduction(size_average: bool | None, reduce: bool | None):
    """The `reduction` that PyTorch's former arguments stand for; warns that they are old."""
    size_average, reduce = (True if flag is None else flag for flag in (size_average, reduce))
    reduction = ("mean" if size_average else "sum") if reduce else "none"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", stacklevel=4
    )
    return reduction


def check_reduction(reduction: str, size_average: bool | None = None, reduce: bool | None = None):
    """`reduction` if it is one; the old arguments come first where they are given."""
    if size_average is not None or reduce is not None:
        return legacy_reduction(size_average, reduce)
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(loss, reduction: str):
    """All of `loss`, its mean or its sum."""
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction == "sum" else loss


def _weighted(loss, weight, input, reduction, mean_of_weights=True):
    """Weigh and reduce; the mean is over the weights where `mean_of_weights`."""
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = loss * weight
    if reduction == "mean" and mean_of_weights:
        return loss.sum() / weight.sum()
    return reduced(loss, reduction)


def _warn_of_broadcasting(input, target):
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )


@casts_wide("cpu", "cuda")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
):
    """(input - target)^2, reduced. With `weight`, of input's shape, the mean is sum(weight * loss) / sum(weight).

    >>> nc.nn.functional.mse_loss(nc.tensor([1.0, 2.0]), nc.tensor([0.0, 4.0]), reduction="none")
    tensor([1., 4.])
    """
    reduction = check_reduction(reduction, size_average, reduce)
    _warn_of_broadcasting(input, target)
    difference = input - target
    if not difference.is_floating_point():
        raise RuntimeError(f"mse_loss: expected floating point input or target, got {input.dtype} and {target.dtype}")
    return _weighted(square(difference), weight, input, reduction)


@casts_wide("cpu", "cuda")
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
):
    """|input - target|, reduced. With `weight`, of input's shape, the mean is sum(weight * loss) / sum(weight)."""
    reduction = check_reduction(reduction, size_average, reduce)
    _warn_of_broadcasting(input, target)
    return _weighted((input - target).abs(), weight, input, reduction)


@casts_wide("cpu", "cuda")
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
):
    """0.5 * d^2 / beta where |d| < beta, otherwise |d| - 0.5 * beta, with d = input - target; |d| for beta = 0."""
    reduction = check_reduction(reduction, size_average, reduce)
    _warn_of_broadcasting(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    difference = input - target
    return reduced(huber(difference, beta, 1.0) if beta else difference.abs(), reduction)


@casts_wide("cpu", "cuda")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
):
    """0.5 * d^2 where |d| < delta, otherwise delta * (|d| - 0.5 * delta), with d = input - target (Huber, 1964)."""
    reduction = check_reduction(reduction)
    _warn_of_broadcasting(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    return _weighted(huber(input - target, delta, delta), weight, input, reduction, mean_of_weights=False)


@casts_wide("cpu", "cuda")
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
):
    """-weight * (target * log(input) + (1 - target) * log(1 - input)), where the logarithms end at -100.

    input and target lie in [0, 1] and have one shape and dtype; weight broadcasts to it.

    >>> nc.nn.functional.binary_cross_entropy(nc.tensor([0.0, 0.5]), nc.tensor([1.0, 1.0]), reduction="none")
    tensor([100.0000,   0.6931])
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if target.dtype != input.dtype:
        raise RuntimeError(f"binary_cross_entropy: expected a target of {input.dtype}, got {target.dtype}")
    for name, x in (("input", input), ("target", target)):
        inside = (x.detach() >= 0) & (x.detach() <= 1)  # NaN is not
        require(inside, RuntimeError, f"all elements of {name} should be between 0 and 1")
    loss = _binary_cross_entropy(input, target)
    if weight is not None:
        loss = _scaled("binary_cross_entropy", loss, weight)
    return reduced(loss, reduction)


def _scaled(operation, loss, weight):
    """loss * weight; weight may broadcast to the loss, not beyond."""
    product = loss * weight
    if product.shape != loss.shape:
        raise RuntimeError(
            f"{operation}: expected a weight that broadcasts to {list(loss.shape)}, got {list(weight.shape)}"
        )
    return product


def _binary_cross_entropy(x, t):
    # Its own rule: clamped logarithms would have no gradient at 0 and 1, where PyTorch's is finite and steep.
    with autograd.no_grad():
        loss = (t - 1) * (-x).log1p().clamp(min=-100) - t * x.log().clamp(min=-100)
    return autograd.record(
        "binary_cross_entropy",
        loss,
        (x, t),
        (_binary_cross_entropy_backward, lambda gy, x, t: gy * ((-x).log1p() - x.log())),
        (x, t),
    )


def _binary_cross_entropy_backward(gy, x, t):
    # Its own rule too: the clamp is flat where x is 0 or 1.
    with autograd.no_grad():
        gx = gy * (x - t) / ((1 - x) * x).clamp(min=LEAST)
    return autograd.record(
        "binary_cross_entropy_backward",
        gx,
        (gy, x, t),
        (
            lambda ggx, gy, x, t: ggx * (x - t) / _x_times_rest(x),
            lambda ggx, gy, x, t: ggx * gy * (x * x - 2 * x * t + t) / _x_times_rest(x) ** 2,
            lambda ggx, gy, x, t: -ggx * gy / _x_times_rest(x),
        ),
        (gy, x, t),
    )


def _x_times_rest(x):
    return (x + 1e-12) * (1 - x + 1e-12)


def _from_logits(x, t, pos_weight):
    # Its own rule: the sum of the terms' gradients would cancel for large scores, and has a kink at 0.
    with autograd.no_grad():
        weighted = t if pos_weight is None else pos_weight * t
        loss = (1 - t) * relu(x) + weighted * relu(-x) + (1 - t + weighted) * softplus(-x.abs())
    likes = [None if v is None else (v.shape, v.dtype) for v in (x, t, pos_weight)]
    return autograd.record(
        "binary_cross_entropy_with_logits",
        loss,
        (x, t, pos_weight),
        (
            lambda gy, x, t, w, likes: fit(gy * _slope(x, t, w), likes[0]),
            lambda gy, x, t, w, likes: fit(gy * (-x if w is None else (1 - w) * logsigmoid(x) - x), likes[1]),
            lambda gy, x, t, w, likes: fit(-gy * t * logsigmoid(x), likes[2]),
        ),
        (x, t, pos_weight, likes),
    )


def _slope(x, t, pos_weight):
    """What the gradient by the score is, for a gradient of 1."""
    if pos_weight is None:
        return sigmoid(x) - t
    return (1 - t + pos_weight * t) * sigmoid(x) - pos_weight * t


@casts_wide("cpu", "cuda")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
):
    """binary_cross_entropy(sigmoid(input), target), exact for scores of any size:

    (1 - target) * max(x, 0) + target * max(-x, 0) + log(1 + exp(-|x|)), a sum without cancellation. Its gradient is
    sigmoid(x) - target. pos_weight scales the terms of the target. weight and pos_weight broadcast.

    >>> F.binary_cross_entropy_with_logits(nc.tensor([0.0, -200.0]), nc.tensor([1.0, 1.0]), reduction="none")
    tensor([  0.6931, 200.0000])
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    loss = _from_logits(input, target, pos_weight)
    if weight is not None:
        loss = loss * weight
    return reduced(loss, reduction)


@casts_wide("cpu", "cuda")
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
):
    """target * (log(target) - input), or exp(target) * (target - input) with log_target; input holds log probabilities.

    'batchmean' divides the sum by input's first extent: the Kullback-Leibler divergence per row. Targets of 0 count 0.

    >>> p = nc.tensor([[0.25, 0.75]])
    >>> nc.nn.functional.kl_div(p.log(), p, reduction="batchmean")
    tensor(0.)
    """
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    by_rows = reduction == "batchmean" and size_average is None and reduce is None
    reduction = check_reduction("sum" if by_rows else reduction, size_average, reduce)
    if log_target:
        loss = target.exp() * (target - input)
    else:
        # A target of 0 has the logarithm of 1 instead: the product is 0 and no gradient of it is infinite.
        loss = target * (where(target == 0, 1.0, target).log() - input)
    loss = reduced(loss, reduction)
    return loss / input.shape[0] if by_rows and input.ndim > 0 else loss


@casts_wide("cpu", "cuda")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
):
    """exp(x) - target * x, where x is the logarithm of the rate of a Poisson distribution that target is drawn from.

    With log_input=False x is the rate itself: x - target * log(x + eps). full adds Stirling's approximation of
    log(target!), target * log(target) - target + log(2 pi target) / 2, where target > 1.

    >>> F.poisson_nll_loss(nc.zeros(2), nc.tensor([1.0, 2.0]), reduction="none")
    tensor([1., 1.])
    """
    reduction = check_reduction(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        n = where(target > 1, target, 1.0)
        loss = loss + where(target > 1, n * n.log() - n + 0.5 * (2 * math.pi * n).log(), 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
):
    """(log(var) + (input - target)^2 / var) / 2: target is drawn from a normal distribution of mean input.

    var has input's shape, or lacks its last dimension or has 1 there, or is a number; what is below eps counts as eps
    (with the gradient of var itself). full adds log(2 pi) / 2 (Nix and Weigend, 1994). ValueError for a negative var.

    >>> F.gaussian_nll_loss(nc.tensor([1.0]), nc.tensor([3.0]), 1.0)
    tensor(2.)
    """
    reduction = check_reduction(reduction)
    negative = "var has negative entry/entries"
    if isinstance(var, Tensor):
        require(~(var.detach() < 0), ValueError, negative)
    elif var < 0:
        raise ValueError(negative)
    else:
        var = float(var) * input.new_ones(input.shape)
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or sum(b for a, b in zip(input.shape, var.shape, strict=True) if a != b) != 1:
            raise ValueError(f"var is of incorrect size: {list(var.shape)} for an input of {list(input.shape)}")
    value = var.detach()
    var = var + (clamp_min(value, eps) - value)
    difference = input - target
    loss = 0.5 * (var.log() + difference * difference / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)
