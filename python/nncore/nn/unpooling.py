"""Power-average pooling and the partial inverse of max pooling, 1-D to 3-D."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.nn import functional as F
from nncore.nn.conv import ntuple
from nncore.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor


class _LPPoolNd(Module):
    def __init__(
        self,
        norm_type: float,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        pool = getattr(F, self._function)
        return pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """(sum of x^p)^(1 / p) of each window of [N, C, L] or [C, L], p = norm_type."""

    _function = "lp_pool1d"


class LPPool2d(_LPPoolNd):
    """(sum of x^p)^(1 / p) of each window of [N, C, H, W] or [C, H, W], p = norm_type.

    >>> nc.nn.LPPool2d(2, 3, stride=2)(nc.ones(20, 16, 50, 32)).shape
    nncore.Size([20, 16, 24, 15])
    """

    _function = "lp_pool2d"


class LPPool3d(_LPPoolNd):
    """(sum of x^p)^(1 / p) of each window of [N, C, D, H, W] or [C, D, H, W], p = norm_type."""

    _function = "lp_pool3d"


class _MaxUnpoolNd(Module):
    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
    ) -> None:
        super().__init__()
        self.kernel_size = ntuple(kernel_size, self._ndim)
        self.stride = ntuple(stride if stride is not None else kernel_size, self._ndim)
        self.padding = ntuple(padding, self._ndim)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        unpool = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[self._ndim - 1]
        return unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Zeros [N, C, L] with the maxima of a MaxPool1d(..., return_indices=True) where they came from."""

    _ndim = 1


class MaxUnpool2d(_MaxUnpoolNd):
    """Zeros [N, C, H, W] with the maxima of a MaxPool2d(..., return_indices=True) where they came from.

    >>> pool = nc.nn.MaxPool2d(2, return_indices=True)
    >>> nc.nn.MaxUnpool2d(2)(*pool(nc.rand(1, 3, 5, 5)), output_size=(5, 5)).shape
    nncore.Size([1, 3, 5, 5])
    """

    _ndim = 2


class MaxUnpool3d(_MaxUnpoolNd):
    """Zeros [N, C, D, H, W] with the maxima of a MaxPool3d(..., return_indices=True) where they came from."""

    _ndim = 3
