"""Transforms of images, under the names of torchvision.transforms: crops, flips, sizes, and the way to tensors.

An image is a Pillow image, or a tensor [..., H, W]; each transform returns the kind that it was given, ToTensor a
tensor. Random ones draw from nncore's default generator, so that `nncore.manual_seed` reproduces them; each call of a
transform makes one choice, for all images of a tensor alike. Pillow comes with the extra `vision` and is imported when
it is used.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING

import numpy as np

import nncore as nc

from .image_kinds import cut, extent, is_pillow, padded, size_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "CenterCrop",
    "Compose",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomVerticalFlip",
    "Resize",
    "ToTensor",
]


def _below(end: int) -> int:
    """A random integer of 0 to end - 1."""
    return int(nc.randint(0, end, (1,)).item())


class Compose:
    """One transform after the other.

    >>> T = nc.data.transforms
    >>> T.Compose([T.CenterCrop(2), T.Normalize(0.5, 0.5)])(nc.ones(1, 4, 4)).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """

    def __init__(self, transforms: Sequence[Callable]) -> None:
        self.transforms = transforms

    def __call__(self, img):
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {transform}" for transform in self.transforms), ")"])


class Lambda:
    """A function as a transform."""

    def __init__(self, lambd: Callable) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img):
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToTensor:
    """A Pillow image, or an array [H, W] or [H, W, C], as a tensor [C, H, W].

    uint8 becomes float32 in [0, 1], divided by 255; Pillow's black-and-white images too. Other numbers stay as they
    are.

    >>> nc.data.transforms.ToTensor()(np.array([[[0, 51, 255]]], np.uint8)).flatten()
    tensor([0.0000, 0.2000, 1.0000])
    """

    def __call__(self, pic) -> nc.Tensor:
        if is_pillow(pic):
            array = self._of_pillow(pic)
        elif isinstance(pic, np.ndarray):
            array = pic
        else:
            raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
        if array.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
        planes = np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))
        if planes.dtype == np.uint8:
            planes = planes.astype(np.float32) / np.float32(255)
        return nc.tensor(planes)

    @staticmethod
    def _of_pillow(image) -> np.ndarray:
        if image.mode == "1":
            return 255 * np.asarray(image, np.uint8)
        return np.array(image, {"I": np.int32, "I;16": np.int16, "F": np.float32}.get(image.mode, np.uint8))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Normalize:
    """(image - mean) / std for each channel of a floating tensor [..., C, H, W]; numbers hold for all channels.

    >>> nc.data.transforms.Normalize([0.5, 0.0], [0.5, 2.0])(nc.ones(2, 1, 1)).flatten()
    tensor([1.0000, 0.5000])
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, tensor: nc.Tensor) -> nc.Tensor:
        if not isinstance(tensor, nc.Tensor):
            raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
        if not tensor.is_floating_point():
            raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
        if tensor.ndim < 3:
            raise ValueError(
                f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
            )
        mean, std = (self._per_channel(values, tensor) for values in (self.mean, self.std))
        if (std == 0).any():
            raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
        if self.inplace:
            return tensor.sub_(mean).div_(std)
        return (tensor - mean) / std

    @staticmethod
    def _per_channel(values, tensor):
        values = nc.tensor(values, dtype=tensor.dtype, device=tensor.device).reshape(-1)
        if len(values) not in (1, tensor.shape[-3]):
            raise ValueError(f"Normalize: expected 1 or {tensor.shape[-3]} values, one per channel, got {len(values)}")
        return values.reshape(-1, 1, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class Pad:
    """Wider by `padding` pixels: on all sides, (left and right, top and bottom), or (left, top, right, bottom).

    padding_mode: "constant" fills with fill, a number or one for each channel; "edge" repeats the last pixel; "reflect"
    mirrors without it, "symmetric" with it. A tensor's result takes part in no gradient.

    >>> nc.data.transforms.Pad((1, 0), padding_mode="reflect")(nc.tensor([[1, 2, 3]]))
    tensor([[2, 1, 2, 3, 2]])
    """

    def __init__(self, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant"):
        if not isinstance(padding, numbers.Number | tuple | list):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(padding, numbers.Number) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
            )
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def __call__(self, img):
        extent(self, img)
        sides = [self.padding] if isinstance(self.padding, numbers.Number) else list(self.padding)
        left, top, right, bottom = (int(side) for side in sides * (4 // len(sides)))
        return padded(img, (left, top, right, bottom), self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class CenterCrop:
    """The middle of an image, size (height, width); a smaller image is padded with zeros.

    >>> nc.data.transforms.CenterCrop((1, 2))(nc.arange(12).reshape(3, 4))
    tensor([[5, 6]])
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = size_pair("CenterCrop", size)

    def __call__(self, img):
        height, width = self.size
        h, w = extent(self, img)
        if height > h or width > w:
            dy, dx = max(height - h, 0), max(width - w, 0)
            img = padded(img, (dx // 2, dy // 2, (dx + 1) // 2, (dy + 1) // 2), 0, "constant")
            h, w = extent(self, img)
        return cut(img, round((h - height) / 2), round((w - width) / 2), height, width)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class RandomCrop:
    """A part of size (height, width) at a random place, after padding as in Pad.

    pad_if_needed also pads images smaller than size, on both sides by what is missing. ValueError for an image that is
    too small.

    >>> nc.data.transforms.RandomCrop(3, padding=1)(nc.zeros(2, 3, 3)).shape
    nncore.Size([2, 3, 3])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = size_pair("RandomCrop", size)
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = padding, pad_if_needed, fill, padding_mode

    def __call__(self, img):
        height, width = self.size
        if self.padding is not None:
            img = Pad(self.padding, self.fill, self.padding_mode)(img)
        h, w = extent(self, img)
        if self.pad_if_needed and (width > w or height > h):
            dx, dy = max(width - w, 0), max(height - h, 0)
            img = padded(img, (dx, dy, dx, dy), self.fill, self.padding_mode)
            h, w = extent(self, img)
        if height > h or width > w:
            raise ValueError(f"Required crop size {(height, width)} is larger than input image size {(h, w)}")
        if (height, width) == (h, w):
            return img
        return cut(img, _below(h - height + 1), _below(w - width + 1), height, width)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class _RandomFlip:
    _dim, _method = -1, "FLIP_LEFT_RIGHT"

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, img):
        extent(self, img)
        if not nc.rand(1).item() < self.p:
            return img
        if is_pillow(img):
            from PIL import Image

            return img.transpose(getattr(Image.Transpose, self._method))
        return nc.flip(img, (self._dim,))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Mirrored left to right with probability p.

    >>> nc.data.transforms.RandomHorizontalFlip(p=1.0)(nc.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """


class RandomVerticalFlip(_RandomFlip):
    """Turned upside down with probability p."""

    _dim, _method = -2, "FLIP_TOP_BOTTOM"


_FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")


class Resize:
    """Another size: (height, width), or one number for the shorter side, where the longer keeps the proportion.

    max_size limits the longer side then. interpolation is "nearest", "bilinear" or "bicubic" (Pillow also "lanczos").
    Pillow images are resized by Pillow, tensors by `nn.functional.interpolate`; antialias, always on for Pillow, widens
    the filter where the image gets smaller.

    >>> nc.data.transforms.Resize(4)(nc.zeros(3, 8, 12)).shape
    nncore.Size([3, 4, 6])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: str = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        if not isinstance(size, int) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        if max_size is not None and not isinstance(size, int) and len(size) == 2:
            raise ValueError("max_size should only be passed if size specifies the length of the smaller edge")
        if interpolation not in _FILTERS:
            raise ValueError(f"Resize: expected an interpolation of {', '.join(_FILTERS)}, got {interpolation!r}")
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    def _target(self, h: int, w: int) -> tuple[int, int]:
        if not isinstance(self.size, int) and len(self.size) == 2:
            return tuple(self.size)
        short = self.size if isinstance(self.size, int) else self.size[0]
        long = int(short * max(h, w) / min(h, w))
        if self.max_size is not None:
            if self.max_size <= short:
                raise ValueError(
                    f"max_size = {self.max_size} must be strictly greater than the requested size for the smaller "
                    f"edge size = {self.size}"
                )
            if long > self.max_size:
                short, long = int(self.max_size * short / long), self.max_size
        return (short, long) if h <= w else (long, short)

    def __call__(self, img):
        before = extent(self, img)
        height, width = self._target(*before)
        if (height, width) == before:
            return img
        if is_pillow(img):
            from PIL import Image

            return img.resize((width, height), getattr(Image.Resampling, self.interpolation.upper()))
        return self._resized(img, height, width)

    def _resized(self, image: nc.Tensor, height: int, width: int) -> nc.Tensor:
        kind = image.dtype
        planes = (image if image.is_floating_point() else image.float()).reshape(
            math.prod(image.shape[:-3]), image.shape[-3] if image.ndim > 2 else 1, *image.shape[-2:]
        )
        smooth = {"align_corners": False, "antialias": bool(self.antialias)} if self.interpolation != "nearest" else {}
        planes = nc.nn.functional.interpolate(planes, (height, width), mode=self.interpolation, **smooth)
        if not kind.is_floating_point:
            planes = planes.round()
            planes = planes.clamp(0, 255) if kind is nc.uint8 else planes
            planes = planes.to(kind)
        return planes.reshape(*image.shape[:-2], height, width)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation}, max_size={self.max_size}, "
            f"antialias={self.antialias})"
        )
