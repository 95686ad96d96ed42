"""Transposed convolutions: the map from the gradient of a convolution's result to that of its input, as a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core
from nncore.autocast_mode import casts_products
from nncore.autograd import record
from nncore.ops.conv import _backward_input_rule, _extents
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    Extents = int | Sequence[int]


@casts_products("cpu", "cuda")
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Extents = 1,
    padding: Extents = 0,
    output_padding: Extents = 0,
    groups: int = 1,
    dilation: Extents = 1,
) -> Tensor:
    """Transposed convolution over one spatial dimension: `conv_transpose2d` without the height.

    Shapes: input [N, C, L] or [C, L], weight [C, K / groups, S], bias [K], result [N, K, Q] or [K, Q].

    >>> F.conv_transpose1d(nc.tensor([[1.0, 2.0]]), nc.tensor([[[1.0, 10.0]]]), stride=2)
    tensor([[ 1., 10.,  2., 20.]])
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@casts_products("cpu", "cuda")
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Extents = 1,
    padding: Extents = 0,
    output_padding: Extents = 0,
    groups: int = 1,
    dilation: Extents = 1,
) -> Tensor:
    """Transposed convolution over two spatial dimensions: every element of the input lays the kernel, times itself,
    on the output, `stride` apart, and what overlaps is added:

    y[n, k, p * stride - padding + r * dilation, q * stride - padding + s * dilation]
        += weight[c, k, r, s] * input[n, c, p, q]   for all c, p, q, r, s, starting from bias[k].

    It is the gradient of `conv2d` with the same weight with respect to that one's input. Several extents of an image
    lead to the same extent under a strided convolution; output_padding, less than stride or dilation, says how many
    rows and columns more than the fewest to return.

    Shapes: input [N, C, H, W] or [C, H, W], weight [C, K / groups, R, S], bias [K], result [N, K, P, Q] or [K, P, Q]
    with P = (H - 1) * stride - 2 * padding + dilation * (R - 1) + output_padding + 1. dtypes: float32, float64, all
    the same. Raises RuntimeError where shapes, dtypes or options do not fit.

    Source: Zeiler et al., "Deconvolutional networks", 2010; Dumoulin and Visin, "A guide to convolution arithmetic for
    deep learning", 2016.

    >>> F.conv_transpose2d(nc.ones(1, 2, 2), nc.ones(1, 1, 2, 2))
    tensor([[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]])
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@casts_products("cpu", "cuda")
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Extents = 1,
    padding: Extents = 0,
    output_padding: Extents = 0,
    groups: int = 1,
    dilation: Extents = 1,
) -> Tensor:
    """Transposed convolution over three spatial dimensions: `conv_transpose2d` with a depth before the height.

    Shapes: input [N, C, D, H, W] or [C, D, H, W], weight [C, K / groups, T, R, S], bias [K].

    >>> F.conv_transpose3d(nc.ones(1, 1, 1, 1), nc.ones(1, 1, 1, 1, 2))
    tensor([[[[1., 1.]]]])
    """
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _transposed(spatial: int, x, weight, bias, stride, padding, output_padding, groups, dilation) -> Tensor:
    name = f"conv_transpose{spatial}d"
    _check(name, spatial, x, weight, bias, groups)
    names = ("stride", "padding", "output_padding", "dilation")
    given = (stride, padding, output_padding, dilation)
    stride, padding, more, dilation = (_extents(spatial, n, v, name) for n, v in zip(names, given, strict=True))
    _check_options(name, stride, padding, more, dilation)
    size, ends = [], []
    for i, n in enumerate(x.shape[x.ndim - spatial :]):
        reach = (n - 1) * stride[i] + dilation[i] * (weight.shape[2 + i] - 1) + 1
        size.append(reach - 2 * padding[i] + more[i])
        # What the convolution of an image of that size must add at its end (or leave out) to have n results.
        ends.append(padding[i] - more[i])
    if any(n < 0 for n in size):
        raise RuntimeError(
            f"{name}: Given input size per channel: {list(x.shape[x.ndim - spatial :])}, the calculated output size "
            f"per channel is {size}, which is too small"
        )
    options = (stride, padding, tuple(ends), dilation, groups)
    shape = (*x.shape[: x.ndim - spatial - 1], weight.shape[1] * groups, *size)
    b = None if bias is None else bias._array
    y = Tensor(_core.conv_backward_input(x._array, weight._array, b, shape, options))
    return record(name, y, (x, weight, bias), _transposed_rule, (x, weight, options))


_transposed_rule = (
    *_backward_input_rule,
    lambda gy, x, w, options: gy.sum([d for d in range(gy.ndim) if d != gy.ndim - w.ndim + 1]),
)


def _check(name: str, spatial: int, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    if weight.ndim != spatial + 2:
        raise RuntimeError(
            f"{name}: expected a weight of {spatial + 2} dimensions, got weight of size {list(weight.shape)}"
        )
    if x.ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"{name}: expected {spatial + 1}D (unbatched) or {spatial + 2}D (batched) input, got input of size "
            f"{list(x.shape)}"
        )
    if groups < 1:
        raise RuntimeError(f"{name}: groups must be at least 1, got {groups}")
    channels = x.shape[x.ndim - spatial - 1]
    if weight.shape[0] != channels or channels % groups:
        raise RuntimeError(
            f"{name}: weight expects {weight.shape[0]} input channels, divisible by groups, input has {channels} "
            f"(input {list(x.shape)}, weight {list(weight.shape)}, groups {groups})"
        )
    if bias is not None and tuple(bias.shape) != (weight.shape[1] * groups,):
        raise RuntimeError(
            f"{name}: expected a bias of {weight.shape[1] * groups} elements, got {list(bias.shape)} "
            f"(weight {list(weight.shape)}, groups {groups})"
        )


def _check_options(name: str, stride: tuple, padding: tuple, more: tuple, dilation: tuple) -> None:
    for what, values, least in (("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)):
        if any(v < least for v in values):
            raise RuntimeError(f"{name}: {what} must be at least {least}, got {list(values)}")
    if any(e < 0 for e in more):
        raise RuntimeError(f"{name}: output_padding must be at least 0, got {list(more)}")
    if any(e >= max(s, d) for e, s, d in zip(more, stride, dilation, strict=True)):
        raise RuntimeError(
            f"{name}: output padding must be smaller than either stride or dilation, but got output_padding "
            f"{list(more)}, stride {list(stride)}, dilation {list(dilation)}"
        )
