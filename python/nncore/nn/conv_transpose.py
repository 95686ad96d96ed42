"""Transposed convolution layers, 1-D to 3-D."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.nn import functional as F
from nncore.nn.conv import _ConvNd, ntuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.nn.types import Device, DType
    from nncore.tensor import Tensor


class _ConvTransposeNd(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        shape = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        super().__init__(*shape, bias, padding_mode, device, dtype)
        self.output_padding = ntuple(output_padding, self._ndim)

    def _padding_for(self, input: Tensor, output_size: Sequence[int] | None) -> tuple:
        """The output_padding that leads to output_size."""
        if output_size is None:
            return self.output_padding
        n = self._ndim
        lead = input.ndim - n
        wanted = list(output_size)[lead:] if len(output_size) == lead + n else list(output_size)
        if len(wanted) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or {lead + n} elements "
                f"(got {len(output_size)})"
            )
        axes = zip(input.shape[lead:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        least = [(x - 1) * s - 2 * p + d * (k - 1) + 1 for x, s, p, d, k in axes]
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} "
                f"(for an input of {list(input.shape[lead:])})"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        conv = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self._ndim - 1]
        more = self._padding_for(input, output_size)
        return conv(input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over [N, C, L] or [C, L]: weight [C, K / groups, S], output [N, K, Q] or [K, Q] with
    Q = (L - 1) * stride - 2 * padding + dilation * (S - 1) + output_padding + 1.

    It lays the kernel, times each element of the input, on the output and adds what overlaps. `forward` takes the
    extents wanted as output_size in place of output_padding.

    >>> nc.nn.ConvTranspose1d(16, 33, 3, stride=2)(nc.ones(20, 16, 50)).shape
    nncore.Size([20, 33, 101])
    """

    _ndim = 1


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over [N, C, H, W] or [C, H, W]: weight [C, K / groups, R, S]. As `ConvTranspose1d`.

    >>> up = nc.nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
    >>> up(nc.ones(1, 16, 6, 6), output_size=(12, 12)).shape
    nncore.Size([1, 16, 12, 12])
    """

    _ndim = 2


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over [N, C, D, H, W] or [C, D, H, W]: weight [C, K / groups, T, R, S]. As
    `ConvTranspose1d`.
    """

    _ndim = 3
