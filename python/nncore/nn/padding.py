"""Padding layers, 1-D to 3-D: `F.pad` over the last one, two or three dimensions.

`padding` is one number for all ends, or one for each end, last dimension first: (left, right, top, bottom, front,
back). Input [N, C, ...] or [C, ...].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.nn import functional as F
from nncore.nn.conv import ntuple
from nncore.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor


class _PadNd(Module):
    """What all of them have in common; `_ndim` counts the padded dimensions."""

    _ndim: int
    _mode = "constant"

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = ntuple(padding, 2 * self._ndim)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        n = self._ndim
        if input.ndim not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.ndim}D input)")
        return super().forward(input)


class ConstantPad1d(_ConstantPadNd):
    """`value` at both ends of the last dimension.

    >>> nc.nn.ConstantPad1d((1, 2), 3.5)(nc.zeros(1, 2))
    tensor([[3.5000, 0.0000, 0.0000, 3.5000, 3.5000]])
    """

    _ndim = 1


class ConstantPad2d(_ConstantPadNd):
    """`value` around the last two dimensions."""

    _ndim = 2


class ConstantPad3d(_ConstantPadNd):
    """`value` around the last three dimensions."""

    _ndim = 3


class ZeroPad1d(_ZeroPadNd):
    """Zeros at both ends of the last dimension.

    >>> nc.nn.ZeroPad1d(1)(nc.ones(1, 2))
    tensor([[0., 1., 1., 0.]])
    """

    _ndim = 1


class ZeroPad2d(_ZeroPadNd):
    """Zeros around the last two dimensions."""

    _ndim = 2


class ZeroPad3d(_ZeroPadNd):
    """Zeros around the last three dimensions."""

    _ndim = 3


class ReflectionPad1d(_PadNd):
    """The last dimension mirrored at its outermost elements, which are not repeated.

    >>> nc.nn.ReflectionPad1d(2)(nc.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _ndim, _mode = 1, "reflect"


class ReflectionPad2d(_PadNd):
    """The last two dimensions mirrored at their outermost elements."""

    _ndim, _mode = 2, "reflect"


class ReflectionPad3d(_PadNd):
    """The last three dimensions mirrored at their outermost elements."""

    _ndim, _mode = 3, "reflect"


class ReplicationPad1d(_PadNd):
    """Copies of the outermost elements at both ends of the last dimension.

    >>> nc.nn.ReplicationPad1d(2)(nc.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 1., 1., 2., 3., 3., 3.]])
    """

    _ndim, _mode = 1, "replicate"


class ReplicationPad2d(_PadNd):
    """Copies of the outermost elements around the last two dimensions."""

    _ndim, _mode = 2, "replicate"


class ReplicationPad3d(_PadNd):
    """Copies of the outermost elements around the last three dimensions."""

    _ndim, _mode = 3, "replicate"


class CircularPad1d(_CircularPadNd):
    """The last dimension continued from its other end.

    >>> nc.nn.CircularPad1d(1)(nc.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 1., 2., 3., 1.]])
    """

    _ndim = 1


class CircularPad2d(_CircularPadNd):
    """The last two dimensions continued from their other ends."""

    _ndim = 2


class CircularPad3d(_CircularPadNd):
    """The last three dimensions continued from their other ends."""

    _ndim = 3
