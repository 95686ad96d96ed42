"""Everything in this folder compares with PyTorch, and is skipped where PyTorch is not installed."""

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
