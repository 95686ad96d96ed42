"""Normalisation layers with running statistics: batch norm, and instance norm, which can have them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from nncore import _core
from nncore.nn import functional as F
from nncore.nn.normalization import _Affine
from nncore.ops.creation import ones, tensor, zeros
from nncore.ops.norm import batch_norm_counted

if TYPE_CHECKING:
    from nncore.nn.types import Device, DType
    from nncore.tensor import Tensor


class _NormBase(_Affine):
    """What the two have in common: parameters and running statistics [num_features]."""

    _version = 2  # 1 had no num_batches_tracked
    _dims: tuple[int, ...]  # how many dimensions an input may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device = None,
        dtype: DType = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._make_parameters((num_features,), affine, affine and bias, device, dtype)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype) if tracked else None)
        batches = tensor(0, dtype=_core.dtype.int64, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", batches)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1 and the number of batches to 0."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set the weight to 1, the bias to 0, and the running statistics back."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input_dim(self, input):
        if input.ndim not in self._dims:
            expected = " or ".join(f"{d}D" for d in self._dims)
            raise ValueError(f"expected {expected} input (got {input.ndim}D input)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats:
            state_dict.setdefault(prefix + "num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        batches, momentum = None, self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                batches = self.num_batches_tracked
        tracked = self.track_running_stats or not self.training
        return batch_norm_counted(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            self.training or (self.running_mean is None and self.running_var is None),
            0.0 if momentum is None else momentum,
            self.eps,
            batches,
        )


class BatchNorm1d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of [N, C] or [N, C, L].

    In training mode mean and variance are the batch's, and running_mean and running_var move towards them (towards the
    unbiased variance) by the fraction `momentum`; with momentum None they become the averages over all batches seen,
    which num_batches_tracked counts. In evaluation mode the running statistics are used; with
    track_running_stats=False there are none, and the batch's are always used. affine=False leaves out weight and bias,
    bias=False the bias. Raises ValueError for an input of other dimensions, or when training on one value per channel.

    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", 2015.

    >>> m = nc.nn.BatchNorm1d(1, affine=False)
    >>> m(nc.tensor([[1.0], [3.0]]))
    tensor([[-1.0000],
            [ 1.0000]])
    >>> m.running_mean, m.running_var
    (tensor([0.2000]), tensor([1.1000]))
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """BatchNorm1d for [N, C, H, W].

    >>> nc.nn.BatchNorm2d(3)(nc.ones(2, 3, 4, 5)).shape
    nncore.Size([2, 3, 4, 5])
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """BatchNorm1d for [N, C, D, H, W]."""

    _dims = (5,)


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Device = None,
        dtype: DType = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        unbatched = self._dims[0]
        feature_dim = input.ndim - unbatched
        if input.shape[feature_dim] != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={feature_dim} to match num_features ({self.num_features}), "
                    f"but got: {input.shape[feature_dim]}."
                )
            warnings.warn(
                f"input's size at dim={feature_dim} does not match num_features. You can silence this warning by not "
                "passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        if input.ndim == unbatched:
            return self._normalised(input.unsqueeze(0)).squeeze(0)
        return self._normalised(input)

    def _normalised(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        stale = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
        if local_metadata.get("version") is None and not self.track_running_stats and stale:
            names = " and ".join(f'"{key}"' for key in stale)
            error_msgs.append(
                f"Unexpected running stats buffer(s) {names} for {type(self).__name__} with track_running_stats=False. "
                "Remove these keys from state_dict, or set track_running_stats=True to use them."
            )
            for key in stale:
                state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) for each channel of each sample, over [N, C, L] or [C, L].

    affine=True adds a weight and a bias for each channel. With track_running_stats=True running_mean and running_var
    move towards the batch's averages of the samples' statistics, and evaluation mode uses them.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.

    >>> nc.nn.InstanceNorm1d(2)(nc.tensor([[1.0, 3.0], [5.0, 5.0]]))
    tensor([[-1.0000,  1.0000],
            [ 0.0000,  0.0000]])
    """

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """InstanceNorm1d for [N, C, H, W] or [C, H, W].

    >>> nc.nn.InstanceNorm2d(3)(nc.ones(3, 4, 5)).shape
    nncore.Size([3, 4, 5])
    """

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """InstanceNorm1d for [N, C, D, H, W] or [C, D, H, W]."""

    _dims = (4, 5)
