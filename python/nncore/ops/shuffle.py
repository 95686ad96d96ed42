"""Elements moved between channels and space, and among channels: reshape, permute, reshape, or windows of pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore.ops.fold import fold, unfold

if TYPE_CHECKING:
    from nncore.tensor import Tensor


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels [..., C * r^2, H, W] laid out as pixels [..., C, H * r, W * r] with r = upscale_factor:

    y[..., c, h * r + i, w * r + j] = input[..., c * r^2 + i * r + j, h, w]

    Raises RuntimeError where the channels are not divisible by r^2.
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
    neural network", 2016.

    >>> F.pixel_shuffle(nc.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    r = upscale_factor
    _check("pixel_shuffle", input, "upscale_factor", r)
    *lead, channels, h, w = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    if _as_windows(input):
        columns = input.reshape(math.prod(lead), channels, h * w)
        return fold(columns, (h * r, w * r), r, stride=r).reshape(*lead, channels // (r * r), h * r, w * r)
    n = len(lead)
    split = input.reshape(*lead, channels // (r * r), r, r, h, w)
    moved = split.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return moved.reshape(*lead, channels // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels [..., C, H * r, W * r] gathered into channels [..., C * r^2, H, W]: the inverse of `pixel_shuffle`.

    >>> F.pixel_unshuffle(nc.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).flatten()
    tensor([1., 2., 3., 4.])
    """
    r = downscale_factor
    _check("pixel_unshuffle", input, "downscale_factor", r)
    *lead, channels, height, width = input.shape
    for name, extent in (("height", height), ("width", width)):
        if extent % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input has {name} {extent} "
                f"and downscale_factor is {r}"
            )
    if _as_windows(input):
        columns = unfold(input.reshape(math.prod(lead), channels, height, width), r, stride=r)
        return columns.reshape(*lead, channels * r * r, height // r, width // r)
    n = len(lead)
    split = input.reshape(*lead, channels, height // r, r, width // r, r)
    moved = split.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return moved.reshape(*lead, channels * r * r, height // r, width // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of [N, C, ...] interleaved: y[:, j * groups + i] = input[:, i * (C / groups) + j].

    A grouped convolution after it sees channels from every group before it.
    Raises RuntimeError where the channels are not divisible by groups.
    Source: Zhang et al., "ShuffleNet", 2018.

    >>> F.channel_shuffle(nc.tensor([[[1.0], [2.0], [3.0], [4.0]]]), 2).flatten()
    tensor([1., 3., 2., 4.])
    """
    if input.ndim <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    n, channels, *space = input.shape
    if channels % groups:
        raise RuntimeError(
            f"channel_shuffle: Number of channels must be divisible by groups. Got {channels} channels "
            f"and {groups} groups."
        )
    return input.reshape(n, groups, channels // groups, *space).transpose(1, 2).reshape(n, channels, *space)


def _as_windows(input: Tensor) -> bool:
    """Whether fold and unfold serve: r x r pixels are a window of that stride, and their kernels move whole rows."""
    return input._array.is_floating and input._array.numel > 0


def _check(operation: str, input: Tensor, name: str, factor: int) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{operation} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{operation} expects a positive {name}, but got {factor}")
