"""The tape: what was computed, as nodes that point at the nodes of their inputs. It knows no operation.

An operation hands `record` its result, its inputs, and its gradient rule; `record` makes a `Node` of them, the place on
the tape where the result was made. `nncore.autograd` walks the nodes from the last to the first.

A rule is a tuple of functions, one for each input: each takes the gradient of the result, then what the operation
saved, and returns the gradient of its input, in operations of this library, so that gradients have gradients. Where
inputs share their work the rule is one function that returns all gradients as a tuple. An operation with several
results gets their gradients as a tuple too, None where a result was not used.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from nncore.grad_mode import _mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor

_count = itertools.count()


class Node:
    """One operation on the tape.

    edges: for each input, where its gradient goes: (node, which of its results), (leaf tensor, 0), or None.
    saved: what the rule needs; tensors as `_Saved`, which notices when they were changed in place since.
    """

    __slots__ = ("__weakref__", "edges", "holds_tensors", "hooks", "operation", "order", "outputs", "rule", "saved")

    def __init__(self, name: str, rule, edges: tuple, outputs: int):
        self.operation = name
        self.rule = rule
        self.edges = edges
        self.outputs = outputs
        self.order = next(_count)
        self.hooks: dict[int, dict] | None = None
        self.saved: Sequence | None = ()
        self.holds_tensors = False

    def name(self) -> str:
        """The operation."""
        return self.operation

    @property
    def next_functions(self) -> tuple:
        """The nodes (or leaf tensors) that gradients go to from here, with the number of their result."""
        return tuple(edge if edge is not None else (None, 0) for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.operation} node>"

    def unpack(self) -> Sequence:
        """What was saved, as the rule takes it."""
        if self.saved is None:
            raise RuntimeError(
                f"Trying to backward through the graph a second time: the values that {self.operation} saved were "
                "freed by the first pass. Call backward or grad with retain_graph=True if the graph is needed again."
            )
        if not self.holds_tensors:
            return self.saved
        return [item.unpack(self) if type(item) is _Saved else item for item in self.saved]


class _Saved:
    """A tensor as it was when it was saved: no reference to the Tensor itself, so that the tape holds no cycle."""

    __slots__ = ("array", "edge", "restore", "version")

    def __init__(self, tensor: Tensor, outputs: tuple):
        self.restore = tensor._restore
        self.array = array = tensor._array
        self.version = array.version
        if tensor is outputs[0]:
            self.edge: Any = 0  # a result of the node itself: linked to it again when it is unpacked
        elif not tensor._requires_grad:
            self.edge = None
        elif len(outputs) == 1:
            self.edge = edge_of(tensor)
        else:
            self.edge = next((i for i, y in enumerate(outputs) if y is tensor), None) or edge_of(tensor)

    def unpack(self, node: Node) -> Tensor:
        now = self.array.version
        if now != self.version:
            raise RuntimeError(
                f"one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"{node.operation} saved a tensor of shape {list(self.array.shape)} at version {self.version}, "
                f"it is at version {now} now"
            )
        edge = self.edge
        if edge is None:
            return self.restore(self.array, None, 0)
        if type(edge) is int:
            return self.restore(self.array, node, edge)
        target, index = edge
        return self.restore(self.array, target, index) if type(target) is Node else target


def edge_of(tensor: Tensor) -> tuple:
    """Where the gradient of this tensor goes: the node that made it, or itself where it is a leaf."""
    return (tensor, 0) if tensor._node is None else (tensor._node, tensor._index)


def record(name: str, output, inputs: Sequence, rule, saved: Sequence = ()):
    """Puts an operation on the tape and returns its output, a tensor or a tuple of them.

    Nothing is recorded where recording is off or no input requires a gradient. Inputs may be None. Outputs that are
    not floating take part in no gradient.
    """
    if not _mode.enabled:
        return output
    for x in inputs:
        if x is not None and x._requires_grad:
            break
    else:
        return output
    outputs = output if type(output) is tuple else (output,)
    edges = tuple(
        [
            None if x is None or not x._requires_grad else (x, 0) if x._node is None else (x._node, x._index)
            for x in inputs
        ]
    )
    node = Node(name, rule, edges, len(outputs))
    if saved:
        node.saved = kept = []
        for s in saved:
            if hasattr(s, "_requires_grad"):
                s = _Saved(s, outputs)
                node.holds_tensors = True
            kept.append(s)
    for i, y in enumerate(outputs):
        if y._array.is_floating:
            y._node, y._index, y._requires_grad = node, i, True
    return output
