"""Shapes as Python sees them: Size, and how a shape or a dimension is given as arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Size(tuple):
    """A shape: a tuple of extents that prints as one and counts its elements."""

    __slots__ = ()

    def numel(self) -> int:
        """The product of the extents."""
        total = 1
        for extent in self:
            total *= extent
        return total

    def __repr__(self) -> str:
        return f"nncore.Size({list(self)})"


def in_range(dim: int, ndim: int) -> int:
    """The dimension, if there is one of that number; negative numbers count from the last."""
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-max(ndim, 1)}, {max(ndim, 1) - 1}], but got {dim})"
        )
    return dim


def shape_arguments(arguments: Sequence, named: Sequence | None = None) -> tuple[int, ...]:
    """The shape in `f(2, 3)`, `f((2, 3))` and, as `named`, `f(size=(2, 3))` alike."""
    if named is not None:
        if arguments:
            raise TypeError(f"expected the numbers once, got {arguments} and by name {named}")
        return tuple(named) if isinstance(named, (tuple, list)) else (named,)
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)):
        return tuple(arguments[0])
    return tuple(arguments)
