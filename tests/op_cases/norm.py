"""Cases of the normalisations."""

import numpy as np

from nncore import reference as ref
from nncore.ops import norm, norm_local_response
from op_cases import Case, Draw, Sample, Wrong, layouts

# Features, and runs of all kinds: short ones (columns of a matrix), ones with a tail, several units, few groups.
BATCHES = [(7, 3), (40, 20), (3, 200, 2), (2, 3, 17), (5, 3, 7), (3, 4, 5, 6), (2, 3, 2, 3, 4), (20, 3, 15), (1, 2, 9)]
BATCHES += [(6, 2, 17)]  # a block of channels: four samples together, and two more
LONG = [(9, 40, 7, 14), (2200, 5), (700, 2, 3), (2, 2, 130, 130), (2, 17, 40, 30), (3, 1, 20000)]


def far_from_0(draw: Draw, *shape: int) -> np.ndarray:
    """Mean 1e4, deviation 1: what loses its digits where squares are summed as they are, or a mean has too few."""
    return np.asarray(1e4 + draw.random.standard_normal(shape), draw.dtype)


def is_long(draw: Draw, shape: tuple) -> bool:
    """Whether gradients of weights are sums of so many numbers that PyTorch's in float32 say little about ours."""
    return draw.dtype == np.float32 and int(np.prod(shape)) > 10000


def batches(draw: Draw):
    for shape in BATCHES + LONG:
        c = shape[1]
        x, w, b = draw.normal(*shape), draw.normal(c), draw.normal(c)
        if not is_long(draw, shape):
            yield Sample((x, None, None, w, b, True), label=f"{shape}")
            yield Sample((x, None, None, w, None, True), label=f"{shape} no bias")
        yield Sample((x, None, None, None, None, True), label=f"{shape} no weight")
        kwargs = {"running_mean": draw.normal(c), "running_var": draw.uniform(c, low=0.1)}
        yield Sample((x,), {**kwargs, "weight": w, "bias": b}, label=f"{shape} evaluation")
        yield Sample((x,), {**kwargs, "training": True, "momentum": 0.3}, label=f"{shape} running statistics")
    for x in layouts(draw.normal(4, 3, 5)):
        yield Sample((x, None, None, None, None, True), label=f"strides {x.strides}", smooth=0 not in x.strides)
    wide = draw.normal(6)
    yield Sample((draw.normal(4, 3, 5), None, None, wide[::2], wide[::-2], True), label="strided parameters")
    for shape in [(0, 3), (2, 3, 0), (2, 0), (0, 3, 4)]:
        w = draw.normal(shape[1]) if shape[1] else None
        yield Sample((draw.normal(*shape), None, None, w, w, True), label=f"empty {shape}", smooth=False)
    for value in (np.inf, np.nan, -np.inf):
        for shape in [(4, 3), (4, 3, 17)]:
            x = draw.normal(*shape)
            x[1, 1] = value
            yield Sample((x, None, None, None, None, True), label=f"{shape} with {value}", smooth=False)
    x = draw.normal(5, 2, 20)
    x[0] = 1e6
    yield Sample((x, None, None, None, None, True), label="outlier first", smooth=False)


def evaluation(x, weight, bias, mean, var):
    """The derivatives by the parameters where the statistics are fixed."""
    return norm.batch_norm(x, mean, var, weight, bias)


def evaluations(draw: Draw):
    for shape in BATCHES[:7]:
        c = shape[1]
        statistics = {"mean": draw.normal(c), "var": draw.uniform(c, low=0.1)}
        yield Sample((draw.normal(*shape), draw.normal(c), draw.normal(c)), statistics, label=f"{shape}")


def running(x, mean, var, momentum, of_samples):
    """The running statistics after one step."""
    mean, var = mean.clone(), var.clone()
    if of_samples:
        norm.instance_norm(x, mean, var, momentum=momentum)
    else:
        norm.batch_norm(x, mean, var, training=True, momentum=momentum)
    return mean, var


