"""Cases of the convolutions."""

import numpy as np

import nncore as nc
from nncore import reference as ref
from nncore.ops.conv import _options, conv_backward_input, conv_backward_weight
from op_cases import Case, Draw, Sample, Wrong, layouts

# (images, groups, channels in and out per group, input, kernel, options): what each of the kernels' ways meets.
GEOMETRIES_2D = [
    (2, 1, 3, 4, (5, 6), (3, 3), {}),
    (2, 1, 3, 4, (5, 6), (3, 3), {"padding": 1}),
    (1, 1, 2, 3, (7, 6), (3, 2), {"stride": 2, "padding": (1, 0)}),
    (1, 1, 2, 2, (9, 8), (2, 3), {"stride": (3, 2), "dilation": (2, 1)}),
    (1, 1, 1, 2, (9, 9), (3, 3), {"dilation": 3, "padding": 2}),
    (2, 1, 5, 3, (4, 4), (1, 1), {}),
    (1, 1, 3, 2, (5, 5), (1, 1), {"stride": 2}),  # every second input is read by none
    (1, 1, 2, 2, (7, 7), (2, 2), {"stride": 4}),  # stride larger than the kernel
    (1, 1, 2, 2, (2, 3), (4, 5), {"padding": 2}),  # kernel larger than the image
    (1, 2, 2, 3, (5, 4), (3, 3), {"padding": 1}),
    (2, 4, 1, 1, (6, 5), (3, 3), {"padding": 1}),  # depthwise
    (1, 3, 1, 2, (6, 5), (3, 3), {"stride": 2}),  # depthwise with multiplier
    (1, 4, 1, 1, (7, 6), (3, 2), {"stride": 2, "padding": 1, "dilation": 2}),
    (2, 1, 2, 3, (5, 6), (2, 3), {"padding": "same"}),  # one more zero at the end
    (1, 1, 2, 3, (5, 6), (2, 3), {"padding": "same", "dilation": (1, 2)}),
    (1, 1, 2, 3, (5, 6), (2, 3), {"padding": "valid", "stride": 2}),
    (0, 1, 2, 3, (5, 6), (2, 3), {"padding": 1}),
    (1, 1, 1, 1, (1, 1), (1, 1), {}),
]
# Too large for finite differences: full vectors, tails, several panels, boxes and units.
LARGE_2D = [
    (3, 1, 20, 40, (17, 19), (3, 3), {"padding": 1}),
    (2, 1, 35, 70, (9, 7), (3, 3), {"padding": 1}),
    (2, 1, 3, 33, (30, 31), (5, 5), {"stride": 2, "padding": 2}),
    (2, 1, 64, 48, (14, 14), (1, 1), {}),
    (3, 1, 3, 6, (28, 28), (5, 5), {}),
    (1, 20, 1, 1, (11, 70), (3, 3), {"padding": 1}),
    (1, 20, 1, 1, (11, 70), (3, 3), {"padding": 1, "stride": 2}),
]
GEOMETRIES_1D = [
    (2, 1, 3, 4, (9,), (3,), {"padding": 1}),
    (1, 1, 2, 2, (12,), (4,), {"stride": 3, "dilation": 2}),
    (1, 2, 2, 2, (8,), (2,), {"padding": "same"}),
    (2, 3, 1, 1, (40,), (5,), {"padding": 2}),
    (1, 1, 2, 3, (5,), (1,), {}),
]
GEOMETRIES_3D = [
    (2, 1, 2, 3, (4, 3, 5), (3, 2, 3), {"padding": 1}),
    (1, 1, 2, 2, (5, 4, 5), (2, 2, 2), {"stride": (2, 1, 2), "dilation": (1, 2, 1)}),
    (1, 2, 1, 1, (3, 4, 5), (2, 3, 3), {"padding": (0, 1, 1)}),
    (1, 1, 2, 2, (3, 4, 3), (2, 2, 3), {"padding": "same"}),
]


def arrays(draw: Draw, geometry) -> tuple:
    n, groups, c, k, size, kernel, options = geometry
    x, w = draw.normal(n, groups * c, *size), draw.normal(groups * k, c, *kernel)
    return x, w, draw.normal(groups * k), {"groups": groups, **options}


