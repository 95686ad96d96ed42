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
    (2, 3, 1, 1, (6, 7), (2, 2), {"padding": 1, "dilation": 2}),  # two taps that reach as far as three
    (1, 1, 1, 1, (5, 1), (3, 2), {"padding": 1, "dilation": (1, 2)}),  # the two columns meet padding only
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


# (images, groups, channels in and out per group, input, kernel, options) of transposed convolutions.
TRANSPOSED = [
    (2, 1, 3, 4, (9,), (3,), {"stride": 2, "padding": 1, "output_padding": 1}),
    (1, 2, 2, 3, (5,), (4,), {"dilation": 2}),
    (1, 3, 1, 1, (6,), (3,), {"stride": 3}),
    (2, 1, 3, 4, (5, 6), (3, 3), {}),
    (1, 1, 2, 3, (4, 5), (3, 2), {"stride": 2, "padding": (1, 0), "output_padding": (1, 0)}),
    (1, 1, 2, 2, (3, 4), (2, 3), {"stride": (3, 2), "dilation": (2, 1), "padding": 1}),
    (1, 1, 2, 2, (3, 3), (2, 2), {"stride": 1, "dilation": 3, "output_padding": 2}),  # more than the kernel reaches
    (1, 1, 2, 2, (3, 3), (1, 1), {"stride": 3, "output_padding": 2}),  # gaps that no element of the input reaches
    (2, 2, 2, 3, (4, 4), (4, 4), {"stride": 2, "padding": 1}),
    (1, 4, 1, 1, (5, 4), (3, 3), {"stride": 2, "padding": 1}),  # depthwise
    (0, 1, 2, 3, (4, 4), (3, 3), {}),
    (1, 1, 1, 1, (1, 1), (1, 1), {}),
    (2, 1, 2, 3, (2, 3, 2), (3, 2, 3), {"stride": 2, "padding": 1, "output_padding": (1, 0, 1)}),
    (1, 2, 1, 2, (2, 2, 3), (2, 2, 2), {"dilation": (1, 2, 1)}),
]
# Layers of DCGAN's generator.
GENERATOR = [
    (4, 1, 100, 512, (1, 1), (4, 4), {}),
    (4, 1, 512, 256, (4, 4), (4, 4), {"stride": 2, "padding": 1}),
    (4, 1, 128, 64, (16, 16), (4, 4), {"stride": 2, "padding": 1}),
    (4, 1, 64, 3, (32, 32), (4, 4), {"stride": 2, "padding": 1}),
]


def transposed_arrays(draw: Draw, geometry) -> tuple:
    n, groups, c, k, size, kernel, options = geometry
    x, w = draw.normal(n, groups * c, *size), draw.normal(groups * c, k, *kernel)
    return x, w, draw.normal(groups * k), {"groups": groups, **options}


def transposed(spatial: int):
    geometries = [g for g in TRANSPOSED if len(g[4]) == spatial]

    def samples(draw: Draw):
        for geometry in geometries:
            x, w, b, options = transposed_arrays(draw, geometry)
            yield Sample((x, w, b), options, label=f"{x.shape} {w.shape} {options}")
        x, w, b, options = transposed_arrays(draw, geometries[0])
        yield Sample((x[0], w, b), options, label="unbatched")
        yield Sample((x, w), options, label="no bias")
        for other in layouts(x):
            yield Sample((other, w, b), options, label="layout of x")
        for other in layouts(w):
            yield Sample((x, other, b), options, label="layout of w")
        large = (2, 1, 35, 33, (17,) * spatial, (3,) * spatial, {"stride": 2}) if spatial < 3 else geometries[0]
        x, w, b, options = transposed_arrays(draw, large)
        yield Sample((x, w, b), options, label=f"{x.shape} {w.shape} {options}", smooth=False)

    return samples


def transposed_layers(draw: Draw):
    for geometry in GENERATOR:
        x, w, b, options = transposed_arrays(draw, geometry)
        yield Sample((x, w, b), options, label=f"DCGAN {x.shape} {w.shape}")


