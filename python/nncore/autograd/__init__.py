"""Automatic differentiation, under the names of torch.autograd.

`calls` has backward and grad, for which `engine` walks the tape (`nncore.tape`); `function` is for operations that a
user writes; `functional` has Jacobians, Hessians and their products with vectors.
"""

import importlib

from nncore.autograd.calls import backward, grad
from nncore.autograd.function import Function
from nncore.grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from nncore.tape import Node, edge_of, record

__all__ = [
    "Function",
    "Node",
    "backward",
    "edge_of",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "record",
    "set_grad_enabled",
]


def __getattr__(name: str):
    # These need the operations, which need what is here.
    if name == "functional":
        return importlib.import_module("nncore.autograd.functional")
    if name in ("gradcheck", "gradgradcheck"):
        return getattr(importlib.import_module("nncore.testing"), name)
    raise AttributeError(f"module 'nncore.autograd' has no attribute {name!r}")
