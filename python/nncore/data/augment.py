"""Random changes to a batch of images that leave their class what it is, in NumPy, from a generator given."""

from __future__ import annotations

import numpy as np


def random_flip(images: np.ndarray, rng: np.random.Generator, p: float = 0.5) -> np.ndarray:
    """Mirrors each image [..., H, W] of a batch left to right with probability `p`.

    >>> random_flip(np.array([[[1, 2]], [[3, 4]]]), np.random.default_rng(0), p=1.0)
    array([[[2, 1]],
    <BLANKLINE>
           [[4, 3]]])
    """
    flip = rng.random(len(images)) < p
    out = images.copy()
    out[flip] = out[flip][..., ::-1]
    return out


def random_shift(images: np.ndarray, rng: np.random.Generator, pixels: int = 1) -> np.ndarray:
    """Moves each image [..., H, W] of a batch by up to `pixels` along both axes; zeros come in from outside."""
    height, width = images.shape[-2:]
    border = [(0, 0)] * (images.ndim - 2) + [(pixels, pixels)] * 2
    padded = np.pad(images, border)
    tops, lefts = rng.integers(0, 2 * pixels + 1, size=(2, len(images)))
    out = np.empty_like(images)
    for i, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        out[i] = padded[i, ..., top : top + height, left : left + width]
    return out
