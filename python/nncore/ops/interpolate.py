"""Images, signals and volumes at other sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autograd import record
from nncore.ops.pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from nncore.ops.resample_tables import table
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

# How each mode works along an axis, and for which numbers of dimensions of the input there is one.
_MODES = {
    "nearest": ("nearest", (3, 4, 5)),
    "nearest-exact": ("nearest-exact", (3, 4, 5)),
    "area": ("area", (3, 4, 5)),
    "linear": ("linear", (3,)),
    "bilinear": ("linear", (4,)),
    "trilinear": ("linear", (5,)),
    "bicubic": ("cubic", (4,)),
    "lanczos": ("lanczos", (4,)),
}
_WITHOUT_CORNERS = ("nearest", "nearest-exact", "area")


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """input [N, C, ...] with one to three spatial dimensions, sampled at `size`, or at floor(extent * scale_factor).

    Along each axis, output o looks at place s(o) = (o + 0.5) * ratio - 0.5 of the input, or, with align_corners, at
    o * ratio, so that the corners' centres coincide. The ratio of extents is 1 / scale_factor where that is given and
    recompute_scale_factor is not set, in / out otherwise, (in - 1) / (out - 1) with align_corners.

    mode:
    - "nearest": the element floor(o * ratio); "nearest-exact": the one nearest to s(o)
    - "linear", "bilinear", "trilinear" (for 3, 4 and 5 dimensions): the mean of the two elements around s(o), weighted
      by their nearness, along each axis in turn
    - "bicubic" (4 dimensions): four elements, weighted by Keys's kernel with a = -0.75
    - "area": the mean of the elements that an output covers, as `adaptive_avg_pool2d`
    - "lanczos" (4 dimensions, with antialias): a windowed sinc of 6 elements
    antialias ("bilinear", "bicubic", "lanczos") widens the filter where the output is smaller, so that it sees every
    element of the input.

    dtypes: float32, float64; "nearest" and "nearest-exact" also uint8. Raises ValueError, RuntimeError or
    NotImplementedError where arguments do not fit each other.

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981.

    >>> F.interpolate(nc.tensor([[[1.0, 2.0, 4.0]]]), scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.2500, 1.7500, 2.5000, 3.5000, 4.0000]]])
    >>> F.interpolate(nc.tensor([[[1.0, 2.0, 4.0]]]), 5)
    tensor([[[1., 1., 2., 2., 4.]]])
    """
    _check_mode(input, mode, align_corners, antialias)
    extents, scales = _size_and_scales(input, size, scale_factor, bool(recompute_scale_factor))
    spatial = input.ndim - 2
    if 0 in input.shape[1:] or any(n < 1 for n in extents):
        raise RuntimeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input {list(input.shape)} and "
            f"output size {list(extents)}"
        )
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[spatial - 1](input, extents)
    return _resize(input, _MODES[mode][0], extents, scales, bool(align_corners), antialias)


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode in _WITHOUT_CORNERS and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if mode == "lanczos" and align_corners:
        raise ValueError("Lanczos mode does not support align_corners=True")
    if mode not in _MODES or not 3 <= input.ndim <= 5:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: "
            f"{' | '.join(_MODES)} (got {mode})"
        )
    fitting = _MODES[mode][1]
    if input.ndim not in fitting:
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {fitting[0]}D input")


def _size_and_scales(input: Tensor, size, scale_factor, recompute: bool) -> tuple:
    """The output's extents, and for each axis the scale_factor that places are computed with, or None."""
    spatial = input.ndim - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        given = list(size) if isinstance(size, (tuple, list)) else [size] * spatial
        if len(given) != spatial:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(input.shape[2:])} and output size of {size}."
            )
        if any(isinstance(n, float) for n in given):
            raise TypeError(f"expected size to be one of int or a tuple of ints, but got {size}")
        return tuple(int(n) for n in given), [None] * spatial
    given = list(scale_factor) if isinstance(scale_factor, (tuple, list)) else [scale_factor] * spatial
    if len(given) != spatial:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(input.shape[2:])} and scale_factor of shape {scale_factor}."
        )
    result = tuple(math.floor(float(n) * float(s)) for n, s in zip(input.shape[2:], given, strict=True))
    return result, [None] * spatial if recompute else [float(s) for s in given]


def _resize(input: Tensor, kind: str, size: tuple, scales: list, align_corners: bool, antialias: bool) -> Tensor:
    dtype = "float64" if input._array.dtype is _core.dtype.float64 else "float32"
    axes = list(zip(input.shape[2:], size, scales, strict=True))
    if kind == "nearest" and input.ndim == 4:  # an extent kept or doubled is so whatever the scale_factor
        axes = [(n, out, None if out in (n, 2 * n) else scale) for n, out, scale in axes]
    how = (align_corners, antialias, dtype, input._array.device)
    tables = [table(kind, n, out, scale, *how) for n, out, scale in axes]
    forward = [t and t[0] for t in tables]
    if input._array.dtype is _core.dtype.uint8 and kind.startswith("nearest"):
        for dim, t in enumerate(forward, start=2):
            if t is not None:
                input = input.index_select(dim, Tensor(t[0]).flatten())
        return input
    return resample(input, forward, [t and t[1] for t in tables])


def resample(x: Tensor, tables: list, adjoint: list) -> Tensor:
    """The linear map of each of the last axes that `tables` describe; `adjoint` has those of the way back."""
    return record("resample", Tensor(_core.resample(x._array, tables)), (x,), _resample_rule, (adjoint, tables))


_resample_rule = (resample,)


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` under its former name.

    >>> F.upsample(nc.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """`interpolate` by nearest neighbours, under a former name.

    >>> F.upsample_nearest(nc.tensor([[[1.0, 2.0]]]), 4)
    tensor([[[1., 1., 2., 2.]]])
    """
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """Bilinear `interpolate` of [N, C, H, W] with align_corners, under a former name.

    >>> F.upsample_bilinear(nc.tensor([[[[1.0, 2.0]]]]), (1, 3))
    tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