def transposed_misfits(draw: Draw):
    x, w = draw.normal(2, 3, 4, 4), draw.normal(3, 4, 3, 3)
    yield Wrong((x, w[0]), RuntimeError, r"conv_transpose2d: expected a weight of 4 dimensions.*\[4, 3, 3\]")
    yield Wrong((x[0, 0], w), RuntimeError, r"expected 3D \(unbatched\) or 4D \(batched\) input.*\[4, 4\]")
    yield Wrong((x, draw.normal(4, 3, 3, 3)), RuntimeError, "conv_transpose2d: weight expects 4 input channels.*has 3")
    yield Wrong((x, w), RuntimeError, "divisible by groups, input has 3", {"groups": 2})
    yield Wrong((x, w), RuntimeError, "groups must be at least 1", {"groups": 0})
    yield Wrong((x, w, draw.normal(3)), RuntimeError, r"expected a bias of 4 elements, got \[3\]")
    yield Wrong((x, w), RuntimeError, "stride must be at least 1", {"stride": 0})
    yield Wrong((x, w), RuntimeError, "padding must be at least 0", {"padding": -1})
    yield Wrong((x, w), RuntimeError, "output padding must be smaller than", {"output_padding": 1})
    yield Wrong((x, w), RuntimeError, "output_padding must be at least 0", {"output_padding": -1})
    yield Wrong((x, w), RuntimeError, r"calculated output size per channel is \[-2, -2\].*too small", {"padding": 4})
    yield Wrong((x, w), RuntimeError, "conv_transpose2d: expected one stride or 2", {"stride": (1, 2, 3)})
    yield Wrong((x.astype("int64"), w), RuntimeError, "same dtype, got int64 and float32")


WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)},
    {"kernel_size": (3, 2), "dilation": (1, 2), "stride": 2, "padding": 2},
    {"kernel_size": 1, "stride": 3},
    {"kernel_size": (2, 2), "dilation": 3},
]


def unfoldings(draw: Draw):
    for options in WINDOWS:
        yield Sample((draw.normal(2, 3, 5, 6),), options, label=str(options))
    for x in layouts(draw.normal(2, 4, 5)):
        yield Sample((x, 2), label="unbatched")
    yield Sample((draw.normal(0, 3, 5, 6), 2), label="empty batch", smooth=False)
    yield Sample((draw.normal(1, 1, 1, 1), 1), label="one element")


def foldings(draw: Draw):
    for options in WINDOWS:
        columns = ref.conv.unfold(draw.normal(2, 3, 5, 6), **options)
        yield Sample((draw.normal(*columns.shape), (5, 6)), options, label=str(options))
    for x in layouts(draw.normal(8, 12)):
        yield Sample((x, (4, 5), 2), label="unbatched")
    yield Sample((draw.normal(0, 8, 12), (4, 5), 2), label="empty batch", smooth=False)
    yield Sample((draw.normal(1, 1, 1), 1, 1), label="one element")


def wrong_unfoldings(draw: Draw):
    x = draw.normal(2, 3, 5, 6)
    yield Wrong((x[0, 0], 2), RuntimeError, "unfold: Expected 3D or 4D")
    yield Wrong((x, 9), RuntimeError, r"unfold: the windows .* do not fit into spatial size \[5, 6\]")
    yield Wrong((x, 0), RuntimeError, "kernel_size should be at least 1")
    yield Wrong((x, 2), RuntimeError, "stride should be at least 1", {"stride": 0})
    yield Wrong((x, (2, 2, 2)), RuntimeError, "kernel_size must either be a single int")
    yield Wrong((x.astype("int64"), 2), RuntimeError, "float32 or float64, got int64")


def wrong_foldings(draw: Draw):
    columns = draw.normal(2, 8, 12)
    yield Wrong((columns, (4, 4), 2), RuntimeError, r"number of sliding blocks 9, but got input.size\(2\)=12")
    yield Wrong((columns, (4, 5), 3), RuntimeError, "divisible by the product of kernel_size")
    yield Wrong((columns[0, 0], (4, 5), 2), RuntimeError, "fold: Expected 2D or 3D")
    yield Wrong((columns, (0, 5), 2), RuntimeError, "output_size should be at least 1")


def windows_of_layers(draw: Draw):
    yield Sample((draw.normal(8, 64, 56, 56), 3), {"padding": 1}, label="8x64x56x56 k3 p1")
    yield Sample((draw.normal(8, 3, 224, 224), 16), {"stride": 16}, label="patches 8x3x224x224 k16 s16")


def columns_of_layers(draw: Draw):
    yield Sample((draw.normal(8, 576, 3136), 56, 3), {"padding": 1}, label="8x64x56x56 k3 p1")
    yield Sample((draw.normal(8, 768, 196), 224, 16), {"stride": 16}, label="patches 8x3x224x224 k16 s16")


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
    *[
        Case(
            f"conv_transpose{n}d",
            getattr(nc, f"conv_transpose{n}d"),
            getattr(ref.conv, f"conv_transpose{n}d"),
            transposed(n),
            **({"wrong": transposed_misfits, "benchmark": transposed_layers} if n == 2 else {}),
            tolerance=SUMS,
        )
        for n in (1, 2, 3)
    ],
    Case(
        "unfold",
        nc.nn.functional.unfold,
        ref.conv.unfold,
        unfoldings,
        wrong_unfoldings,
        tolerance={"float32": (0, 0), "float64": (0, 0)},
        benchmark=windows_of_layers,
    ),
    Case("fold", nc.nn.functional.fold, ref.conv.fold, foldings, wrong_foldings, benchmark=columns_of_layers),
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
