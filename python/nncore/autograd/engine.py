"""The engine: gradients flow back along the tape, from the last operation to the first. It knows no operation.

What was computed stands on the tape as nodes (see `nncore.tape`). `backward` and `grad` start at the results, call the
rule of each node when all gradients of its results are there, and pass what it returns on to the nodes of its inputs.
"""

from __future__ import annotations

import heapq
import operator
import warnings
from typing import TYPE_CHECKING

from nncore.grad_mode import _mode
from nncore.tape import Node, edge_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor

_order = operator.attrgetter("order")


def backward(
    tensors: Sequence[Tensor],
    grad_tensors: Sequence[Tensor | None] | None = None,
    retain_graph=None,
    create_graph=False,
    inputs=None,
) -> None:
    """Adds to `grad` of every leaf (or of the inputs only) the gradient of the tensors, weighted by `grad_tensors`."""
    tensors, gradients = _roots("backward", tensors, grad_tensors)
    wanted = None if inputs is None else _wanted("backward", inputs)
    if create_graph:
        warnings.warn(
            "backward() with create_graph=True creates a reference cycle between each parameter and its gradient. Use "
            "autograd.grad, or set the .grad fields to None after use to break the cycle.",
            stacklevel=3,
        )
    found = _run(tensors, gradients, wanted, create_graph if retain_graph is None else retain_graph, create_graph)
    for x, g in zip(wanted or (), found, strict=True):
        if g is not None:
            _accumulate(x, g, False, create_graph)


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of outputs with respect to inputs, and leaves every `grad` as it was.

    With create_graph the gradients are themselves on the tape. An input that the outputs do not depend on is an error,
    or None with allow_unused, or zeros with materialize_grads. With is_grads_batched every grad_output has one more
    dimension in front, and so has every gradient: one pass over the tape for each of its slices.

    >>> x = nc.tensor(3.0, requires_grad=True)
    >>> (dx,) = nc.autograd.grad(x**3, x, create_graph=True)
    >>> nc.autograd.grad(dx, x)
    (tensor(18.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "grad: expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            f"allow_unused={allow_unused}."
        )
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not there any more; it had no other meaning than backward has")
    wanted = _wanted("grad", inputs)
    if is_grads_batched:
        from nncore.autograd.functional import batched_grad

        return batched_grad(outputs, wanted, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads)
    roots, gradients = _roots("grad", outputs, grad_outputs)
    found = _run(roots, gradients, wanted, create_graph if retain_graph is None else retain_graph, create_graph)
    for i, g in enumerate(found):
        if g is None and materialize_grads:
            found[i] = wanted[i]._full_like(0)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: input {i} appears to not have been used in the graph. Set allow_unused=True if this is the "
                "desired behavior."
            )
    return tuple(found)


def _wanted(operation: str, inputs) -> tuple:
    wanted = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    if not wanted:
        raise RuntimeError(f"{operation}: expected at least one input to differentiate by, got none")
    for i, x in enumerate(wanted):
        if not x._requires_grad:
            raise RuntimeError(f"{operation}: input {i} does not require grad")
    return wanted


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
            g = t._full_like(1)
        elif not g._array.matches(t._array) and g._array.shape != t._array.shape:
            raise RuntimeError(
                f"{operation}: expected a gradient of the tensor's shape {list(t.shape)}, got {list(g.shape)}"
            )
        elif g._array.dtype is not t._array.dtype:
            g = g.to(t.dtype)
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
                    _accumulate(leaf, entry[1], entry[2] and not leaf._hooks, create_graph)
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


def _accumulate(leaf, gradient, fresh: bool, create_graph: bool) -> None:
    """Adds to a leaf's `grad`. Gradients never share memory with each other: clipping one must not change another."""
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
