"""Types of arguments that many layers take."""

from __future__ import annotations

from nncore import _core

Device = _core.device | str | None
DType = _core.dtype | None
