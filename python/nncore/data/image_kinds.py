"""What transforms do alike to Pillow images and to tensors [..., H, W]: their size, parts of them, borders."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

import nncore as nc

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_pillow(image: Any) -> bool:
    return not isinstance(image, nc.Tensor) and hasattr(image, "getbands")


def extent(transform, image) -> tuple[int, int]:
    """Height and width."""
    if is_pillow(image):
        return image.height, image.width
    if isinstance(image, nc.Tensor) and image.ndim >= 2:
        return tuple(image.shape[-2:])
    what = list(image.shape) if isinstance(image, nc.Tensor) else type(image).__name__
    raise TypeError(f"{type(transform).__name__}: expected a Pillow image or a tensor [..., H, W], got {what}")


def size_pair(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) from one number for both, or a sequence of one or two."""
    if isinstance(size, numbers.Integral):
        return int(size), int(size)
    if len(size) not in (1, 2):
        raise ValueError(f"{name}: Please provide only two dimensions (h, w) for size.")
    return int(size[0]), int(size[-1])


def cut(image, top: int, left: int, height: int, width: int):
    if is_pillow(image):
        return image.crop((left, top, left + width, top + height))
    return image[..., top : top + height, left : left + width]


def padded(image, sides: tuple[int, int, int, int], fill, mode: str):
    left, top, right, bottom = sides
    if is_pillow(image):
        from PIL import Image

        array = np.asarray(image)
        border = [(top, bottom), (left, right), (0, 0)][: array.ndim]
        wide = Image.fromarray(_pad_array(array, border, fill, mode, -1), image.mode if array.ndim == 2 else None)
        if image.mode == "P":
            wide.putpalette(image.getpalette())
        return wide
    array = image.numpy(force=True)
    border = [(0, 0)] * (array.ndim - 2) + [(top, bottom), (left, right)]
    return nc.tensor(_pad_array(array, border, fill, mode, -3), device=image.device)


def _pad_array(array: np.ndarray, border: list, fill, mode: str, channels: int) -> np.ndarray:
    if mode != "constant":
        return np.pad(array, border, mode=mode)
    fill = np.asarray(fill, array.dtype).reshape(-1)
    if fill.size == 1:
        return np.pad(array, border, constant_values=fill[0])
    if array.ndim < 3 or array.shape[channels] != fill.size:
        raise ValueError(f"Pad: expected a fill of 1 number or one per channel, got {fill.size} for {array.shape}")
    planes = np.moveaxis(array, channels, 0)
    border = [pair for axis, pair in enumerate(border) if axis != channels % array.ndim]
    wide = [np.pad(plane, border, constant_values=value) for plane, value in zip(planes, fill, strict=True)]
    return np.moveaxis(np.stack(wide), 0, channels)
