"""Softmax and the losses on class scores, each with its gradient rule right under it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.autograd import is_grad_enabled, record
from nncore.ops.elementwise import where
from nncore.tensor import Tensor, tensor_method

if TYPE_CHECKING:
    from collections.abc import Sequence


# ---- softmax ----


def _prepare(name: str, input: Tensor, dim: int | None, dtype: _core.dtype | None) -> tuple[Tensor, int]:
    if dim is None:
        dim = 0 if input.ndim in (0, 1, 3) else 1
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
            "argument.",
            stacklevel=4,
        )
    return (input if dtype is None or dtype == input.dtype else input.to(dtype)), dim


@tensor_method
@casts_wide("cuda")
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: _core.dtype | None = None) -> Tensor:
    """e^x over the sum of e^x along dim, computed as e^(x - max x), which cannot overflow.

    dtype converts the input first. A row that holds only -inf, or an infinity, gives NaN.

    >>> nc.nn.functional.softmax(nc.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    input, dim = _prepare("softmax", input, dim, dtype)
    y = Tensor(_core.softmax(input._array, dim, False))
    return record("softmax", y, (input,), _softmax_rule, (y, dim))


def softmax_backward(gy: Tensor, y: Tensor, dim: int) -> Tensor:
    """y (gy - sum of gy y): the gradient of softmax from its result."""
    gx = Tensor(_core.softmax_backward(gy._array, y._array, dim, False))
    return record("softmax_backward", gx, (gy, y), _softmax_backward_rule, (gy, y, dim))


_softmax_rule = (softmax_backward,)
_softmax_backward_rule = (
    lambda ggx, gy, y, dim: softmax_backward(ggx, y, dim),
    lambda ggx, gy, y, dim: ggx * gy - ggx * (gy * y).sum(dim, keepdim=True) - gy * (ggx * y).sum(dim, keepdim=True),
)


@casts_wide("cuda")
def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: _core.dtype | None = None) -> Tensor:
    """The softmax of -x.

    >>> nc.nn.functional.softmin(nc.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    return softmax(-input, dim, _stacklevel + 1, dtype)


@tensor_method
@casts_wide("cuda")
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: _core.dtype | None = None
) -> Tensor:
    """x - max x - log sum e^(x - max x) along dim: the logarithm of softmax without its rounding to 0.

    >>> nc.nn.functional.log_softmax(nc.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])
    """
    input, dim = _prepare("log_softmax", input, dim, dtype)
    y = Tensor(_core.softmax(input._array, dim, True))
    return record("log_softmax", y, (input,), _log_softmax_rule, (y, dim))


def log_softmax_backward(gy: Tensor, y: Tensor, dim: int) -> Tensor:
    """gy - e^y sum of gy: the gradient of log_softmax from its result."""
    gx = Tensor(_core.softmax_backward(gy._array, y._array, dim, True))
    return record("log_softmax_backward", gx, (gy, y), _log_softmax_backward_rule, (gy, y, dim))


_log_softmax_rule = (log_softmax_backward,)
_log_softmax_backward_rule = (
    lambda ggx, gy, y, dim: ggx - (ggx * y.exp()).sum(dim, keepdim=True),
    lambda ggx, gy, y, dim: -(ggx * y.exp()) * gy.sum(dim, keepdim=True),
)


# ---- losses ----


def _reduction(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """The reduction that the two arguments of old, where given, name."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def _weight(weight: Tensor | None):
    return None if weight is None else weight._array


