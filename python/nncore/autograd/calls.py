"""`backward` and `grad` as a program calls them: what is asked for is checked here, then the engine runs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from nncore.autograd.engine import accumulate, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor


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
    found = run(tensors, gradients, wanted, create_graph if retain_graph is None else retain_graph, create_graph)
    for x, g in zip(wanted or (), found, strict=True):
        if g is not None:
            accumulate(x, g, False, create_graph)


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
    found = run(roots, gradients, wanted, create_graph if retain_graph is None else retain_graph, create_graph)
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
