"""Cases of interpolation, and of the map that it is made of."""

import numpy as np

import nncore as nc
from nncore import reference as ref
from nncore.ops.interpolate import resample
from nncore.ops.resample_tables import with_adjoint
from op_cases import Case, Draw, Sample, Wrong, layouts

SHAPES = {1: (2, 3, 7), 2: (2, 3, 5, 6), 3: (1, 2, 3, 4, 5)}
INTERPOLATING = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}


def sizes(spatial: int):
    yield {"size": (11, 9, 4)[:spatial]}
    yield {"size": 3}
    yield {"size": 1}
    yield {"size": SHAPES[spatial][2:]}  # as it is
    yield {"scale_factor": 2}
    yield {"scale_factor": (1.7, 0.6, 2.0)[:spatial]}
    yield {"scale_factor": 1.7, "recompute_scale_factor": True}


def samples(draw: Draw):
    for spatial, shape in SHAPES.items():
        for arguments in sizes(spatial):
            for mode in ("nearest", "nearest-exact", "area"):
                yield Sample((draw.normal(*shape),), {**arguments, "mode": mode}, label=f"{mode} {arguments}")
            for mode in INTERPOLATING[spatial]:
                for corners in (None, True):
                    more = {**arguments, "mode": mode, "align_corners": corners}
                    yield Sample((draw.normal(*shape),), more, label=str(more))
    for x in layouts(draw.normal(1, 2, 3, 4)):
        yield Sample((x,), {"scale_factor": 2, "mode": "bilinear"}, label="layouts")
    yield Sample((draw.normal(1, 2, 3, 4),), {"scale_factor": (1.3, 2.2)}, label="extents kept and doubled")
    yield Sample((draw.normal(0, 2, 3, 4),), {"scale_factor": 2}, label="empty batch", smooth=False)
    yield Sample((draw.normal(1, 1, 1, 1),), {"size": (2, 3), "mode": "bicubic"}, label="one element")
    extreme = draw.normal(1, 1, 1, 17)
    extreme.flat[:17] = draw.extremes()
    yield Sample((extreme,), {"scale_factor": 2}, label="extremes", smooth=False)
    # Whole vectors and tails.
    yield Sample((draw.normal(2, 2, 21, 40),), {"size": (50, 91), "mode": "bilinear"}, label="wide", smooth=False)


def wrong(draw: Draw):
    x = draw.normal(1, 2, 4, 5)
    for arguments, exception, match in [
        ({"size": 3, "scale_factor": 2}, ValueError, "only one of size or scale_factor"),
        ({}, ValueError, "either size or scale_factor"),
        ({"size": 3, "align_corners": True}, ValueError, "align_corners option can only be set"),
        ({"size": (3, 4, 5)}, ValueError, "same number of spatial dimensions"),
        ({"scale_factor": (2.0,)}, ValueError, "same number of spatial dimensions"),
        ({"size": 0}, RuntimeError, "sizes should be greater than 0"),
        ({"scale_factor": 0.1}, RuntimeError, r"greater than 0.*output size \[0, 0\]"),
        ({"size": 3, "mode": "linear"}, NotImplementedError, "Got 4D input, but linear mode needs 3D input"),
        ({"size": 3, "mode": "sinc"}, NotImplementedError, r"for the modes: nearest .*got sinc"),
        ({"size": 3, "antialias": True}, ValueError, "Anti-alias option is restricted to"),
        ({"size": 3, "mode": "lanczos"}, ValueError, "requires antialias=True"),
        ({"size": 3.5}, TypeError, "expected size to be"),
    ]:
        yield Wrong((x,), exception, match, arguments)
    yield Wrong((x[0, 0],), NotImplementedError, r"Only 3D, 4D and 5D input Tensors supported \(got 2D\)", {"size": 3})
    yield Wrong((x.astype("int64"),), RuntimeError, "float32 or float64, got int64", {"size": 3, "mode": "bilinear"})


def layers(draw: Draw):
    x = draw.normal(8, 64, 28, 28)
    for mode in ("nearest", "bilinear", "bicubic"):
        yield Sample((x,), {"scale_factor": 2, "mode": mode}, label=f"8x64x28x28 times 2, {mode}")
    photo = draw.normal(8, 3, 256, 256)
    yield Sample((photo,), {"size": 224, "mode": "bilinear"}, label="8x3x256x256 to 224, bilinear")


# A place in the input has the rounding of its dtype, and the weights with it: about 7 * 2^-24 here.
PLACES = {"float32": (2e-5, 2e-5), "float64": (1e-12, 1e-12)}