@casts_wide("cpu", "cuda")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-weight[target] * input[target]: the negative log likelihood of log probabilities.

    input is [C], [N, C] or [N, C, d...], target the class indices [], [N] or [N, d...]. Rows whose target is
    ignore_index count nothing; "mean" divides by the sum of the weights of the others.

    >>> nc.nn.functional.nll_loss(nc.tensor([[-1.0, -2.0], [-3.0, -4.0]]), nc.tensor([0, 1]))
    tensor(2.5000)
    """
    reduction = _reduction(reduction, size_average, reduce)
    return _nll(input, target, weight, reduction, ignore_index)


def _nll(input: Tensor, *loss) -> Tensor:
    target, weight, reduction, ignore_index = loss
    y, saved = _core.nll_loss(input._array, target._array, _weight(weight), reduction, ignore_index)
    y = Tensor(y)
    return record("nll_loss", y, (input,), _nll_loss_rule, (input._array.shape, Tensor(saved), *loss))


def nll_loss_backward(gy: Tensor, shape: tuple, saved: Tensor, *loss) -> Tensor:
    """-gy weight[target] at the target, 0 elsewhere."""
    target, weight, reduction, ignore_index = loss
    gx = _core.nll_loss_backward(
        gy._array, shape, saved._array, target._array, _weight(weight), reduction, ignore_index
    )
    return record("nll_loss_backward", Tensor(gx), (gy,), _nll_loss_backward_rule, loss)


_nll_loss_rule = (nll_loss_backward,)
_nll_loss_backward_rule = (_nll,)  # the loss is linear in its input


@casts_wide("cpu", "cuda")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-sum over classes of q[c] * weight[c] * log_softmax(input)[c].

    input is [C], [N, C] or [N, C, d...]. target is either class indices [], [N] or [N, d...], and q is 1 at the index,
    or probabilities q of input's shape. label_smoothing e replaces q by (1 - e) q + e / C. Rows whose index is
    ignore_index count nothing; "mean" divides by the sum of the weights of the other rows' classes, or, with
    probabilities, by the number of rows.

    >>> nc.nn.functional.cross_entropy(nc.tensor([[0.0, 0.0]]), nc.tensor([1]))
    tensor(0.6931)
    """
    reduction = _reduction(reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if target.is_floating_point() and target.shape == input.shape and input.ndim > 0:
        return _with_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    loss = (target, weight, reduction, ignore_index, label_smoothing)
    wanted = input._requires_grad and is_grad_enabled()
    y, saved, found = _core.cross_entropy(
        input._array, target._array, _weight(weight), reduction, ignore_index, label_smoothing, wanted
    )
    found = None if found is None else [found]
    return record("cross_entropy", Tensor(y), (input,), _cross_entropy_rule, (found, input, Tensor(saved), *loss))


def _cross_entropy_gradient(gy: Tensor, found: list | None, input: Tensor, saved: Tensor, *loss) -> Tensor:
    """On a GPU the first backward pass takes what forward has found for gy = 1; others look at the scores again."""
    if not found or is_grad_enabled():
        return cross_entropy_backward(gy, input, saved, *loss)
    gx = found.pop()
    target, weight, *rest = loss
    _core.cross_entropy_scale(gy._array, gx, saved._array, target._array, _weight(weight), *rest)
    return Tensor(gx).to(input.dtype)


def cross_entropy_backward(gy: Tensor, input: Tensor, saved: Tensor, *loss) -> Tensor:
    """gy (A softmax(input) - q), where A is the sum of the target probabilities q of a row (1 without weights)."""
    target, weight, reduction, ignore_index, label_smoothing = loss
    gx = _core.cross_entropy_backward(
        gy._array,
        input._array,
        saved._array,
        target._array,
        _weight(weight),
        reduction,
        ignore_index,
        label_smoothing,
    )
    saved_for_rule = (gy, input, saved, *loss)
    return record("cross_entropy_backward", Tensor(gx), (gy, input), _cross_entropy_backward_rule, saved_for_rule)


def _with_respect_to_gy(ggx: Tensor, gy: Tensor, input: Tensor, saved: Tensor, *loss) -> Tensor:
    products = ggx * cross_entropy_backward(gy._full_like(1), input, saved, *loss)
    return products.sum() if gy.ndim == 0 else products.sum(1)


def _with_respect_to_input(ggx: Tensor, gy: Tensor, input: Tensor, saved: Tensor, *loss) -> Tensor:
    dim = 0 if input.ndim == 1 else 1
    scale = _row_scale(gy, input.shape, saved, loss[2])
    return softmax_backward(ggx * scale, softmax(input, dim), dim)


def _row_scale(gy: Tensor, shape: Sequence[int], saved: Tensor, reduction: str) -> Tensor:
    """What cross_entropy_backward multiplies the softmax of each row with: gy A, for "mean" over the sum of weights."""
    rows = (saved.numel() - 1) // 3
    kept = (1,) if len(shape) == 1 else (shape[0], 1, *shape[2:])
    scale = Tensor(_core.reshape(_core.slice(saved._array, 0, 2 * rows, 3 * rows, 1), kept))
    if reduction == "mean":
        total = Tensor(_core.slice(saved._array, 0, 3 * rows, 3 * rows + 1, 1))
        scale = where(scale == 0, scale, scale / total)  # 0, not NaN, where every row is ignored
    return scale * (gy if gy.ndim == 0 else gy.reshape(kept))


_cross_entropy_rule = (_cross_entropy_gradient,)
_cross_entropy_backward_rule = (_with_respect_to_gy, _with_respect_to_input)


def _with_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    if weight is not None:
        if tuple(weight.shape) != (classes,):
            raise RuntimeError(
                f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but "
                f"got weight tensor of shape: {list(weight.shape)}"
            )
        weight = weight.reshape((classes,) + (1,) * (input.ndim - dim - 1))
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    products = log_softmax(input, dim) * target
    if weight is not None:
        products = products * weight
    if reduction == "none":
        return -products.sum(dim)
    rows = input.numel() // max(classes, 1)
    return -products.sum() if reduction == "sum" else -products.sum() / rows
