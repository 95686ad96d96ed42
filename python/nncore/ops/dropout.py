"""Dropout: elements, or whole channels, set to 0 at random (Srivastava et al., 2014), and its variants."""

from __future__ import annotations

import math

from nncore import _core
from nncore.autograd import record
from nncore.ops.apply import in_place
from nncore.ops.random import Generator, draw, rand
from nncore.tensor import Tensor


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _applied(operation, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    _check(p)
    if input.numel() == 0 or not training or p == 0:
        return input
    return in_place(operation, input, p) if inplace else operation(input, p)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element 0 with probability p, otherwise divided by 1 - p, so that the mean stays. While training only.

    >>> F.dropout(nc.ones(3), 0.5, training=False)
    tensor([1., 1., 1.])
    """
    return _applied(_dropout, input, p, training, inplace)


def _dropout(input: Tensor, p: float) -> Tensor:
    y, mask = map(Tensor, draw(_core.dropout, None, input._array, float(p), Generator))
    return record("dropout", y, (input,), _dropout_rule, (mask, 1 / (1 - p) if p < 1 else 0.0))


def _mask_scale(x: Tensor, mask: Tensor, scale: float) -> Tensor:
    """x scaled where the mask is True, times 0 elsewhere."""
    y = Tensor(_core.mask_scale(x._array, mask._array, scale))
    return record("mask_scale", y, (x,), _dropout_rule, (mask, scale))


_dropout_rule = (_mask_scale,)


# ---- channels ----


def _channel_noise(input: Tensor, channel_dims: int, p: float) -> Tensor:
    """One factor for each channel: 0 with probability p, otherwise 1 / (1 - p)."""
    shape = (*input.shape[:channel_dims], *(1,) * (input.ndim - channel_dims))
    kept = rand(shape, dtype=input.dtype, device=input.device) >= p
    return kept.to(input.dtype) * (1 / (1 - p) if p < 1 else 0.0)


def _whole_channels(input: Tensor, p: float) -> Tensor:
    return input * _channel_noise(input, 2, p)


def _whole_channels_unbatched(input: Tensor, p: float) -> Tensor:
    return input * _channel_noise(input, 1, p)


def _channels(
    name: str, input: Tensor, p: float, training: bool, inplace: bool, unbatched: int, ranks: tuple
) -> Tensor:
    _check(p)
    if input.ndim not in ranks:
        raise RuntimeError(
            f"{name}: expected an input of {ranks[0]} or {ranks[-1]} dimensions, got {list(input.shape)}"
        )
    operation = _whole_channels_unbatched if input.ndim == unbatched else _whole_channels
    return _applied(operation, input, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of [N, C, L] or [C, L] set to 0 with probability p, the others divided by 1 - p."""
    return _channels("dropout1d", input, p, training, inplace, 2, (2, 3))


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of [N, C, H, W] set to 0 with probability p, the others divided by 1 - p (Tompson et al., 2015).

    An input of three dimensions is taken as [N, C, L], as in PyTorch.
    """
    return _channels("dropout2d", input, p, training, inplace, 2, (2, 3, 4))


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of [N, C, D, H, W] or [C, D, H, W] set to 0 with probability p, the others divided by 1 - p."""
    return _channels("dropout3d", input, p, training, inplace, 4, (4, 5))


# ---- for SELU networks ----

_SATURATION = -1.7580993408473766  # what SELU tends to far below 0


def _alpha(input: Tensor, p: float, kept: Tensor) -> Tensor:
    """Dropped elements become SELU's saturation; then mean and variance are put right (Klambauer et al., 2017)."""
    if p == 1:
        return input * 0.0
    a = 1 / math.sqrt((1 - p) * (1 + p * _SATURATION**2))
    b = -a * p * _SATURATION
    kept = kept.to(input.dtype)
    return input * (kept * a) + ((1 - kept) * (a * _SATURATION) + b)


def _alpha_dropout(input: Tensor, p: float) -> Tensor:
    return _alpha(input, p, rand(tuple(input.shape), dtype=input.dtype, device=input.device) >= p)


def _feature_alpha_dropout(input: Tensor, p: float) -> Tensor:
    shape = (*input.shape[:2], *(1,) * (input.ndim - 2))
    return _alpha(input, p, rand(shape, dtype=input.dtype, device=input.device) >= p)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1 in networks of SELU (Klambauer et al., 2017)."""
    return _applied(_alpha_dropout, input, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels of [N, C, ...]."""
    if training and input.ndim < 2:
        raise RuntimeError(f"Feature dropout requires at least 2 dimensions in the input, got {list(input.shape)}")
    return _applied(_feature_alpha_dropout, input, p, training, inplace)
