"""How parameters start: functions that fill a tensor in place and return it.

The rules of Glorot and Bengio (2010, "xavier"), He et al. (2015, "kaiming"), Saxe et al. (2013, orthogonal) and Martens
(2010, sparse). They record nothing on the tape. Random numbers come from `nncore.manual_seed`'s generator or from the
`generator` given.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _core, autograd
from nncore.nn._normal import normal_quantile
from nncore.ops.creation import empty, from_numpy

if TYPE_CHECKING:
    from nncore.nn.parameter import Parameter
    from nncore.tensor import Tensor

_GAINS = {
    "tanh": lambda _: 5.0 / 3,
    "relu": lambda _: math.sqrt(2.0),
    "leaky_relu": lambda slope: math.sqrt(2.0 / (1 + slope**2)),
    "selu": lambda _: 3.0 / 4,  # keeps the variance in practice; the value PyTorch uses
} | dict.fromkeys(
    ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid"],
    lambda _: 1,
)


_skipping = False


@contextlib.contextmanager
def skipped():
    """Inside, the functions of this module leave tensors as they are: for a network whose values are about to be
    loaded, or that is only to be counted. Memory that nobody writes costs nothing, however large the network.

    >>> with nc.nn.init.skipped():
    ...     layer = nc.nn.Linear(10_000, 10_000)  # 400 MB, if they were written
    >>> layer.weight.numel()
    100000000
    """
    global _skipping
    before, _skipping = _skipping, True
    try:
        yield
    finally:
        _skipping = before


def calculate_gain(nonlinearity: str, param: Parameter | None = None):
    """The factor by which to scale weights before `nonlinearity`, so that the variance of signals is kept.

    1 for linear layers and sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2 / (1 + param^2)) for leaky_relu
    (param is the slope, 0.01 where None), 3/4 for selu.

    >>> nc.nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, int | float):
            raise ValueError(f"negative_slope {param} not a valid number")
    return _GAINS[nonlinearity](param)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None):
    """Fill with values from the uniform distribution U(a, b)."""
    if _skipping:
        return tensor
    with autograd.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None):
    """Fill with values from the normal distribution N(mean, std^2)."""
    if _skipping:
        return tensor
    with autograd.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
):
    """Fill with values from N(mean, std^2) restricted to [a, b], by inverting its distribution function.

    >>> w = nc.nn.init.trunc_normal_(nc.empty(1000), std=0.5, a=-0.1, b=1.0)
    >>> bool(((w >= -0.1) & (w <= 1.0)).all())
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )

    def cdf(x):
        return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0

    with autograd.no_grad():
        u = _float64_like(tensor).uniform_(cdf(a), cdf(b), generator=generator)
        values = np.clip(mean + std * normal_quantile(u.numpy(force=True)), a, b)
        return _set(tensor, values)


def _float64_like(tensor):
    """New memory of the tensor's shape, to draw numbers in: on its device, whose generator draws them."""
    return empty(tensor.shape, dtype=_core.dtype.float64, device=tensor.device)


def constant_(tensor: Tensor, val: float):
    """Fill with `val`."""
    if not _skipping:
        _core.fill(tensor._array, val)
    return tensor


def ones_(tensor: Tensor):
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor):
    """Fill with 0."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor):
    """Make a matrix the identity: ones on the diagonal, zeros elsewhere."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _set(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1):
    """Make the weight of a convolution [K, C, ...] pass its input channels through, as many as there are.

    With `groups`, each group of K / groups output channels passes its own inputs through.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(tuple(tensor.shape))
    per_group = tensor.shape[0] // groups
    middle = tuple(extent // 2 for extent in tensor.shape[2:])
    for g in range(groups):
        for c in range(min(per_group, tensor.shape[1])):
            values[(g * per_group + c, c, *middle)] = 1
    return _set(tensor, values)


def _set(tensor, values):
    """Copy a NumPy array into `tensor`, off the tape."""
    if _skipping:
        return tensor
    with autograd.no_grad():
        tensor.copy_(from_numpy(np.ascontiguousarray(values)))
    return tensor


def _calculate_fan_in_and_fan_out(tensor):
    """Inputs and outputs of one unit of a weight [out, in, window...]."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _calculate_correct_fan(tensor, mode):
    modes = ("fan_in", "fan_out")
    mode = mode.lower()
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None):
    """U(-a, a) with a = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None):
    """N(0, std^2) with std = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    std = gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return normal_(tensor, 0.0, std, generator)


def _nothing_to_do(tensor):
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
):
    """U(-b, b) with b = gain * sqrt(3 / fan) (He et al., 2015); `a` is leaky_relu's slope, fan is chosen by `mode`.

    >>> w = nc.nn.init.kaiming_uniform_(nc.empty(8, 3), nonlinearity="relu")
    >>> bool((w.abs() <= 2 ** 0.5).all())
    True
    """
    if _nothing_to_do(tensor):
        return tensor
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
):
    """N(0, std^2) with std = gain / sqrt(fan) (He et al., 2015); `a` is leaky_relu's slope, fan is chosen by `mode`."""
    if _nothing_to_do(tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None):
    """`gain` times a random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2013).

    Dimensions after the first are taken together.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if 0 in tensor.shape:
        return tensor
    rows = tensor.shape[0]
    with autograd.no_grad():
        flat = _float64_like(tensor).normal_(0, 1, generator=generator).numpy(force=True).reshape(rows, -1)
    q, r = np.linalg.qr(flat.T if rows < flat.shape[1] else flat)
    q = q * np.sign(np.diagonal(r))  # makes the distribution uniform (Mezzadri, 2007)
    return _set(tensor, gain * (q.T if rows < flat.shape[1] else q).reshape(tuple(tensor.shape)))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None):
    """N(0, std^2) with the share `sparsity` of each column set to 0 (Martens, 2010)."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    zeros = math.ceil(sparsity * tensor.shape[0])
    with autograd.no_grad():
        values = _float64_like(tensor).normal_(0, std, generator=generator).numpy(force=True)
        # The smallest keys of each column pick its zeros, which is a random choice without replacement.
        keys = _float64_like(tensor).uniform_(0, 1, generator=generator).numpy(force=True)
    np.put_along_axis(values, np.argsort(keys, axis=0, kind="stable")[:zeros], 0.0, axis=0)
    return _set(tensor, values)


__all__ = [name for name, value in list(globals().items()) if callable(value) and value.__module__ == __name__]