def convolutions(geometries, large=()):
    def samples(draw: Draw):
        for geometry in geometries:
            x, w, b, options = arrays(draw, geometry)
            yield Sample((x, w, b), options, label=f"{x.shape} {w.shape} {options}")
        x, w, b, options = arrays(draw, geometries[0])
        yield Sample((x[0], w, b), options, label="unbatched")
        yield Sample((x, w), options, label="no bias")
        for other in layouts(x):
            yield Sample((other, w, b), options, label="layout of x")
        for other in layouts(w):
            yield Sample((x, other, b), options, label="layout of w")
        infinite = x.copy()
        infinite.flat[0] = np.inf
        yield Sample((infinite, np.where(w > 0.5, 0, w).astype(w.dtype), b), options, label="0 * inf", smooth=False)
        infinite.flat[-1] = np.nan
        yield Sample((infinite, w, b), options, label="nan", smooth=False)
        for geometry in large:
            x, w, b, options = arrays(draw, geometry)
            yield Sample((x, w, b), options, label=f"{x.shape} {w.shape} {options}", smooth=False)

    return samples


def options_of(w: np.ndarray, wanted: dict) -> tuple:
    """What conv1d, conv2d, conv3d hand to their gradients."""
    spatial, get = w.ndim - 2, wanted.get
    return _options(spatial, w, get("stride", 1), get("padding", 0), get("dilation", 1), wanted["groups"])


