"""Helpers over the parameters of a model: clipped gradients, all parameters as one vector, modules without
initialisation; `rnn` for sequences, `fusion` for folding batch norm into the layer before it."""

from __future__ import annotations

import math

from nncore.autograd import no_grad
from nncore.nn.init import skipped
from nncore.nn.module import Module
from nncore.nn.utils import rnn as rnn
from nncore.nn.utils.fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from nncore.nn.utils.penalties import clip_weights_, l1_penalty, l2_penalty
from nncore.ops.creation import tensor
from nncore.ops.join import cat, stack
from nncore.ops.require import require
from nncore.tensor import Tensor


def skip_init(module_cls, *args, **kwargs):
    """module_cls(*args, **kwargs) whose parameters hold whatever was in memory: for values that come next.

    >>> layer = nc.nn.utils.skip_init(nc.nn.Linear, 784, 10)
    >>> layer.weight.shape
    nncore.Size([10, 784])
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    with skipped():
        return module_cls(*args, **kwargs)


def _gradients(parameters):
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [param.grad for param in parameters if param.grad is not None]


@no_grad()
def get_total_norm(tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None):
    """The norm of order `norm_type` of all tensors, as if they were one vector."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return tensor(0.0)
    device, dtype = tensors[0].device, tensors[0].dtype
    total = stack([t.norm(norm_type).to(device, dtype) for t in tensors]).norm(norm_type)
    if error_if_nonfinite:
        require(
            total.isfinite(),
            RuntimeError,
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`",
            at_once=True,  # before the gradients are changed
        )
    return total


@no_grad()
def clip_grads_with_norm_(parameters, max_norm: float, total_norm, foreach: bool | None = None):
    """Scales the gradients by max_norm / (total_norm + 1e-6) where that is less than 1, in place."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for grad in _gradients(parameters):
        grad.mul_(scale.to(grad.device, grad.dtype))


def clip_grad_norm_(
    parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
):
    """Scales all gradients together so that their norm is at most max_norm; returns the norm before (Pascanu et al.,
    2013). `foreach` is accepted.

    >>> w = nc.nn.Parameter(nc.zeros(2))
    >>> w.grad = nc.tensor([3.0, 4.0])
    >>> nc.nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


@no_grad()
def clip_grad_value_(parameters, clip_value: float, foreach: bool | None = None):
    """Limits every element of the gradients to [-clip_value, clip_value], in place."""
    clip_value = float(clip_value)
    for grad in _gradients(parameters):
        grad.clamp_(min=-clip_value, max=clip_value)


def parameters_to_vector(parameters):
    """All elements of the parameters in one vector."""
    return cat([param.reshape(-1) for param in parameters])


def vector_to_parameters(vec: Tensor, parameters):
    """Makes the parameters show consecutive parts of `vec`, whose memory they then share."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected nncore.Tensor, but got: {type(vec)}")
    start = 0
    for param in parameters:
        stop = start + param.numel()
        param.data = vec[start:stop].reshape(param.shape).data
        start = stop
