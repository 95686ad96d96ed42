"""Cases of interpolation, and of the map that it is made of."""

import nncore as nc
from nncore import reference as ref
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


F, reference = nc.nn.functional, ref.interpolate.interpolate
CASES = [
    Case("interpolate", F.interpolate, reference, samples, wrong, PLACES, benchmark=layers),
    Case("upsample", F.upsample, reference, by_former_names, tolerance=PLACES),
    Case("upsample_nearest", F.upsample_nearest, reference, by_former_names, tolerance=PLACES),
    Case("upsample_bilinear", F.upsample_bilinear, bilinear, by_former_names, tolerance=PLACES),
]
