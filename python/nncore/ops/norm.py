"""Normalisation, each operation with its gradient rule.

Batch, layer, group, instance and RMS norm are one operation over groups of elements: an array seen as [N, G, K, S],
where the elements of a group (n, g), or of g over the batch, share a mean m and a variance v. With
r = 1 / sqrt(v + eps) and h = (x - m) r the result is h weight + bias. Their derivatives need one linear map more, the
derivative of h:

    P(u) = r (u - E[u] - h E[u h]),    E the mean over a group.

It is its own transpose, so the gradient of x is P(gy weight), and P is what the native backward step without weights
computes. The rule of that step is made of P again (`_second`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nncore import _core
from nncore.autocast_mode import HALVES, casts_wide
from nncore.autograd import record
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Groups(NamedTuple):
    """How an array falls into groups, as the native side takes it (csrc/core/kernels/norm.h)."""

    extents: tuple[int, int, int, int]  # N, G, K, S
    batch: bool  # groups of the batch, not of a sample
    centered: bool  # False: the mean is taken to be 0
    eps: float


def _array(x: Tensor | None):
    return None if x is None else x._array


def _shape(x: Tensor | None):
    return None if x is None or not x._requires_grad else x._array.shape


def _product(extents: Sequence[int]) -> int:
    total = 1
    for extent in extents:
        total *= extent
    return total


def _norm(name: str, input: Tensor, weight: Tensor | None, bias: Tensor | None, groups: _Groups, fixed=()) -> tuple:
    """The normalised input, and the native [means, variances] of its groups; `fixed` gives both instead."""
    given = [s._array for s in fixed] or (None, None)
    y, stats = _core.norm_forward(input._array, _array(weight), _array(bias), *groups, *given)
    wanted = (input._requires_grad, _shape(weight), _shape(bias))
    saved = (input, weight, Tensor(stats), groups, bool(fixed), wanted)
    return record(name, Tensor(y), (input, weight, bias), _norm_rule, saved), stats


def norm_backward(
    gy: Tensor, input: Tensor, weight: Tensor | None, stats: Tensor, groups: _Groups, fixed: bool, wanted: tuple
) -> tuple:
    """The gradients of input, weight and bias, None where `wanted` (whether, the shapes of the other two) has none."""
    gradients = _core.norm_backward(gy._array, input._array, _array(weight), stats._array, *groups, fixed, *wanted)
    found = tuple(Tensor(g) for g in gradients if g is not None)
    if not found:
        return (None, None, None)
    saved = (gy, input, weight, stats, groups, fixed, wanted)
    outputs = found if len(found) > 1 else found[0]
    record("norm_backward", outputs, (gy, input, weight), _second, saved)
    rest = iter(found)
    return tuple(None if g is None else next(rest) for g in gradients)


_norm_rule = norm_backward


def _second(
    gradients, gy: Tensor, x: Tensor, weight: Tensor | None, stats: Tensor, groups: _Groups, fixed: bool, wanted: tuple
) -> tuple:
    """The gradients of gy, x and weight from v, u and t, those of gx, gweight and gbias:

    gy      P(v) weight + u h + t
    weight  the sum of gy P(v) over each channel
    x       P(u gy - r (v E[a h] + a E[v h])) - r h E[a P(v)]    with a = gy weight
    """
    rest = iter(gradients if isinstance(gradients, tuple) else (gradients,))
    v, u, t = (None if w is None or w is False else next(rest) for w in wanted)
    over = (0, 3) if groups.batch else (2, 3)
    shape = groups.extents
    w = None if weight is None else weight.reshape(1, shape[1], shape[2], 1)
    gy4, v, u, t = (
        None if z is None else z.reshape(s)
        for z, s in ((gy, shape), (v, shape), *[(z, (1, shape[1], shape[2], 1)) for z in (u, t)])
    )
    mean, r = _centre(x, stats, groups, fixed, over)
    h = (x.reshape(shape) - mean) * r

    def project(z: Tensor) -> Tensor:
        if fixed:
            return r * z
        (p, _, _) = norm_backward(z.reshape(x.shape), x, None, stats, groups, False, (True, None, None))
        return p.reshape(shape)

    ggy = gx = gw = None
    if v is not None:
        p = project(v)
        ggy = p if w is None else p * w
        a = gy4 if w is None else gy4 * w
        if w is not None:
            gw = (gy4 * p).sum((0, 3)).reshape(weight.shape)
    if u is not None:
        ggy = u * h if ggy is None else ggy + u * h
    if t is not None:
        ggy = t.expand(shape) if ggy is None else ggy + t
    if u is not None or (v is not None and not fixed):
        through_h = None if u is None else u * gy4
        if v is not None and not fixed:
            from_v = r * (v * (a * h).mean(over, keepdim=True) + a * (v * h).mean(over, keepdim=True))
            through_h = -from_v if through_h is None else through_h - from_v
        gx = project(through_h)
        if v is not None and not fixed:
            gx = gx - r * h * (a * p).mean(over, keepdim=True)
        gx = gx.reshape(x.shape)
    return None if ggy is None else ggy.reshape(gy.shape), gx, gw


def _centre(x: Tensor, stats: Tensor, groups: _Groups, fixed: bool, over: tuple) -> tuple:
    """The means and r, as [N or 1, G, 1, 1]: fixed ones, or as functions of x, which have derivatives."""
    if fixed:
        mean, var = (s.reshape(1, -1, 1, 1) for s in stats.reshape(2, -1).unbind(0))
        return mean.to(x.dtype), (var + groups.eps).rsqrt().to(x.dtype)
    x = x.reshape(groups.extents)
    mean = x.mean(over, keepdim=True) if groups.centered else 0.0
    deviation = x - mean
    return mean, ((deviation * deviation).mean(over, keepdim=True) + groups.eps).rsqrt()


# ---- groups of the batch, and of a channel of a sample ----


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - m) / sqrt(v + eps) * weight + bias for each channel, with the channel's mean m and variance v.

    When training, m and v (divided by the number of elements) are those of the batch, and running statistics, where
    given, move towards them in place: running = (1 - momentum) * running + momentum * m, the variance there divided by
    the number less one. Otherwise m and v are the running statistics, and constants.

    Shapes: input [N, C, ...], the others [C]; all of input's dtype, or float32 beside one of 16 bits. Raises ValueError
    when training on one value per channel, RuntimeError where shapes or dtypes do not fit or statistics are missing.

    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", 2015.

    >>> F.batch_norm(nc.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    return batch_norm_counted(input, running_mean, running_var, weight, bias, training, momentum, eps, None)


def batch_norm_counted(input, running_mean, running_var, weight, bias, training, momentum, eps, batches) -> Tensor:
    """`batch_norm`; where `batches`, an int64 of one element, is given, the running statistics become the averages of
    all that many batches."""
    size = input._array.shape
    channels, inner = (size[1], _product(size[2:])) if len(size) > 1 else (0, 1)
    count = (size[0] if size else 1) * inner
    if training and count == 1:
        raise ValueError(
            f"batch_norm: Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    if eps < 0 or (training and eps == 0):
        positive = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {positive}, but got {eps}")
    _check_channels("batch_norm", input, channels, running_mean, running_var, weight, bias)
    groups = _Groups((size[0], channels, 1, inner), True, True, eps)
    if not training:
        for name, given in (("running_mean", running_mean), ("running_var", running_var)):
            if given is None:
                raise RuntimeError(f"batch_norm: {name} must be defined in evaluation mode")
        return _norm("batch_norm", input, weight, bias, groups, (running_mean, running_var))[0]
    return _with_running("batch_norm", input, weight, bias, groups, running_mean, running_var, count, momentum, batches)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`batch_norm` with a mean and a variance for each channel of each sample.

    Running statistics, where given, move towards the means over the batch of the samples' statistics; they are used,
    as constants, where use_input_stats is False.

    Shapes: input [N, C, ...], the others [C]. Raises as `batch_norm`; ValueError for one spatial element.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.

    >>> F.instance_norm(nc.tensor([[[1.0, 3.0], [5.0, 5.0]]]))
    tensor([[[-1.0000,  1.0000],
             [ 0.0000,  0.0000]]])
    """
    size = input._array.shape
    inner = _product(size[2:])
    if use_input_stats and inner == 1:
        raise ValueError(
            f"instance_norm: Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError(
            "instance_norm: Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    channels = size[1] if len(size) > 1 else 0
    _check_channels("instance_norm", input, channels, running_mean, running_var, weight, bias)
    extents = (size[0], channels, 1, inner)
    if not use_input_stats:
        groups = _Groups(extents, True, True, eps)
        return _norm("instance_norm", input, weight, bias, groups, (running_mean, running_var))[0]
    groups = _Groups(extents, False, True, eps)
    return _with_running("instance_norm", input, weight, bias, groups, running_mean, running_var, inner, momentum, None)


def _with_running(name, input, weight, bias, groups, running_mean, running_var, count, momentum, batches) -> Tensor:
    """The input normalised by its own statistics, towards which the running ones move one step."""
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{name}: running_mean and running_var must either both be None or neither be None")
    y, stats = _norm(name, input, weight, bias, groups)
    if running_mean is not None and y._array.numel > 0:
        _core.update_running_statistics(
            running_mean._array, running_var._array, stats, count, momentum, _array(batches)
        )
    return y


def _check_channels(name: str, input: Tensor, channels: int, running_mean, running_var, weight, bias) -> None:
    dtype = input._array.dtype
    if input.ndim < 2:
        raise RuntimeError(f"{name}: expected an input of at least 2 dimensions [N, C, ...], got {list(input.shape)}")
    tensors = (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias))
    for what, given in tensors:
        if given is None:
            continue
        if given._array.numel != channels:
            raise RuntimeError(f"{name}: {what} should contain {channels} elements not {given.numel()}")
        wider = dtype in HALVES and given._array.dtype is _core.dtype.float32
        if given._array.dtype is not dtype and not wider:
            raise RuntimeError(f"{name}: expected {what} of the input's dtype {dtype}, got {given.dtype}")
    if any(s is not None and s._requires_grad for s in (running_mean, running_var)):
        raise RuntimeError(f"{name}: not differentiable with respect to running_mean and running_var")


