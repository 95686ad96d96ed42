"""Calls of a size that fills a GPU: what a CPU would take seconds for. Arguments as in the case tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from op_cases import Sample

# Layers of ResNet-50: batch, channels, height = width, filters, their height = width, stride.
RESNET50 = [
    (64, 3, 224, 64, 7, 2),
    (64, 64, 56, 64, 3, 1),
    (64, 256, 56, 64, 1, 1),
    (64, 128, 28, 128, 3, 1),
    (64, 256, 14, 256, 3, 1),
    (64, 512, 7, 512, 3, 1),
]


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _labels(rows: int, classes: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, classes, rows)


def convolutions() -> Iterator[Sample]:
    """The layers of ResNet-50."""
    for batch, channels, size, filters, window, stride in RESNET50:
        options = {"stride": stride, "padding": window // 2}
        args = (_normal(batch, channels, size, size), _normal(filters, channels, window, window), None)
        yield Sample(args, options, f"ResNet-50 {batch}x{channels}x{size}^2, {filters} of {window}^2, stride {stride}")


def matrices(*args) -> Iterator[Sample]:
    """8192 x 4096, and what the operation takes besides."""
    yield Sample((_normal(8192, 4096), *args), {}, "8192x4096")


def scores() -> Iterator[Sample]:
    """The classes of ImageNet, and a vocabulary."""
    for rows, classes in ((32768, 1000), (4096, 32768)):
        yield Sample((_normal(rows, classes), _labels(rows, classes)), {}, f"{rows}x{classes}")


def images(**options) -> Iterator[Sample]:
    """What pooling reads in ResNet-50."""
    yield Sample((_normal(64, 64, 112, 112),), options, "64x64x112^2")


def normalised(*statistics) -> Iterator[Sample]:
    """A batch norm's input in ResNet-50."""
    yield Sample((_normal(64, 256, 56, 56), *statistics), {}, "64x256x56^2")


LARGE = {
    "conv2d": convolutions,
    "relu": matrices,
    "gelu": matrices,
    "tanh": matrices,
    "softmax": lambda: matrices(1),
    "log_softmax": lambda: matrices(1),
    "layer_norm": lambda: matrices((4096,), _normal(4096), _normal(4096)),
    "batch_norm": lambda: normalised(None, None, _normal(256), _normal(256), True),
    "cross_entropy": scores,
    "max_pool2d": lambda: images(kernel_size=3, stride=2, padding=1),
    "avg_pool2d": lambda: images(kernel_size=2),
}


def samples(name: str) -> Iterator[Sample]:
    """The large calls of an operation."""
    yield from LARGE[name]() if name in LARGE else ()
