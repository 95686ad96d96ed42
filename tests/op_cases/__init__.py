"""What every operation is tested and timed with: one table of cases for each family.

A case names an operation, its NumPy reference, sample inputs, wrong inputs, and a tolerance. The generic tests
(tests/test_ops.py), the comparison with PyTorch and the benchmarks loop over these tables; an operation that is in none
of them does not exist (tests/test_catalogue.py).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Draw:
    """Random inputs of one dtype, the same for each run."""

    def __init__(self, dtype: str, seed: int = 0):
        self.dtype = np.dtype(dtype)
        self.random = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Normally distributed values."""
        return np.asarray(scale * self.random.standard_normal(shape), dtype=self.dtype)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Uniformly distributed values."""
        return np.asarray(self.random.uniform(low, high, shape), dtype=self.dtype)

    def away_from(self, points, *shape: int, margin: float = 0.05, scale: float = 1.0) -> np.ndarray:
        """Normal values with a distance to the points at which a function has a kink (finite differences need it)."""
        x = scale * self.random.standard_normal(shape)
        for p in points if isinstance(points, (tuple, list)) else (points,):
            near = np.abs(x - p) < margin
            x = np.where(near, p + margin * np.where(x < p, -2.0, 2.0), x)
        return np.asarray(x, dtype=self.dtype)

    def distinct(self, *shape: int, gap: float = 0.1) -> np.ndarray:
        """Values of which any two differ by at least gap, in random order: for maxima and sorting."""
        count = int(np.prod(shape))
        return np.asarray(gap * (self.random.permutation(count) - count / 2).reshape(shape), dtype=self.dtype)

    def integers(self, low: int, high: int, *shape: int, dtype: str = "int64") -> np.ndarray:
        """Integers in [low, high)."""
        return np.asarray(self.random.integers(low, high, shape), dtype=dtype)

    def booleans(self, *shape: int) -> np.ndarray:
        """True and False."""
        return np.asarray(self.random.random(shape) < 0.5)

    def extremes(self) -> np.ndarray:
        """Zeros of both signs, infinities, NaN, the smallest and largest numbers."""
        limits = np.finfo(self.dtype)
        values = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, limits.max, -limits.max, limits.tiny, -limits.tiny]
        return np.asarray([*values, limits.smallest_subnormal, limits.eps, 100.0, -100.0, 20.5, -20.5], self.dtype)


def transposed(x: np.ndarray) -> np.ndarray:
    """The same values, laid out in memory with the dimensions reversed."""
    return np.asfortranarray(x)


def spread(x: np.ndarray) -> np.ndarray:
    """The same values, every second element of a larger array along the last dimension."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def layouts(x: np.ndarray) -> Iterator[np.ndarray]:
    """x in every memory layout that an operation meets: contiguous, transposed, strided, reversed, broadcast."""
    yield x
    if x.ndim >= 2:
        yield transposed(x)
    if x.ndim >= 1:
        yield spread(x)
        yield np.ascontiguousarray(x[..., ::-1])[..., ::-1]
        yield np.broadcast_to(x[..., :1], x.shape)


@dataclass(frozen=True)
class Sample:
    """One call. NumPy arrays stand for tensors; those that are floating are differentiated."""

    args: tuple
    kwargs: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    smooth: bool = True  # False: at a kink or an extreme value, where finite differences say nothing


@dataclass(frozen=True)
class Wrong:
    """A call that must raise: the exception and what its message contains (a regular expression)."""

    args: tuple
    exception: type[Exception]
    match: str
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One operation: `function` of nncore against `reference` in NumPy."""

    name: str
    function: Callable
    reference: Callable
    samples: Callable[[Draw], Iterator[Sample]]
    wrong: Callable[[Draw], Iterator[Wrong]] = lambda draw: iter(())
    # (relative, absolute) difference allowed to the reference, per dtype; say why where it is larger than this.
    tolerance: dict[str, tuple[float, float]] = field(
        default_factory=lambda: {"float32": (2e-6, 1e-6), "float64": (1e-13, 1e-14)}
    )
    dtypes: tuple[str, ...] = ("float32", "float64")
    derivatives: int = 2  # how many are checked: 0 where there is none (comparisons, argmax)
    benchmark: Callable[[Draw], Iterator[Sample]] = lambda draw: iter(())  # larger calls that `python -m bench` times
    torch: str = ""  # the function of PyTorch that does the same, where its name is another

    def __str__(self) -> str:
        return self.name


def all_cases() -> list[Case]:
    """The cases of every family."""
    cases: list[Case] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        cases.extend(importlib.import_module(f"{__name__}.{module.name}").CASES)
    return cases