def by_former_names(draw: Draw):
    yield Sample((draw.normal(1, 2, 3, 4),), {"size": (2, 3)})
    yield Sample((draw.normal(1, 2, 3, 4),), {"scale_factor": 2.0})


def bilinear(x, size=None, scale_factor=None):
    """With the corners aligned."""
    return ref.interpolate.interpolate(x, size, scale_factor, "bilinear", True)


def resampled(x, *tables):
    """resample by tables that are given as nested lists of numbers."""
    kind, extents, device = np.dtype(str(x.dtype).split(".")[1]), x.shape[x.ndim - len(tables) :], x._array.device
    made = [
        t and with_adjoint(np.array(t[0], np.int64), np.array(t[1], kind), n, device)
        for t, n in zip(tables, extents, strict=True)
    ]
    return resample(x, [t and t[0] for t in made], [t and t[1] for t in made])


def mixed(draw: Draw, n: int, out: int, taps: int, missing: bool = False) -> tuple:
    """A table of random places, n among them for what is not there, and weights."""
    return draw.integers(0, n + missing, taps, out).tolist(), draw.random.normal(size=(taps, out)).tolist()


def maps(draw: Draw):
    for n, out, taps in [(7, 5, 1), (5, 8, 2), (6, 17, 4), (4, 3, 5), (1, 3, 2), (3, 1, 2), (40, 70, 2), (2, 33, 3)]:
        for missing in (False, True):
            table = mixed(draw, n, out, taps, missing)
            label = f"{n} to {out} by {taps}, {missing}"
            yield Sample((draw.normal(2, n), table), label=f"{label}, last axis")
            yield Sample((draw.normal(2, n, 5), table, None), label=f"{label}, last axis but one")
            yield Sample((draw.normal(n, 2, 3), table, mixed(draw, 2, 4, 2), None), label=f"{label}, three axes")
    for x in layouts(draw.normal(3, 4, 5)):
        yield Sample((x, mixed(draw, 4, 3, 2), mixed(draw, 5, 6, 2)), label=f"strides {x.strides}")
    yield Sample((draw.normal(3, 4), None), label="nothing changes")
    yield Sample((draw.normal(0, 4), mixed(draw, 4, 3, 2)), label="empty", smooth=False)
    yield Sample((draw.extremes(), ([list(range(16, -1, -1))], [[1.0] * 17])), label="extremes", smooth=False)


def wrong_maps(draw: Draw):
    x, table = draw.normal(2, 3), ([[0, 1]], [[1.0, 1.0]])
    yield Wrong((x.astype(np.int64), table), RuntimeError, "resample: expected dtype float32 or float64, got int64")
    yield Wrong((draw.normal(2, 2, 2, 2), *[None] * 4), RuntimeError, "tables for the last 1 to 3 dimensions, got 4")


def wrong_places(draw: Draw):
    """The tables as the kernel takes them, which are checked before any element is read."""
    yield Wrong((draw.normal(2, 3), 4), RuntimeError, "resample: expected an index from 0 to 3, got 4")
    yield Wrong((draw.normal(2, 3), -1), RuntimeError, "resample: expected an index from 0 to 3, got -1")
    yield Wrong((draw.normal(2, 3), 0, 2), RuntimeError, r"index \[taps, out\] and weights of its shape.*and \[1, 2\]")


def at_place(x, place: int, weights: int = 1):
    """The element of each row at a place."""
    index, weight = nc.tensor([[place]], dtype=nc.int32), nc.ones(1, weights, dtype=x.dtype)
    table = [(index.to(x.device)._array, weight.to(x.device)._array)]
    return resample(x, table, table)


def places(draw: Draw):
    yield Sample((draw.normal(2, 3), 2))


F, reference = nc.nn.functional, ref.interpolate.interpolate
CASES = [
    Case("interpolate", F.interpolate, reference, samples, wrong, PLACES, benchmark=layers),
    Case("resample", resampled, ref.interpolate.resample, maps, wrong_maps),
    Case("resample of one place", at_place, lambda x, i: x[:, i : i + 1], places, wrong_places, derivatives=0),
    Case("upsample", F.upsample, reference, by_former_names, tolerance=PLACES),
    Case("upsample_nearest", F.upsample_nearest, reference, by_former_names, tolerance=PLACES),
    Case("upsample_bilinear", F.upsample_bilinear, bilinear, by_former_names, tolerance=PLACES),
]
