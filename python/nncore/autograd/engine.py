"""The engine: gradients flow back along the tape, from the last operation to the first. It knows no operation.

What was computed stands on the tape as nodes (see `nncore.tape`). `run` starts at the results, calls the rule of each
node when all gradients of its results are there, and passes what it returns on to the nodes of its inputs.
"""

from __future__ import annotations

import heapq
import operator

from nncore.grad_mode import _mode
from nncore.tape import Node, edge_of

_order = operator.attrgetter("order")


def run(roots, gradients, wanted, retain_graph: bool, create_graph: bool) -> list:
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
            if gradient._array.dtype is not target._array.dtype:  # of a parameter wider than what it met
                gradient, fresh = gradient.to(target._array.dtype), True
            if targets is None or key in targets:
                held = found.get(key)
                found[key] = [target, gradient, fresh] if held is None else [target, held[1] + gradient, True]
        elif targets is None or reach[key[0]] or key in targets:
            slots = pending.get(target)
            if slots is None:
                slots = pending[target] = [None] * target.outputs
                heapq.heappush(heap, (-target.order, target))
            slots[index] = gradient if slots[index] is None else slots[index] + gradient

    before = _mode.enabled
    _mode.enabled = bool(create_graph)
    try:
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
            if not retain_graph and node.holds_tensors:
                node.saved = None
        for entry in found.values():
            leaf = entry[0]
            if type(leaf) is not Node:
                if leaf._hooks:
                    entry[1] = _through(leaf._hooks, entry[1])
                if wanted is None:
                    accumulate(leaf, entry[1], entry[2] and not leaf._hooks, create_graph)
    finally:
        _mode.enabled = before
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
    for node in sorted(nodes.values(), key=_order):  # a node's inputs were made before it
        leads = False
        for edge in node.edges:
            leads = leads or (edge is not None and _leads(edge, reach, targets))
        reach[id(node)] = leads
    return reach


def _leads(edge: tuple, reach: dict, targets: set) -> bool:
    return (id(edge[0]), edge[1]) in targets or reach.get(id(edge[0]), False)


def _apply(node: Node, slots: list, reach: dict, targets: set | None) -> list[tuple]:
    """The gradients of a node's inputs, from the gradients of its results: (edge, gradient, fresh) for each."""
    saved = node.unpack()
    gy = slots[0] if node.outputs == 1 else tuple(slots)
    rule = node.rule
    joint = None if type(rule) is tuple else rule(gy, *saved)
    sent = []
    for i, edge in enumerate(node.edges):
        if edge is None or (targets is not None and not _leads(edge, reach, targets)):
            continue
        gradient = rule[i](gy, *saved) if joint is None else joint[i]
        if gradient is not None:
            fresh = targets is None and type(edge[0]) is not Node and _is_fresh(gradient, slots, joint)
            sent.append((edge, gradient, fresh))
    return sent


def _is_fresh(gradient, slots: list, joint: tuple | None) -> bool:
    """Whether a leaf may keep this gradient: no other tensor is it or shares its memory."""
    for g in slots:
        if g is gradient:
            return False
    if joint is not None and sum(g is gradient for g in joint) > 1:
        return False
    return gradient._array.sole_owner


def _through(hooks, gradient):
    """The gradient after the hooks of a tensor: each may return another one."""
    for hook in list(hooks.values()):
        changed = hook(gradient)
        if changed is None:
            continue
        if not hasattr(changed, "_requires_grad"):
            raise TypeError(f"expected a Tensor from the hook, but hook returned '{type(changed).__name__}'")
        if gradient is not None and changed.shape != gradient.shape:
            name = getattr(hook, "__name__", type(hook).__name__)
            raise RuntimeError(
                f"hook '{name}' has changed the size of value: {list(gradient.shape)} to {list(changed.shape)}"
            )
        gradient = changed
    return gradient


def accumulate(leaf, gradient, fresh: bool, create_graph: bool) -> None:
    """Adds to a leaf's `grad`. Gradients never share memory with each other: clipping one must not change another."""
    if _mode.notes is not None:
        _mode.notes.gradient_read(leaf)
    if leaf._grad is None:
        if create_graph:
            leaf._grad = gradient if fresh else gradient.clone()
        else:
            leaf._grad = gradient.detach() if fresh else gradient.detach().clone()
    elif create_graph:
        leaf._grad = leaf._grad + gradient
    else:
        leaf._grad.add_(gradient)
    for hook in list(leaf._after_grad.values()) if leaf._after_grad else ():
        hook(leaf)