def runnings(draw: Draw):
    for shape in [s for s in BATCHES + LONG if len(s) > 2]:
        for of_samples in (False, True):
            c = shape[1]
            for x in (draw.normal(*shape), far_from_0(draw, *shape)):
                yield Sample((x, draw.normal(c), draw.uniform(c), 0.3, of_samples), label=f"{shape} {of_samples}")
    x = draw.normal(4, 3, 5)
    yield Sample((x, np.zeros(6, x.dtype)[::2], np.ones(6, x.dtype)[::2], 1.0, False), label="strided")


def wrong_batches(draw: Draw):
    x, c, d = draw.normal(2, 3), draw.uniform(3), draw.uniform(4)
    yield Wrong((x, None, None), RuntimeError, "running_mean must be defined in evaluation mode")
    yield Wrong((x, c, None), RuntimeError, "running_var must be defined in evaluation mode")
    yield Wrong((x, c, None, None, None, True), ValueError, "running_mean and running_var must either both be None")
    yield Wrong((x, d, c), RuntimeError, "running_mean should contain 3 elements not 4")
    yield Wrong((x, c, d), RuntimeError, "running_var should contain 3 elements not 4")
    yield Wrong((x, c, c, d), RuntimeError, "weight should contain 3 elements not 4")
    yield Wrong((x, c, c, c, d), RuntimeError, "bias should contain 3 elements not 4")
    yield Wrong((x, c, c, c.astype(np.float64)), RuntimeError, "expected weight of the input's dtype")
    yield Wrong((x[0], c, c), RuntimeError, "at least 2 dimensions")
    yield Wrong(
        (np.ones((2, 3), np.int64), None, None, None, None, True), RuntimeError, "float32 or float64, got int64"
    )
    yield Wrong((x[:1], c, c, c, c, True), ValueError, r"Expected more than 1 value per channel .*\[1, 3\]")
    yield Wrong((x[:1, :, None], c, c, c, c, True), ValueError, "Expected more than 1 value per channel when training")
    yield Wrong((x, c, c, c, c, True, 0.1, 0.0), ValueError, "eps must be positive during training, but got 0")
    yield Wrong((x, c, c, c, c, False, 0.1, -1.0), ValueError, "eps must be non-negative, but got -1")


def instances(draw: Draw):
    for shape in [(2, 3, 7), (3, 4, 5, 6), (2, 3, 2, 3, 4), (1, 2, 131, 130), (40, 3, 17), (70, 2, 9), (3, 1, 20000)]:
        c = shape[1]
        kwargs = {"weight": draw.normal(c), "bias": draw.normal(c)}
        statistics = {"running_mean": draw.normal(c), "running_var": draw.uniform(c, low=0.1)}
        x = draw.normal(*shape)
        yield Sample((x,), label=f"{shape}")
        if not is_long(draw, shape):
            yield Sample((x, None, None, draw.normal(c), draw.normal(c)), label=f"{shape} affine")
        yield Sample((x,), {**kwargs, **statistics}, label=f"{shape} running statistics")
        yield Sample((x,), {**kwargs, **statistics, "use_input_stats": False}, label=f"{shape} evaluation")
    for x in layouts(draw.normal(4, 3, 5)):
        if 0 not in x.strides:  # of equal elements PyTorch makes rounding errors
            yield Sample((x,), label=f"strides {x.strides}")
    for shape in [(0, 3, 4), (2, 3, 0), (2, 0, 4)]:
        yield Sample((draw.normal(*shape),), label=f"empty {shape}", smooth=False)


