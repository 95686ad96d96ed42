"""The tape: what was computed, and how gradients flow back through it. It knows no operation.

An operation hands `record` its result, its inputs, and its gradient rule; `record` makes a `Node` of them, the place on
the tape where the result was made. `backward` and `grad` walk the nodes from the last to the first.

A rule is a tuple of functions, one for each input: each takes the gradient of the result, then what the operation
saved, and returns the gradient of its input, in operations of this library, so that gradients have gradients. Where
inputs share their work the rule is one function that returns all gradients as a tuple. An operation with several
results gets their gradients as a tuple too, None where a result was not used.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any

from nncore.grad_mode import _mode, enable_grad, is_grad_enabled, no_grad, set_grad_enabled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor

__all__ = ["Node", "backward", "enable_grad", "grad", "is_grad_enabled", "no_grad", "record", "set_grad_enabled"]

_count = itertools.count()


class Node:
    """One operation on the tape.

    edges: for each input, where its gradient goes: (node, which of its results), (leaf tensor, 0), or None.
    saved: what the rule needs; tensors as `_Saved`, which notices when they were changed in place since.
    """

    __slots__ = ("__weakref__", "edges", "hooks", "name", "order", "outputs", "rule", "saved")

    def __init__(self, name: str, rule, edges: tuple, outputs: int):
        self.name = name
        self.rule = rule
        self.edges = edges
        self.outputs = outputs
        self.order = next(_count)
        self.hooks: dict[int, list] | None = None
        self.saved: tuple | None = None

    @property
    def next_functions(self) -> tuple:
        """The nodes (or leaf tensors) that gradients go to from here, with the number of their result."""
        return tuple(edge if edge is not None else (None, 0) for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name} node>"

    def unpack(self) -> list:
        """What was saved, as the rule takes it."""
        if self.saved is None:
            raise RuntimeError(
                f"Trying to backward through the graph a second time: the values that {self.name} saved were freed by "
                "the first pass. Call backward or grad with retain_graph=True if the graph is needed again."
            )
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
                f"{node.name} saved a tensor of shape {list(self.array.shape)} at version {self.version}, "
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
    edges = tuple([edge_of(x) if x is not None and x._requires_grad else None for x in inputs])
    node = Node(name, rule, edges, len(outputs))
    node.saved = tuple([_Saved(s, outputs) if hasattr(s, "_requires_grad") else s for s in saved]) if saved else ()
    for i, y in enumerate(outputs):
        if y._array.is_floating:
            y._node, y._index, y._requires_grad = node, i, True
    return output


def backward(
    tensors: Sequence[Tensor], gradients: Sequence[Tensor | None] | None = None, retain_graph=None, create_graph=False
) -> None:
    """Adds to `grad` of every leaf the gradient of the tensors, weighted with `gradients` (1 for a scalar)."""
    tensors, gradients = _roots("backward", tensors, gradients)
    _run(tensors, gradients, None, create_graph if retain_graph is None else retain_graph, create_graph)


def grad(
    outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=None
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of outputs with respect to inputs, and leaves every `grad` as it was.

    With create_graph the gradients are themselves on the tape. An input that the outputs do not depend on is an error,
    or None with allow_unused.

    >>> x = nc.tensor(3.0, requires_grad=True)
    >>> (dx,) = nc.autograd.grad(x**3, x, create_graph=True)
    >>> nc.autograd.grad(dx, x)
    (tensor(18.),)
    """
    roots, gradients = _roots("grad", outputs, grad_outputs)
    wanted = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    for i, x in enumerate(wanted):
        if not x._requires_grad:
            raise RuntimeError(f"grad: input {i} does not require grad")
    found = _run(roots, gradients, wanted, create_graph if retain_graph is None else retain_graph, create_graph)
    for i, g in enumerate(found):
        if g is None and not allow_unused:
            raise RuntimeError(
                f"grad: input {i} appears to not have been used in the graph. Set allow_unused=True if this is the "
                "desired behavior."
            )
    return tuple(found)


def _roots(operation: str, tensors, gradients) -> tuple[list, list]:
    tensors = list(tensors) if isinstance(tensors, (tuple, list)) else [tensors]
    if gradients is None:
        gradients = [None] * len(tensors)
    elif not isinstance(gradients, (tuple, list)):
        gradients = [gradients]
    if len(gradients) != len(tensors):
        raise RuntimeError(f"{operation}: got {len(tensors)} tensors and {len(gradients)} gradients")
    start = []
    for t, g in zip(tensors, gradients, strict=True):
        if not t._requires_grad:
            raise RuntimeError(f"{operation}: the tensor does not require grad and does not have a grad_fn")
        if g is None:
            if t.numel() != 1:
                raise RuntimeError(
                    f"{operation}: grad can be implicitly created only for scalar outputs, got shape {list(t.shape)}"
                )
            g = t._ones_like()
        elif g.shape != t.shape:
            raise RuntimeError(
                f"{operation}: expected a gradient of the tensor's shape {list(t.shape)}, got {list(g.shape)}"
            )
        start.append(g)
    return tensors, start


