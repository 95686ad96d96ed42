"""Normalisation layers over the features of a sample: layer, RMS and group norm, and local response normalisation."""

from __future__ import annotations

import numbers
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


class _Affine(Module):
    """A weight of ones and a bias of zeros, each of which may be left out."""

    def _make_parameters(self, shape: tuple[int, ...], weight: bool, bias: bool, device, dtype):
        for name, wanted in (("weight", weight), ("bias", bias)):
            parameter = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, parameter)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self._parameters.get("bias") is not None:
            init.zeros_(self.bias)


class LayerNorm(_Affine):
    """(x - mean) / sqrt(var + eps) * weight + bias, with mean and variance over the last dimensions of each sample.

    normalized_shape is their extents, or the last one alone; weight and bias have this shape. elementwise_affine=False
    leaves out both, bias=False the bias. Source: Ba, Kiros and Hinton, "Layer normalization", 2016.

    >>> nc.nn.LayerNorm(2)(nc.tensor([[1.0, 3.0], [-2.0, 2.0]]))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]], grad_fn=<layer_norm>)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _extents(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._make_parameters(self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """x / sqrt(mean of x^2 + eps) * weight, with the mean over the last dimensions of each sample.

    normalized_shape is their extents, or the last one alone. eps None is the distance from 1 to the next number of
    the input's dtype. Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.

    >>> nc.nn.RMSNorm(2, elementwise_affine=False)(nc.tensor([1.0, 7.0]))
    tensor([0.2000, 1.4000])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _extents(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


def _extents(normalized_shape):
    return (normalized_shape,) if isinstance(normalized_shape, numbers.Integral) else tuple(normalized_shape)


class GroupNorm(_Affine):
    """(x - mean) / sqrt(var + eps) * weight + bias over [N, C, ...], with mean and variance over num_groups groups of
    channels of each sample; weight and bias are [C].

    One group is layer norm over all of a sample, C groups are instance norm. Source: Wu and He, "Group normalization",
    2018.

    >>> nc.nn.GroupNorm(3, 6)(nc.ones(20, 6, 10, 10)).shape
    nncore.Size([20, 6, 10, 10])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Device = None,
        dtype: DType = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self._make_parameters((num_channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x / (k + alpha / size * the sum of x^2 over `size` neighbouring channels)^beta, over [N, C, ...].

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

    >>> nc.nn.LocalResponseNorm(5)(nc.ones(1, 64, 27, 27)).shape
    nncore.Size([1, 64, 27, 27])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