def wrong_instances(draw: Draw):
    x, c = draw.normal(2, 3, 4), draw.uniform(3)
    yield Wrong((x[:, :, :1],), ValueError, "Expected more than 1 spatial element when training")
    yield Wrong((x[:, :, 0],), ValueError, "Expected more than 1 spatial element when training")
    yield Wrong((x, None, None, None, None, False), RuntimeError, "to be defined when use_input_stats is false")
    yield Wrong((x, c), ValueError, "must either both be None")
    yield Wrong((x, None, None, draw.uniform(4)), RuntimeError, "weight should contain 3 elements not 4")


def grouped(draw: Draw):
    for shape, groups in [((2, 14), 2), ((3, 6, 5), 3), ((2, 6, 5, 5), 2), ((2, 4, 130, 130), 1), ((70, 6, 3), 2)]:
        c = shape[1]
        x = draw.normal(*shape)
        yield Sample((x, groups), label=f"{shape}")
        if not is_long(draw, shape):
            yield Sample((x, groups, draw.normal(c), draw.normal(c)), label=f"{shape} affine")
            yield Sample((x, groups, draw.normal(c)), label=f"{shape} no bias")
    for x in layouts(draw.normal(4, 2, 5)):
        yield Sample((x, 2), label=f"strides {x.strides}", smooth=0 not in x.strides)
    for shape in [(0, 4, 5), (2, 4, 0), (2, 0, 3)]:
        yield Sample((draw.normal(*shape), 2), label=f"empty {shape}", smooth=False)


def wrong_groups(draw: Draw):
    x, w = draw.normal(2, 4), draw.normal(3)
    yield Wrong((x, 0), RuntimeError, "Expected num groups to be greater than 0, got 0")
    yield Wrong((x, 3), RuntimeError, r"divisible by num_groups, but got input of shape \[2, 4\] and num_groups=3")
    yield Wrong((x, -1), RuntimeError, "Expected num groups to be greater than 0, got -1")
    yield Wrong((x[0], 2), RuntimeError, "Expected at least 2 dimensions for input tensor but received 1")
    yield Wrong((x[:1], 4), ValueError, "Expected more than 1 value per channel")
    yield Wrong((x, 2, w), RuntimeError, "Expected weight to be a vector of size equal to the number of channels")
    yield Wrong((x, 2, None, w), RuntimeError, "Expected bias to be a vector of size equal to the number of channels")
    yield Wrong((np.ones((2, 4, 3), np.int64), 2), RuntimeError, "float32 or float64, got int64")


def rows(biased: bool):
    def samples(draw: Draw):
        shapes = [(2, 9), (3, 6, 9), (200, 33), (70, 2, 9), (130, 7), (3, 30000), (33, 700), (9,)]
        for shape in shapes:
            for last in range(1, len(shape) + 1):
                own = shape[-last:]
                x = draw.normal(*shape)
                yield Sample((x, own), label=f"{shape} {own}")
                yield Sample((x, own, draw.normal(*own)), label=f"{shape} {own} weight")
                if biased:
                    yield Sample((x, own, draw.normal(*own), draw.normal(*own)), label=f"{shape} {own} affine")
                    yield Sample((x, own), {"bias": draw.normal(*own), "eps": 0.1}, label=f"{shape} {own} bias")
                else:
                    yield Sample((x, own), {"eps": 0.1}, label=f"{shape} {own} eps")
        for x in layouts(draw.normal(4, 2, 5)):
            yield Sample((x, (2, 5)), label=f"strides {x.strides}", smooth=0 not in x.strides)
        w = draw.normal(2, 3)
        yield Sample((draw.normal(4, 3, 2), (3, 2), w.T), label="transposed weight")
        for shape in [(0, 3), (2, 0)]:
            yield Sample((draw.normal(*shape), shape[1:]), label=f"empty {shape}", smooth=False)
        yield Sample((np.zeros((2, 5), draw.dtype), (5,)), label="zeros", smooth=False)
        for value in (np.inf, np.nan):
            x = draw.normal(3, 21)
            x[1, 4] = value
            yield Sample((x, (21,)), label=f"with {value}", smooth=False)

    return samples


