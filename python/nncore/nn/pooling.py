"""Pooling layers, 1-D to 3-D: the largest or the mean value of each window.

Input [N, C, ...] or [C, ...]. The output extent is (in + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1,
rounded down, or up with ceil_mode; `stride` is kernel_size unless given. Adaptive layers are told the output extent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.nn import functional as F
from nncore.nn.conv import ntuple
from nncore.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor


class _MaxPoolNd(Module):
    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, self._function)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest value of each window of [N, C, L]; with return_indices also its position."""

    _function = "max_pool1d"


class MaxPool2d(_MaxPoolNd):
    """The largest value of each window of [N, C, H, W]; with return_indices also its position in H * W.

    >>> nc.nn.MaxPool2d(3, stride=2)(nc.ones(20, 16, 50, 32)).shape
    nncore.Size([20, 16, 24, 15])
    """

    _function = "max_pool2d"


class MaxPool3d(_MaxPoolNd):
    """The largest value of each window of [N, C, D, H, W]; with return_indices also its position in D * H * W."""

    _function = "max_pool3d"


class AvgPool1d(Module):
    """The mean of each window of [N, C, L]; padding counts as zeros unless count_include_pad is False."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = ntuple(kernel_size, 1)
        self.stride = ntuple(stride if stride is not None else kernel_size, 1)
        self.padding = ntuple(padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, self._function)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
    """The mean of each window of [N, C, H, W]; padding counts as zeros unless count_include_pad is False.

    divisor_override, where given, replaces the number of elements that the sum is divided by.
    """

    _function = "avg_pool2d"


class AvgPool3d(_AvgPoolNd):
    """The mean of each window of [N, C, D, H, W]; arguments as in AvgPool2d."""

    _function = "avg_pool3d"


class _AdaptiveMaxPoolNd(Module):
    def __init__(self, output_size: int | Sequence[int | None] | None, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, self._function)(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Max pooling of [N, C, L] to [N, C, output_size]."""

    _function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Max pooling of [N, C, H, W] to the extents given: a number, or two of which None keeps the input's."""

    _function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Max pooling of [N, C, D, H, W] to the extents given: a number, or three of which None keeps the input's."""

    _function = "adaptive_max_pool3d"


class _AdaptiveAvgPoolNd(Module):
    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, self._function)(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Mean pooling of [N, C, L] to [N, C, output_size]."""

    _function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Mean pooling of [N, C, H, W] to the extents given: a number, or two of which None keeps the input's.

    >>> nc.nn.AdaptiveAvgPool2d((None, 7))(nc.ones(1, 64, 10, 9)).shape
    nncore.Size([1, 64, 10, 7])
    """

    _function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Mean pooling of [N, C, D, H, W] to the extents given: a number, or three of which None keeps the input's."""

    _function = "adaptive_avg_pool3d"
