"""Losses that ask for a margin: between scores, between classes, between distances.

They are composed of other operations, so their gradients follow from those. `size_average` and `reduce` are PyTorch's
old names for `reduction`, which is "mean", "sum" or "none".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.ops.activation import logsigmoid, relu
from nncore.ops.creation import arange
from nncore.ops.distance import pairwise_distance
from nncore.ops.elementwise import minimum, where
from nncore.ops.index import gather
from nncore.ops.loss import LEAST, check_reduction, reduced
from nncore.ops.pointwise import clamp_min
from nncore.ops.require import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore.tensor import Tensor


# ---- two scores, or one ----


@casts_wide("cpu", "cuda")
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where target is 1, max(0, margin - x) where it is -1: x is a distance of pairs that are alike or not.

    >>> F.hinge_embedding_loss(nc.tensor([0.3, 0.3]), nc.tensor([1, -1]), reduction="none")
    tensor([0.3000, 0.7000])
    """
    reduction = check_reduction(reduction, size_average, reduce)
    apart = where(target != 1, clamp_min(margin - input, 0), 0.0)
    return reduced(apart + where(target != -1, input, 0.0), reduction)


@casts_wide("cpu", "cuda")
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - target * (input1 - input2)): target 1 wants input1 to rank higher, -1 lower.

    >>> F.margin_ranking_loss(nc.tensor([2.0]), nc.tensor([1.0]), nc.tensor([-1.0]))
    tensor(1.)
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced(clamp_min(-target * (input1 - input2) + float(margin), 0), reduction)


@casts_wide("cpu", "cuda")
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * x)) for targets of 1 and -1, without overflow.

    >>> F.soft_margin_loss(nc.tensor([0.0, 1000.0]), nc.tensor([1.0, -1.0]), reduction="none")
    tensor([6.9315e-01, 1.0000e+03])
    """
    reduction = check_reduction(reduction, size_average, reduce)
    return reduced(-logsigmoid(target * input), reduction)


# ---- class scores ----


def _class_scores(operation: str, input: Tensor) -> tuple[int, int]:
    """The rows and classes of [N, C], [C] or a single score."""
    if input.ndim > 2 or (input.ndim > 0 and input.shape[-1] == 0):
        raise RuntimeError(
            f"{operation}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    return (input.shape[0] if input.ndim == 2 else 1), (input.shape[-1] if input.ndim else 1)


def _check_classes(operation: str, target: Tensor, least: int, classes: int) -> None:
    if target.dtype is not _core.dtype.int64:
        raise RuntimeError(f"{operation}: expected class indices of int64, got {target.dtype}")
    expected = f"{operation}: target out of range: expected {least} to {classes - 1}"
    require((target >= least) & (target < classes), RuntimeError, expected)


@casts_wide("cpu", "cuda")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """weight[y] / C * sum over i != y of max(0, margin - x[y] + x[i])^p: the multi-class hinge loss.

    input [N, C] or [C], target y [N] or [], p 1 or 2, weight [C] (Crammer and Singer, 2001).

    >>> F.multi_margin_loss(nc.tensor([[0.1, 0.2, 0.4, 0.8]]), nc.tensor([3]))
    tensor(0.3250)
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    rows, classes = _class_scores("multi_margin_loss", input)
    if target.ndim > 1 or target.numel() != rows:
        raise RuntimeError(f"inconsistent target size, expected {rows} but got {list(target.shape)}")
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    _check_classes("multi_margin_loss", target, 0, classes)
    x, y = input.reshape(rows, classes), target.reshape(rows, 1)
    excess = relu(margin - gather(x, 1, y) + x)
    if p == 2:
        excess = excess * excess
    if weight is not None:
        excess = excess * weight[y]
    others = arange(classes, device=input.device) != y
    loss = where(others, excess, 0.0).sum(1) / classes
    return reduced(loss if target.ndim else loss.reshape(()), reduction)


@casts_wide("cpu", "cuda")
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 / C * sum over labels y and other classes i of max(0, 1 - (x[y] - x[i])): every label above every other class.

    input [N, C] or [C]; target, of the same shape, lists the labels of a row and ends at the first -1.

    >>> F.multilabel_margin_loss(nc.tensor([0.1, 0.2, 0.4, 0.8]), nc.tensor([3, 0, -1, 1]))
    tensor(0.8500)
    """
    reduction = check_reduction(reduction, size_average, reduce)
    rows, classes = _class_scores("multilabel_margin_loss", input)
    fits = target.shape == input.shape if input.ndim == 2 else target.ndim <= 1 and target.numel() == classes
    if not fits:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    _check_classes("multilabel_margin_loss", target, -1, classes)
    x, y = input.reshape(rows, classes), target.reshape(rows, classes)
    listed = (y < 0).cumsum(1) == 0
    chosen = (where(listed, y, -1).unsqueeze(2) == arange(classes, device=input.device)).any(1)
    excess = relu(1 - gather(x, 1, clamp_min(y, 0)).unsqueeze(2) + x.unsqueeze(1))  # [N, label, class]
    loss = where(listed.unsqueeze(2) & ~chosen.unsqueeze(1), excess, 0.0).sum((1, 2)) / classes
    return reduced(loss if input.ndim == 2 else loss.reshape(()), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-1 / C * sum over classes of target * log sigmoid(x) + (1 - target) * log sigmoid(-x), weighted by class.

    input and target [..., C], the target of each class 0 or 1. One loss for each row.

    >>> F.multilabel_soft_margin_loss(nc.zeros(1, 3), nc.tensor([[1.0, 0.0, 1.0]]))
    tensor(0.6931)
    """
    reduction = check_reduction(reduction, size_average, reduce)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(input.ndim - 1) / input.size(input.ndim - 1), reduction)


# ---- vectors ----


@casts_wide("cpu", "cuda")
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1, cos the cosine of input1 and input2.

    input1 and input2 [N, D] with target [N], or [D] with target [].

    >>> F.cosine_embedding_loss(nc.tensor([[1.0, 0.0]]), nc.tensor([[0.0, 1.0]]), nc.tensor([1]))
    tensor(1.)
    """
    reduction = check_reduction(reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError("cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"cosine_embedding_loss: {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    dim = target.ndim
    squares = ((input1 * input1).sum(dim) + LEAST) * ((input2 * input2).sum(dim) + LEAST)
    cosine = (input1 * input2).sum(dim) / squares.sqrt()
    alike = where(target == 1, 1 - cosine, 0.0)
    return reduced(alike + where(target == -1, clamp_min(cosine - margin, 0), 0.0), reduction)


@casts_wide("cpu", "cuda")
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d = ||x - y + eps||_p along the last dimension.

    swap takes d(positive, negative) where that is smaller (Balntas et al., 2016).

    >>> F.triplet_margin_loss(nc.zeros(1, 2), nc.tensor([[3.0, 4.0]]), nc.zeros(1, 2))
    tensor(6.0000)
    """
    reduction = check_reduction(reduction, size_average, reduce)

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return _triplet("triplet_margin_loss", (anchor, positive, negative), distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` for any distance_function(x, y), `pairwise_distance` where none is given."""
    reduction = check_reduction(reduction)
    points = (anchor, positive, negative)
    distance = distance_function or pairwise_distance
    return _triplet("triplet_margin_with_distance_loss", points, distance, margin, swap, reduction)


def _triplet(operation: str, points: tuple, distance, margin: float, swap: bool, reduction: str) -> Tensor:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    anchor, positive, negative = points
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            f"{operation}: The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D "
            "inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp_min(margin + near - far, 0), reduction)
