"""Fold and Unfold: images as columns of windows, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.nn import functional as F
from nncore.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor


class Unfold(Module):
    """The windows of [N, C, H, W] as columns [N, C * R * S, P * Q]: `F.unfold`.

    >>> nc.nn.Unfold((2, 3))(nc.ones(2, 5, 3, 4)).shape
    nncore.Size([2, 30, 4])
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Columns [N, C * R * S, P * Q] added into images [N, C, *output_size] where their windows lie: `F.fold`.

    >>> nc.nn.Fold((4, 5), (2, 2))(nc.ones(1, 12, 12)).shape
    nncore.Size([1, 3, 4, 5])
    """

    def __init__(
        self,
        output_size: int | Sequence[int],
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