def wrong_rows(draw: Draw):
    x = draw.normal(2, 3)
    yield Wrong((x, (4,)), RuntimeError, r"Given normalized_shape=\[4\], expected input with shape \[\*, 4\]")
    yield Wrong((x, (1, 2, 3)), RuntimeError, r"Given normalized_shape=\[1, 2, 3\]")
    yield Wrong((x, ()), RuntimeError, "Expected normalized_shape to be at least 1-dimensional")
    yield Wrong((x, (3,), draw.normal(4)), RuntimeError, "Expected weight to be of same shape as normalized_shape")
    yield Wrong((np.ones((2, 3), np.int64), (3,)), RuntimeError, "float32 or float64, got int64")


def wrong_biased_rows(draw: Draw):
    yield from wrong_rows(draw)
    x = draw.normal(2, 3)
    yield Wrong((x, (3,), None, draw.normal(4)), RuntimeError, "Expected bias to be of same shape")
    yield Wrong((x, (3,), np.ones(3, np.float64)), RuntimeError, "expected weight of dtype float32, got float64")


def neighbours(draw: Draw):
    for shape in [(2, 7, 3), (2, 9, 5, 6), (1, 3, 2, 2, 2), (2, 5, 9, 15), (3, 1, 4)]:
        for size in (1, 2, 3, 4, 5, 13):
            x = draw.normal(*shape)
            yield Sample((x, size), {"alpha": 0.5}, label=f"{shape} {size}")
            yield Sample((x, size, 0.3, 0.6, 1.5), label=f"{shape} {size} beta 0.6")
    for beta in (0.5, 1.0, 2.0, -0.5, 0.0):
        yield Sample((draw.normal(2, 6, 5), 3, 1.0, beta, 2.0), label=f"beta {beta}")
    for x in layouts(draw.normal(2, 4, 3)):
        yield Sample((x, 3, 1.0), label=f"strides {x.strides}", smooth=0 not in x.strides)
    for shape in [(0, 3, 4), (2, 0, 4), (2, 3, 0)]:
        yield Sample((draw.normal(*shape), 3), label=f"empty {shape}", smooth=False)


def wrong_neighbours(draw: Draw):
    yield Wrong((draw.normal(2, 3), 3), ValueError, r"Expected 3D or higher dimensionality input \(got 2 dimensions\)")
    for size in (0, -1):
        yield Wrong((draw.normal(2, 3, 4), size), RuntimeError, f"size should be greater than zero, but got {size}")
    yield Wrong((np.ones((2, 3, 4), np.int64), 3), RuntimeError, "float32 or float64, got int64")


def images(draw: Draw):
    """The layers of ResNet-50, VGG and DenseNet at small batches, an MLP's features, and a 1-D series."""
    for shape in [(32, 64, 56, 56), (32, 256, 14, 14), (32, 2048, 7, 7), (8, 3, 224, 224), (128, 512), (16, 64, 1000)]:
        c = shape[1]
        label = "x".join(map(str, shape))
        yield Sample((draw.normal(*shape), None, None, draw.normal(c), draw.normal(c), True), label=label)


def tokens(draw: Draw):
    for shape in [(4096, 768), (1024, 256), (64, 64, 1024), (128, 64)]:
        n = shape[-1:]
        yield Sample((draw.normal(*shape), n, draw.normal(*n), draw.normal(*n)), label="x".join(map(str, shape)))


def weighted_tokens(draw: Draw):
    for sample in tokens(draw):
        yield Sample(sample.args[:3], label=sample.label)


def channels_of_images(draw: Draw):
    for shape in [(16, 64, 56, 56), (16, 256, 14, 14), (2, 32, 256, 256)]:
        c = shape[1]
        yield Sample((draw.normal(*shape), 32, draw.normal(c), draw.normal(c)), label="x".join(map(str, shape)))


