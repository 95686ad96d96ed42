"""`nncore.utils.data` is `nncore.data`, under the name that it has in PyTorch."""

import sys

from nncore import data

__all__ = ["data"]

sys.modules[f"{__name__}.data"] = data
