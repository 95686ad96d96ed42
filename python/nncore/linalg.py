"""Norms, under the name where PyTorch has them."""

from nncore.ops.statistics import vector_norm

__all__ = ["vector_norm"]