def instances_of_images(draw: Draw):
    for shape in [(8, 64, 64, 64), (1, 3, 512, 512)]:
        c = shape[1]
        yield Sample((draw.normal(*shape), None, None, draw.normal(c), draw.normal(c)), label="x".join(map(str, shape)))


def responses(draw: Draw):
    for shape in [(32, 64, 27, 27), (32, 192, 13, 13), (8, 64, 56, 56)]:
        yield Sample((draw.normal(*shape), 5), label="x".join(map(str, shape)))


# Results are of the order of 1 and rounded a few times; one whose mean is 1e4 keeps its digits (`far`).
ROUNDED = {"float32": (4e-6, 4e-6), "float64": (1e-10, 1e-11)}
FAR = {"float32": (4e-6, 4e-6), "float64": (1e-10, 1e-9)}  # NumPy's sums of numbers about 1e4


def far(function, *arguments):
    """Samples far from 0 and large ones: PyTorch's float32 results have four digits fewer there, and none."""

    def samples(draw: Draw):
        for shape in [(8, 4), (6, 4, 9), (2, 4, 40, 40), (600, 4), (2, 4, 20, 30), (1030, 4, 4)]:
            if function is not norm.instance_norm or len(shape) > 2:
                yield Sample((far_from_0(draw, *shape), *arguments), label=f"{shape}")
                yield Sample((draw.normal(*shape, scale=1e30), *arguments), label=f"large {shape}")

    name = f"{function.__name__} far from 0"
    return Case(name, function, getattr(ref.norm, function.__name__), samples, tolerance=FAR, derivatives=0)


CASES = [
    Case(
        "batch_norm",
        norm.batch_norm,
        lambda x, running_mean=None, running_var=None, *a, **k: ref.norm.batch_norm(
            x, running_mean, running_var, *a, **k
        ),
        batches,
        wrong_batches,
        tolerance=ROUNDED,
        benchmark=images,
    ),
    Case(
        "batch_norm evaluation",
        evaluation,
        lambda x, w, b, mean, var: ref.norm.batch_norm(x, mean, var, w, b),
        evaluations,
        tolerance=ROUNDED,
    ),
    Case(
        "running statistics",
        running,
        ref.norm.running_statistics,
        runnings,
        tolerance={"float32": (2e-6, 1e-6), "float64": (1e-10, 1e-12)},
        derivatives=0,
    ),
    Case(
        "instance_norm",
        norm.instance_norm,
        ref.norm.instance_norm,
        instances,
        wrong_instances,
        tolerance=ROUNDED,
        benchmark=instances_of_images,
    ),
    Case(
        "group_norm",
        norm.group_norm,
        ref.norm.group_norm,
        grouped,
        wrong_groups,
        tolerance=ROUNDED,
        benchmark=channels_of_images,
    ),
    Case(
        "layer_norm",
        norm.layer_norm,
        ref.norm.layer_norm,
        rows(True),
        wrong_biased_rows,
        tolerance=ROUNDED,
        benchmark=tokens,
    ),
    Case(
        "rms_norm",
        norm.rms_norm,
        ref.norm.rms_norm,
        rows(False),
        wrong_rows,
        tolerance=ROUNDED,
        benchmark=weighted_tokens,
    ),
    Case(
        "local_response_norm",
        norm_local_response.local_response_norm,
        ref.norm.local_response_norm,
        neighbours,
        wrong_neighbours,
        tolerance={"float32": (2e-6, 1e-6), "float64": (1e-13, 1e-14)},
        benchmark=responses,
    ),
    far(norm.batch_norm, None, None, None, None, True),
    far(norm.instance_norm),
    far(norm.group_norm, 2),
    Case(
        "layer_norm far from 0",
        norm.layer_norm,
        ref.norm.layer_norm,
        lambda draw: (Sample((far_from_0(draw, *s), s[1:])) for s in [(2, 6), (3, 6, 5), (200, 33), (3, 30000)]),
        tolerance=FAR,
        derivatives=0,
    ),
]
