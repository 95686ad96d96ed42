"""Local response normalisation, with its gradient rules right under it."""

from __future__ import annotations

from nncore import _core
from nncore.autograd import record
from nncore.ops.pad import pad
from nncore.ops.pool import avg_pool3d
from nncore.tensor import Tensor


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / d^beta with d = k + alpha / size * the sum of x^2 over `size` neighbouring channels.

    The channels of c are c - size // 2 to c + (size - 1) // 2, so that an even size looks one further back; channels
    that do not exist count as 0.

    Shapes: input [N, C, ...] with at least 3 dimensions, float32 or float64. Raises ValueError for fewer, RuntimeError
    for a size below 1.

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

    >>> F.local_response_norm(nc.ones(1, 3, 1), 3, alpha=3.0, beta=1.0)
    tensor([[[0.3333],
             [0.2500],
             [0.3333]]])
    """
    options = (size, alpha, beta, k)
    y = Tensor(_core.local_response_norm(input._array, *options))
    return record("local_response_norm", y, (input,), _local_response_rule, (input, options))


def local_response_norm_backward(gy: Tensor, input: Tensor, options: tuple) -> Tensor:
    """gy d^-beta - 2 alpha beta / size x W'(gy x d^(-beta - 1)), W' the sum over the windows that a channel is in."""
    gx = Tensor(_core.local_response_norm_backward(gy._array, input._array, *options))
    saved = (gy, input, options)
    return record("local_response_norm_backward", gx, (gy, input), _local_response_backward_rule, saved)


def _window_sum(x: Tensor, before: int, after: int) -> Tensor:
    """The sum over the channels from `before` back to `after` ahead."""
    n, c = x.shape[:2]
    if x.numel() == 0:
        return x
    padded = pad(x.reshape(n, 1, c, 1, -1), (0, 0, 0, 0, before, after))
    return avg_pool3d(padded, (before + after + 1, 1, 1), stride=1, divisor_override=1).reshape(x.shape)


def _local_response_second(v: Tensor, gy: Tensor, x: Tensor, options: tuple) -> tuple:
    """With W the sum over a channel's window, W' its transpose, d = k + alpha / size W(x^2), c = 2 alpha beta / size,
    q = d^(-beta - 1), s = W(v x):

    gy   v d^-beta - c s x q
    x    -c (v W'(gy x q) + s gy q) + 2 alpha / size x W'(-beta v gy q + c (beta + 1) s gy x q / d)
    """
    size, alpha, beta, k = options
    before, after = size // 2, (size - 1) // 2
    c = 2 * alpha * beta / size
    d = k + alpha / size * _window_sum(x * x, before, after)
    q, s = d ** (-beta - 1), _window_sum(v * x, before, after)
    from_d = _window_sum(c * (beta + 1) * s * gy * x * q / d - beta * v * gy * q, after, before)
    from_x = v * _window_sum(gy * x * q, after, before) + s * gy * q
    return v * d**-beta - c * s * x * q, 2 * alpha / size * x * from_d - c * from_x


_local_response_rule = (local_response_norm_backward,)
_local_response_backward_rule = _local_response_second
