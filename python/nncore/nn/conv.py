"""Convolution layers, 1-D to 3-D."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore.nn import functional as F
from nncore.nn import init
from nncore.nn.module import Module
from nncore.nn.parameter import Parameter
from nncore.ops.creation import empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.nn.types import Device, DType
    from nncore.tensor import Tensor

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def ntuple(value: float, count):
    """A number repeated `count` times; a sequence as a tuple."""
    return tuple(value) if hasattr(value, "__iter__") else (value,) * count


class _ConvNd(Module):
    """What all of them have in common; `_ndim` counts the spatial dimensions."""

    _ndim: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        n = self._ndim
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = ntuple(kernel_size, n), ntuple(stride, n), ntuple(dilation, n)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n)
        self.output_padding = (0,) * n
        self.padding_mode = padding_mode
        self._check()
        outer, inner = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(empty(outer, inner // groups, *self.kernel_size, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self._pad_amounts = self._amounts_of_pad()
        self.reset_parameters()

    def _check(self):
        if self.groups <= 0:
            raise ValueError("groups must be a positive integer")
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if self.out_channels % self.groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {self.padding!r}, should be one of 'same', 'valid'")
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if self.padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {', '.join(map(repr, _PADDING_MODES))}, "
                f"but got padding_mode={self.padding_mode!r}"
            )

    def _amounts_of_pad(self):
        """The padding in F.pad's order: last dimension first, both ends of each."""
        amounts = []
        for i in reversed(range(self._ndim)):
            total = self.dilation[i] * (self.kernel_size[i] - 1) if self.padding == "same" else 0
            first = total // 2 if isinstance(self.padding, str) else self.padding[i]
            amounts += [first, total - first if isinstance(self.padding, str) else self.padding[i]]
        return amounts

    def reset_parameters(self) -> None:
        """Draw new values from U(-k, k), k = 1 / sqrt(weight.shape[1] * kernel volume)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        conv = (F.conv1d, F.conv2d, F.conv3d)[self._ndim - 1]
        if self.padding_mode == "zeros":
            return conv(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        padded = F.pad(input, self._pad_amounts, mode=self.padding_mode)
        return conv(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * self._ndim:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self._ndim:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * self._ndim:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_ConvNd):
    """Cross-correlation over [N, C, L] or [C, L]: weight [K, C / groups, R], output [N, K, P] or [K, P] with
    P = (L + 2 * padding - dilation * (R - 1) - 1) // stride + 1.

    padding may be 'valid', or 'same', which keeps the extent; padding_mode is 'zeros', 'reflect', 'replicate' or
    'circular'.

    >>> nc.nn.Conv1d(16, 33, 3, stride=2)(nc.ones(20, 16, 50)).shape
    nncore.Size([20, 33, 24])
    """

    _ndim = 1


class Conv2d(_ConvNd):
    """Cross-correlation over [N, C, H, W] or [C, H, W]: weight [K, C / groups, R, S], output [N, K, P, Q] or [K, P, Q].

    Arguments as in Conv1d; kernel_size, stride, padding and dilation are a number or one for each dimension.

    >>> nc.nn.Conv2d(3, 8, (3, 5), padding="same")(nc.ones(2, 3, 28, 28)).shape
    nncore.Size([2, 8, 28, 28])
    """

    _ndim = 2


class Conv3d(_ConvNd):
    """Cross-correlation over [N, C, D, H, W] or [C, D, H, W]: weight [K, C / groups, T, R, S].

    Arguments as in Conv1d; kernel_size, stride, padding and dilation are a number or one for each dimension.
    """

    _ndim = 3
