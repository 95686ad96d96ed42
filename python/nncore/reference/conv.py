"""Convolutions: the sum as it is written in the book, one output after the other."""

import math

import numpy as np


def conv1d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return _conv(1, x, w, bias, stride, padding, dilation, groups)


def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return _conv(2, x, w, bias, stride, padding, dilation, groups)


def conv3d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return _conv(3, x, w, bias, stride, padding, dilation, groups)


def conv_backward_input(gy, w, input_size, options):
    """Every output hands its gradient to the inputs that it was made of."""
    stride, begin, end, dilation, groups = options
    gx = np.zeros(input_size, np.float64)
    batched = gx if len(input_size) == w.ndim else gx[None]
    gy = gy if len(input_size) == w.ndim else gy[None]
    padded = _pad(batched, begin, end)
    for channels, filters in _groups(batched.shape[1], w.shape[0], groups):
        for at in np.ndindex(gy.shape[2:]):
            window = _window(at, w.shape[2:], stride, dilation)
            padded[(slice(None), channels, *window)] += np.tensordot(
                gy[(slice(None), filters, *at)].astype(np.float64), w[filters].astype(np.float64), 1
            )
    batched[...] = padded[(..., *(slice(b, b + n) for b, n in zip(begin, batched.shape[2:], strict=True)))]
    return gx.astype(gy.dtype)


def conv_backward_weight(gy, x, weight_size, options):
    """Every output adds its gradient times its inputs."""
    stride, begin, end, dilation, groups = options
    gw = np.zeros(weight_size, np.float64)
    batched = x.ndim == len(weight_size)
    x, gy = (x, gy) if batched else (x[None], gy[None])
    padded = _pad(x, begin, end)
    for channels, filters in _groups(x.shape[1], weight_size[0], groups):
        for at in np.ndindex(gy.shape[2:]):
            window = padded[(slice(None), channels, *_window(at, weight_size[2:], stride, dilation))]
            gw[filters] += np.tensordot(gy[(slice(None), filters, *at)].astype(np.float64), window, (0, 0))
    return gw.astype(gy.dtype)


def _conv_transpose(spatial):
    def conv_transpose(x, w, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        stride, padding, more, dilation = (_each(spatial, v) for v in (stride, padding, output_padding, dilation))
        axes = zip(x.shape[x.ndim - spatial :], w.shape[2:], stride, padding, more, dilation, strict=True)
        size = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, e, d in axes]
        channels = [*x.shape[: x.ndim - spatial - 1], w.shape[1] * groups]
        ends = [
            p + d * k + e for p, d, k, e in zip(padding, dilation, w.shape[2:], more, strict=True)
        ]  # more than enough
        y = conv_backward_input(x, w, (*channels, *size), (stride, padding, ends, dilation, groups))
        return y if bias is None else y + bias.reshape(-1, *[1] * spatial)

    return conv_transpose


conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_conv_transpose, (1, 2, 3))


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    kernel, dilation, padding, stride = (_each(2, v) for v in (kernel_size, dilation, padding, stride))
    padded = _pad(x if x.ndim == 4 else x[None], padding, padding)
    places = _places(padded.shape, kernel, dilation, stride)
    images = [padded[(..., *_window(at, kernel, stride, dilation))] for at in places]
    y = np.stack([image.reshape(len(padded), math.prod(image.shape[1:])) for image in images], -1).astype(x.dtype)
    return y if x.ndim == 4 else y[0]


def fold(columns, output_size, kernel_size, dilation=1, padding=0, stride=1):
    kernel, dilation, padding, stride = (_each(2, v) for v in (kernel_size, dilation, padding, stride))
    size = _each(2, output_size)
    batched = columns if columns.ndim == 3 else columns[None]
    channels = batched.shape[1] // (kernel[0] * kernel[1])
    padded = _pad(np.zeros((len(batched), channels, *size)), padding, padding)
    for i, at in enumerate(_places(padded.shape, kernel, dilation, stride)):
        padded[(..., *_window(at, kernel, stride, dilation))] += batched[..., i].reshape(
            len(batched), channels, *kernel
        )
    y = padded[(..., *(slice(p, p + n) for p, n in zip(padding, size, strict=True)))].astype(columns.dtype)
    return y if columns.ndim == 3 else y[0]


def _places(shape, kernel, dilation, stride):
    """The output positions whose windows fit into planes of this shape."""
    axes = zip(shape[2:], kernel, dilation, stride, strict=True)
    return np.ndindex(*[(n - d * (k - 1) - 1) // s + 1 for n, k, d, s in axes])


def _conv(spatial, x, w, bias, stride, padding, dilation, groups):
    stride, dilation = _each(spatial, stride), _each(spatial, dilation)
    spans = [d * (k - 1) for d, k in zip(dilation, w.shape[2:], strict=True)]
    if padding == "same":
        begin, end = [s // 2 for s in spans], [s - s // 2 for s in spans]
    else:
        begin = end = _each(spatial, 0 if padding == "valid" else padding)
    padded = _pad(x if x.ndim == w.ndim else x[None], begin, end)
    out = [(n - span - 1) // s + 1 for n, span, s in zip(padded.shape[2:], spans, stride, strict=True)]
    y = np.zeros((padded.shape[0], w.shape[0], *out))
    for channels, filters in _groups(padded.shape[1], w.shape[0], groups):
        for at in np.ndindex(*out):
            window = padded[(slice(None), channels, *_window(at, w.shape[2:], stride, dilation))]
            y[(slice(None), filters, *at)] = np.tensordot(window, w[filters].astype(np.float64), (_axes(w), _axes(w)))
    if bias is not None:
        y += bias.reshape(-1, *[1] * spatial)
    return (y if x.ndim == w.ndim else y[0]).astype(x.dtype)


def _each(spatial, value):
    value = (value,) if isinstance(value, int) else tuple(value)
    return value * spatial if len(value) == 1 else value


def _axes(w):
    return list(range(1, w.ndim))


def _pad(x, begin, end):
    return np.pad(x.astype(np.float64), [(0, 0), (0, 0), *zip(begin, end, strict=True)])


def _window(at, kernel, stride, dilation):
    """The places of the padded input that the output at `at` reads."""
    per_dimension = zip(at, kernel, stride, dilation, strict=True)
    return tuple(slice(o * s, o * s + d * (k - 1) + 1, d) for o, k, s, d in per_dimension)


def _groups(channels, filters, groups):
    """(its input channels, its output channels) of every group."""
    c, k = channels // groups, filters // groups
    return [(slice(g * c, (g + 1) * c), slice(g * k, (g + 1) * k)) for g in range(groups)]