def gradients(of: str):
    """Calls of the backward operations, (gy, w, x.shape, options) or (gy, x, w.shape, options)."""

    def samples(draw: Draw):
        for geometry in [*GEOMETRIES_1D, *GEOMETRIES_2D, *GEOMETRIES_3D, *LARGE_2D]:
            n, groups, _, k, size, kernel, _ = geometry
            x, w, _, wanted = arrays(draw, geometry)
            options = options_of(w, wanted)
            spans = [d * (r - 1) + 1 for d, r in zip(options[3], kernel, strict=True)]
            padded = [s + b + e for s, b, e in zip(size, options[1], options[2], strict=True)]
            out = [(p - span) // s + 1 for p, span, s in zip(padded, spans, options[0], strict=True)]
            gy = draw.normal(n, groups * k, *out)
            args = (gy, w, x.shape, options) if of == "input" else (gy, x, w.shape, options)
            yield Sample(args, label=f"{x.shape} {w.shape} {options}", smooth=geometry not in LARGE_2D)

    return samples


def misfits(draw: Draw):
    x, w = draw.normal(8, 4, 32, 32), draw.normal(16, 3, 3, 3)
    yield Wrong(
        (x, w),
        RuntimeError,
        r"conv2d: weight expects 3 input channels per group, input has 4 "
        r"\(input \[8, 4, 32, 32\], weight \[16, 3, 3, 3\], groups 1\)",
    )
    x = draw.normal(2, 3, 8, 8)
    yield Wrong((x, draw.normal(16, 3, 3)), RuntimeError, r"conv2d: expected a weight of 4 dimensions")
    yield Wrong((x[0, 0], w), RuntimeError, r"conv2d: expected 3D \(unbatched\) or 4D \(batched\) input.*\[8, 8\]")
    yield Wrong(
        (x, draw.normal(16, 3, 9, 3)), RuntimeError, r"conv2d: kernel does not fit into the padded input: .* 9 of 8"
    )
    yield Wrong((x, w, draw.normal(15)), RuntimeError, r"conv2d: expected a bias of 16 elements, got \[15\]")
    yield Wrong((x, w), RuntimeError, "stride must be at least 1", {"stride": 0})
    yield Wrong((x, w), RuntimeError, "padding must be at least 0", {"padding": -1})
    yield Wrong((x, w), RuntimeError, "dilation must be at least 1", {"dilation": (1, 0)})
    yield Wrong((x, w), RuntimeError, "one stride or 2", {"stride": (1, 1, 1)})
    yield Wrong((x, w), RuntimeError, "not supported for strided", {"stride": 2, "padding": "same"})
    yield Wrong((x, w), RuntimeError, "padding 'valid' or 'same', got 'full'", {"padding": "full"})
    yield Wrong((x, draw.normal(16, 1, 3, 3)), RuntimeError, "output channels divisible by groups", {"groups": 3})
    yield Wrong((x, w), RuntimeError, "groups must be at least 1", {"groups": 0})
    yield Wrong((x, draw.integers(0, 3, 16, 3, 3, 3)), RuntimeError, "same dtype, got float32 and int64")
    whole = draw.integers(0, 3, 2, 3, 8, 8)
    yield Wrong((whole, draw.integers(0, 3, 16, 3, 3, 3)), RuntimeError, "float32 or float64, got int64")


def layers(draw: Draw):
    """Layers of the classic networks: (images, groups, channels in and out, input, kernel, stride, padding)."""
    for name, n, groups, c, k, size, kernel, stride, padding in [
        ("LeNet 1", 64, 1, 1, 6, 28, 5, 1, 0),
        ("LeNet 2", 64, 1, 6, 16, 14, 5, 1, 0),
        ("AlexNet 1", 8, 1, 3, 64, 224, 11, 4, 2),
        ("AlexNet 2", 8, 1, 64, 192, 27, 5, 1, 2),
        ("AlexNet 3", 8, 1, 192, 384, 13, 3, 1, 1),
        ("VGG 1", 4, 1, 3, 64, 224, 3, 1, 1),
        ("VGG 2", 4, 1, 64, 64, 112, 3, 1, 1),
        ("VGG 4", 4, 1, 256, 256, 28, 3, 1, 1),
        ("VGG 5", 4, 1, 512, 512, 14, 3, 1, 1),
        ("ResNet 1", 8, 1, 3, 64, 224, 7, 2, 3),
        ("ResNet 2", 8, 1, 64, 64, 56, 3, 1, 1),
        ("ResNet 2 1x1", 8, 1, 256, 64, 56, 1, 1, 0),
        ("ResNet 3 strided", 8, 1, 128, 128, 56, 3, 2, 1),
        ("ResNet 3 1x1 strided", 8, 1, 256, 512, 56, 1, 2, 0),
        ("ResNet 5", 8, 1, 512, 512, 7, 3, 1, 1),
        ("MobileNet depthwise", 8, 32, 1, 1, 112, 3, 1, 1),
        ("MobileNet depthwise strided", 8, 144, 1, 1, 56, 3, 2, 1),
        ("MobileNet depthwise small", 8, 576, 1, 1, 14, 3, 1, 1),
        ("MobileNet 1x1", 8, 1, 96, 576, 14, 1, 1, 0),
        ("MobileNet last", 8, 1, 320, 1280, 7, 1, 1, 0),
    ]:
        x, w = draw.normal(n, groups * c, size, size), draw.normal(groups * k, c, kernel, kernel, scale=0.1)
        options = {"stride": stride, "padding": padding, "groups": groups}
        yield Sample((x, w, draw.normal(groups * k)), options, label=name)


# A sum of T products of size about 1 is off by about sqrt(T) roundings of its partial sums; T is at most 1800 here.
SUMS = {"float32": (2e-5, 1e-4), "float64": (1e-12, 1e-12)}

CASES = [
    Case("conv1d", nc.conv1d, ref.conv.conv1d, convolutions(GEOMETRIES_1D), tolerance=SUMS),
    Case(
        "conv2d",
        nc.conv2d,
        ref.conv.conv2d,
        convolutions(GEOMETRIES_2D, LARGE_2D),
        misfits,
        tolerance=SUMS,
        benchmark=layers,
    ),
    Case("conv3d", nc.conv3d, ref.conv.conv3d, convolutions(GEOMETRIES_3D), tolerance=SUMS),
    Case(
        "conv_backward_input",
        conv_backward_input,
        ref.conv.conv_backward_input,
        gradients("input"),
        tolerance=SUMS,
    ),
    Case(
        "conv_backward_weight",
        conv_backward_weight,
        ref.conv.conv_backward_weight,
        gradients("weight"),
        tolerance=SUMS,
    ),
]
