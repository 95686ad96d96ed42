"""Where the order of data comes from: one draw from a generator seeds NumPy's own generator for the rest."""

from __future__ import annotations

import numpy as np

import nncore


def draw_seed(generator=None) -> int:
    """One number below 2**63 from `generator`: an nncore.Generator, a numpy.random.Generator, or None for the
    default generator, which `nncore.manual_seed` seeds."""
    if isinstance(generator, np.random.Generator):
        return int(generator.integers(2**63))
    return int(nncore.randint(2**63 - 1, (), generator=generator).item())


def numpy_rng(generator=None) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(draw_seed(generator)))
