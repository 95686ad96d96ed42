"""Conditions on the values of tensors, which a plan asks again at each replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core

if TYPE_CHECKING:
    from nncore.tensor import Tensor


def require(condition: Tensor, error: type[Exception], message: str) -> None:
    """Raises error(message) unless every element of a boolean tensor is True."""
    _core.require(condition.detach().all()._array, error.__name__, message)
