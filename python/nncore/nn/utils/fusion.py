"""Folding batch norm into the layer before it: what evaluation mode computes, in one layer instead of two.

In evaluation mode batch norm multiplies each channel by s = weight / sqrt(running_var + eps) and adds
bias - running_mean * s. So does the layer before it, with its weight times s and a bias of its own.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from nncore.nn.parameter import Parameter
from nncore.ops.creation import ones_like, zeros_like

if TYPE_CHECKING:
    from nncore.nn.module import Module
    from nncore.tensor import Tensor


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """A copy of a convolution that does what the convolution and then the batch norm do in evaluation mode.

    transpose says that the convolution is a transposed one, whose weight has the output channels second. Both must be
    in evaluation mode and the batch norm must have running statistics; AssertionError otherwise.

    >>> conv, bn = nc.nn.Conv2d(3, 4, 3).eval(), nc.nn.BatchNorm2d(4).eval()
    >>> fused, x = nc.nn.utils.fuse_conv_bn_eval(conv, bn), nc.ones(1, 3, 5, 5)
    >>> nc.allclose(fused(x), bn(conv(x)), atol=1e-6)
    True
    """
    fused = _copy(conv, bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and bias of `fuse_conv_bn_eval` from those of the convolution and the state of the batch norm."""
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _folded(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Module:
    """A copy of a linear layer that does what it and then the batch norm do in evaluation mode.

    The batch norm has as many features as the layer has outputs, or one. Raises as `fuse_conv_bn_eval`.
    """
    fused = _copy(linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """The weight and bias of `fuse_linear_bn_eval` from those of the layer and the state of the batch norm."""
    return _folded(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _copy(layer: Module, bn: Module) -> Module:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return copy.deepcopy(layer)


def _folded(w: Tensor, b: Tensor | None, mean, var, eps: float, weight, bias, shape: list) -> tuple:
    scale = (var + eps).rsqrt() * (ones_like(mean) if weight is None else weight)
    old = zeros_like(mean) if b is None else b
    shifted = (old - mean) * scale + (zeros_like(mean) if bias is None else bias)
    return (
        Parameter((w * scale.reshape(shape)).detach(), w.requires_grad),
        Parameter(shifted.detach(), old.requires_grad),
    )