def _run(roots, gradients, wanted, retain_graph: bool, create_graph: bool) -> list:
    """One pass from the roots. Fills the leaves' `grad`, or, where tensors are wanted, returns their gradients."""
    targets = None if wanted is None else {(id(target), index) for target, index in map(edge_of, wanted)}
    reach = {} if targets is None else _reach([edge_of(t)[0] for t in roots], targets)
    found: dict[tuple, list] = {}  # (id, index) -> [leaf or node, gradient, whether nobody else holds the gradient]
    pending: dict[Node, list] = {}
    heap: list[tuple[int, Node]] = []

    def send(edge, gradient, fresh: bool) -> None:
        target, index = edge
        key = (id(target), index)
        if type(target) is not Node:
            if targets is None or key in targets:
                held = found.get(key)
                found[key] = [target, gradient, fresh] if held is None else [target, held[1] + gradient, True]
        elif targets is None or reach[key[0]] or key in targets:
            slots = pending.get(target)
            if slots is None:
                slots = pending[target] = [None] * target.outputs
                heapq.heappush(heap, (-target.order, target))
            slots[index] = gradient if slots[index] is None else slots[index] + gradient

    with set_grad_enabled(create_graph):
        for tensor, gradient in zip(roots, gradients, strict=True):
            send(edge_of(tensor), gradient, False)
        while heap:
            node = heapq.heappop(heap)[1]
            slots = pending.pop(node)
            if node.hooks:
                for i, hooks in node.hooks.items():
                    slots[i] = _through(hooks, slots[i])
            if targets is not None:
                for i, gradient in enumerate(slots):
                    if (id(node), i) in targets:
                        found[id(node), i] = [node, gradient, False]
                if not reach[id(node)]:
                    continue
            for edge, gradient, fresh in _apply(node, slots, reach, targets):
                send(edge, gradient, fresh)
            if not retain_graph and any(type(s) is _Saved for s in node.saved):
                node.saved = None
        for entry in found.values():
            leaf = entry[0]
            if type(leaf) is not Node:
                entry[1] = _through(leaf._hooks, entry[1])
                if wanted is None:
                    _accumulate(leaf, entry[1], entry[2] and not leaf._hooks, create_graph)
    return [] if wanted is None else [found.get((id(t), i), (None, None))[1] for t, i in map(edge_of, wanted)]


def _reach(starts: list, targets: set) -> dict[int, bool]:
    """For each node that the starts depend on, whether gradients that leave it come to one of the targets."""
    nodes: dict[int, Node] = {}
    stack = [node for node in starts if type(node) is Node]
    while stack:
        node = stack.pop()
        if id(node) not in nodes:
            nodes[id(node)] = node
            stack.extend([edge[0] for edge in node.edges if edge is not None and type(edge[0]) is Node])
    reach: dict[int, bool] = {}
    for node in sorted(nodes.values(), key=lambda n: n.order):  # a node's inputs were made before it
        reach[id(node)] = any(edge is not None and _leads(edge, reach, targets) for edge in node.edges)
    return reach


def _leads(edge: tuple, reach: dict, targets: set) -> bool:
    return (id(edge[0]), edge[1]) in targets or reach.get(id(edge[0]), False)


def _apply(node: Node, slots: list, reach: dict, targets: set | None):
    """The gradients of a node's inputs, from the gradients of its results: yields (edge, gradient, fresh)."""
    saved = node.unpack()
    gy = slots[0] if node.outputs == 1 else tuple(slots)
    rule = node.rule
    joint = None if type(rule) is tuple else rule(gy, *saved)
    for i, edge in enumerate(node.edges):
        if edge is None or (targets is not None and not _leads(edge, reach, targets)):
            continue
        gradient = joint[i] if joint is not None else rule[i](gy, *saved)
        if gradient is not None:
            alone = joint is None or sum(g is gradient for g in joint) == 1
            passed_on = any(gradient is g for g in slots)
            yield edge, gradient, alone and not passed_on and gradient._array.sole_owner


def _through(hooks, gradient):
    """The gradient after the hooks of a tensor: each may return another one."""
    for hook in list(hooks.values()) if hooks else ():
        changed = hook(gradient)
        gradient = gradient if changed is None else changed
    return gradient


def _accumulate(leaf, gradient, fresh: bool, create_graph: bool) -> None:
    """Adds to a leaf's `grad`. Gradients never share memory with each other: clipping one must not change another."""
    if leaf.grad is None:
        if create_graph:
            leaf.grad = gradient if fresh else gradient.clone()
        else:
            leaf.grad = gradient.detach() if fresh else gradient.detach().clone()
    elif create_graph:
        leaf.grad = leaf.grad + gradient
    else:
        leaf.grad.add_(gradient)
