"""Cases of the views and copies that only move elements; what they compute is exact."""

import numpy as np

import nncore as nc
from op_cases import Case, Draw, Sample, Wrong, layouts

EXACT = {"float32": (0, 0), "float64": (0, 0)}


def calls(*arguments, shape=(2, 3, 4)):
    """The operation with each tuple of arguments, on every memory layout."""

    def samples(draw: Draw):
        for more in arguments:
            for x in layouts(draw.normal(*shape)):
                yield Sample((x, *more), label=str(more))

    return samples


def row(name: str, reference, samples, **more) -> Case:
    return Case(name, getattr(nc, name), reference, samples, tolerance=EXACT, **more)


def pieces(x, size, dim=0):
    """Parts of `size` along a dimension, or of the sizes given."""
    ends = np.cumsum(size) if isinstance(size, (list, tuple)) else np.arange(size, x.shape[dim] + size, size)
    return tuple(np.split(x, ends[:-1], axis=dim))


def chunks(x, count, dim=0):
    """At most `count` parts, all but the last equally large."""
    return pieces(x, -(-x.shape[dim] // count), dim)


def unbound(x, dim=0):
    """The slices along a dimension."""
    return tuple(np.moveaxis(x, dim, 0))


def flat(x, start=0, end=-1):
    """The dimensions from start to end as one."""
    start, end = start % x.ndim, end % x.ndim
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def grids(x, y):
    """Coordinates of the grid over two vectors."""
    return tuple(np.meshgrid(x, y, indexing="ij"))


def together(x, y):
    """Both with the shape that they broadcast to."""
    return tuple(np.broadcast_arrays(x, y))


def diagonals(x):
    """Matrices with the last dimension on the diagonal."""
    return x[..., None] * np.eye(x.shape[-1], dtype=x.dtype)


def vectors(draw: Draw):
    yield Sample((draw.normal(3), draw.normal(4)))
    yield Sample((draw.normal(1), draw.normal(5)))


def two_shapes(draw: Draw):
    yield Sample((draw.normal(3, 1), draw.normal(4)))
    yield Sample((draw.normal(2, 3), draw.normal(2, 3)))


def shuffled_pixels(x, r):
    """Channels laid out as pixels."""
    lead, (c, h, w) = x.shape[:-3], x.shape[-3:]
    y = np.empty((*lead, c // r**2, h * r, w * r), x.dtype)
    for i in range(r):
        for j in range(r):
            y[..., i::r, j::r] = x[..., i * r + j :: r * r, :, :]
    return y


def unshuffled_pixels(x, r):
    """Pixels gathered into channels."""
    parts = [x[..., i::r, j::r] for i in range(r) for j in range(r)]
    return np.stack(parts, -3).reshape(*x.shape[:-3], -1, x.shape[-2] // r, x.shape[-1] // r)


def shuffled_channels(x, groups):
    """The channels of all groups in turn."""
    per_group = x.shape[1] // groups
    return x[:, [g * per_group + j for j in range(per_group) for g in range(groups)]]


def wrong_shuffles(factor: str):
    def wrong(draw: Draw):
        yield Wrong((draw.normal(4, 3), 2), RuntimeError, "at least 3 dimensions, but got input with 2")
        yield Wrong((draw.normal(6, 3, 3), 2), RuntimeError, "divisible by")
        yield Wrong((draw.normal(4, 4, 4), 0), RuntimeError, f"expects a positive {factor}, but got 0")

    return wrong


def wrong_channel_shuffles(draw: Draw):
    yield Wrong((draw.normal(4, 3), 2), RuntimeError, "expects input with > 2 dims")
    yield Wrong((draw.normal(2, 3, 3), 2), RuntimeError, "divisible by groups. Got 3 channels and 2 groups")
    yield Wrong((draw.normal(2, 4, 3), 0), RuntimeError, "must be positive. Value of groups:0")


SWAPS = calls((0, 1), (-1, 0), (1, 1))
MOVES = calls((0, 2), (-1, 0), ((0, 1), (2, 0)))

CASES = [
    row("clone", np.copy, calls(())),
    row("reshape", np.reshape, calls(((4, 6),), ((-1,),), ((2, 12),))),
    row("ravel", np.ravel, calls(())),
    row("flatten", flat, calls((), (1,), (0, 1), (-2, -1))),
    row("unflatten", lambda x, d, s: x.reshape(*x.shape[:d], *s, *x.shape[d + 1 :]), calls((1, (3, 1)), (0, (1, 2)))),
    row("permute", np.transpose, calls(((2, 0, 1),), ((0, 1, 2),), ((-1, 1, 0),))),
    *[row(name, np.swapaxes, SWAPS) for name in ("transpose", "swapaxes", "swapdims")],
    *[row(name, np.moveaxis, MOVES) for name in ("movedim", "moveaxis")],
    row("t", np.transpose, calls((), shape=(3, 4))),
    row("squeeze", np.squeeze, calls((1,), (-1,), ((1, 3),), shape=(2, 1, 3, 1))),
    row("unsqueeze", np.expand_dims, calls((0,), (-1,), (2,))),
    row("narrow", lambda x, d, s, n: np.moveaxis(np.moveaxis(x, d, 0)[s : s + n], 0, d), calls((1, 1, 2), (2, 0, 4))),
    row("select", lambda x, d, i: np.take(x, i, axis=d), calls((0, 1), (-1, -2))),
    row("unbind", unbound, calls((), (1,), (-1,))),
    row("split", pieces, calls((2, 1), (3, 2), ([1, 3], 2))),
    row("chunk", chunks, calls((2,), (3, 2), (9, 1))),
    row("tensor_split", np.array_split, calls((2,), (3, 2), (9, 1), ((1, 3), 2), ((), 0))),
    row("tile", np.tile, calls(((2, 1, 1),), ((2, 2),))),
    row("broadcast_to", np.broadcast_to, calls(((5, 2, 3, 4),), ((2, 3, 4),))),
    row("broadcast_tensors", together, two_shapes),
    row("meshgrid", grids, vectors),
    row(
        "pixel_shuffle",
        shuffled_pixels,
        calls((2,), (1,), shape=(2, 8, 2, 3)),
        wrong=wrong_shuffles("upscale_factor"),
    ),
    row(
        "pixel_unshuffle",
        unshuffled_pixels,
        calls((2,), (1,), shape=(3, 4, 6)),
        wrong=wrong_shuffles("downscale_factor"),
    ),
    row(
        "channel_shuffle",
        shuffled_channels,
        calls((2,), (3,), (1,), shape=(2, 6, 2, 3)),
        wrong=wrong_channel_shuffles,
    ),
    row("diag_embed", diagonals, calls((), shape=(2, 3))),
]
