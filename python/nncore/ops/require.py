"""Conditions on the values of tensors, which a plan asks again at each replay.

What does not hold raises an error: at once on the CPU, on a GPU at the next synchronisation, for nobody waits there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _core

if TYPE_CHECKING:
    from nncore.tensor import Tensor


def require(condition: Tensor, error: type[Exception], message: str, at_once: bool = False) -> None:
    """Raises error(message) unless every element of a boolean tensor is True; at_once waits, outside of captures."""
    _core.require(condition.detach().all()._array, error.__name__, message, at_once)


def require_range(values: Tensor, low: int, high: int, message: str) -> None:
    """Raises a RuntimeError, the message and the number, for an integer of values that is not in [low, high)."""
    _core.require_range(values.detach()._array, low, high, message)
