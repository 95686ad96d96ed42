"""Images for the lecture's convolutional networks: Fashion-MNIST where it is, otherwise the digits, enlarged."""

from __future__ import annotations

import numpy as np

import nncore as nc


def load(train: bool, limit: int | None = None) -> tuple[nc.Tensor, nc.Tensor, tuple[str, ...], str]:
    """Images [N, 1, H, W] with mean 0 and deviation 1, their labels, the classes' names, and what they are.

    Fashion-MNIST comes with Debian's package dataset-fashion-mnist or a folder that NNCORE_DATA names; without it the
    digits of the package serve, each pixel repeated three times in both directions.
    """
    try:
        data = nc.data.datasets.fashion_mnist(train=train, download=False)
        pixels, name = data.data, "Fashion-MNIST"
    except FileNotFoundError:
        data = nc.data.datasets.digits(train=train)
        pixels, name = data.data.repeat(3, axis=1).repeat(3, axis=2), "digits"
    images = pixels[:limit, None].astype(np.float32) / data.scale
    mean, deviation = (0.286, 0.353) if name == "Fashion-MNIST" else (0.305, 0.376)  # of the training images
    return nc.from_numpy((images - mean) / deviation), nc.tensor(data.targets[:limit]), data.classes, name