# ---- groups of channels of a sample ----


@casts_wide("cuda")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - m) / sqrt(v + eps) * weight + bias, m and v the mean and variance of num_groups groups of channels.

    Shapes: input [N, C, ...] with C divisible by num_groups, weight and bias [C]; all of one dtype, float32 or float64.

    Source: Wu and He, "Group normalization", 2018.

    >>> F.group_norm(nc.tensor([[1.0, 3.0, 10.0, 30.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    size = input._array.shape
    if len(size) < 2:
        raise RuntimeError(f"group_norm: Expected at least 2 dimensions for input tensor but received {len(size)}")
    if num_groups <= 0:
        raise RuntimeError(f"group_norm: Expected num groups to be greater than 0, got {num_groups}")
    channels, inner = size[1], _product(size[2:])
    if size[0] * channels // num_groups * inner == 1:
        raise ValueError(
            f"group_norm: Expected more than 1 value per channel when training, got input size {list(size)}"
        )
    if channels % num_groups:
        raise RuntimeError(
            "group_norm: Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(size)} and num_groups={num_groups}"
        )
    for what, given in (("weight", weight), ("bias", bias)):
        if given is not None and given._array.shape != (channels,):
            raise RuntimeError(
                f"group_norm: Expected {what} to be a vector of size equal to the number of channels in input, but got "
                f"{what} of shape {list(given.shape)} and input of shape {list(size)}"
            )
    groups = _Groups((size[0], num_groups, channels // num_groups, inner), False, True, eps)
    return _norm("group_norm", input, weight, bias, groups)[0]


# ---- the last dimensions of a sample ----


@casts_wide("cuda")
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - m) / sqrt(v + eps) * weight + bias, m and v the mean and variance over the last dimensions, whose extents
    normalized_shape gives.

    Shapes: input [..., *normalized_shape], weight and bias normalized_shape; all of one dtype, float32 or float64.

    Source: Ba, Kiros and Hinton, "Layer normalization", 2016.

    >>> F.layer_norm(nc.tensor([[1.0, 3.0], [-2.0, 2.0]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    groups = _last_dimensions("layer_norm", input, normalized_shape, (("weight", weight), ("bias", bias)), True, eps)
    return _norm("layer_norm", input, weight, bias, groups)[0]


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(E[x^2] + eps) * weight, E the mean over the last dimensions, whose extents normalized_shape gives.

    eps None is the distance from 1 to the next number of input's dtype. Shapes: as `layer_norm`.

    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.

    >>> F.rms_norm(nc.tensor([1.0, 7.0]), (2,))
    tensor([0.2000, 1.4000])
    """
    if eps is None:
        eps = 2.0**-52 if input._array.dtype is _core.dtype.float64 else 2.0**-23
    groups = _last_dimensions("rms_norm", input, normalized_shape, (("weight", weight),), False, eps)
    if weight is not None and weight._array.dtype is not input._array.dtype:
        return (_norm("rms_norm", input, None, None, groups)[0] * weight).to(input.dtype)
    return _norm("rms_norm", input, weight, None, groups)[0]


def _last_dimensions(name: str, input: Tensor, normalized_shape, parameters, centered: bool, eps: float) -> _Groups:
    shape, size = tuple(normalized_shape), tuple(input._array.shape)
    if not shape:
        raise RuntimeError(
            f"{name}: Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    for what, given in parameters:
        if given is not None and tuple(given._array.shape) != shape:
            raise RuntimeError(
                f"{name}: Expected {what} to be of same shape as normalized_shape, but got {what} of shape "
                f"{list(given.shape)} and normalized_shape = {list(shape)}"
            )
    rows = len(size) - len(shape)
    if rows < 0 or size[rows:] != shape:
        raise RuntimeError(
            f"{name}: Given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got input of size{list(size)}"
        )
    return _Groups((_product(size[:rows]), 1, _product(shape), 1), False, centered, eps)
