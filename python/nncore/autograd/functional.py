"""Jacobians, Hessians and their products with vectors, under the names of torch.autograd.functional.

func takes the inputs, a tensor or a tuple of them, and returns a tensor or a tuple; results have the same form. With
create_graph the results are on the tape themselves. With strict an output that does not depend on an input is an error
where it else gives zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.autograd.calls import grad
from nncore.grad_mode import enable_grad
from nncore.ops.creation import zeros
from nncore.ops.join import stack
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def jacobian(
    func: Callable,
    inputs: Tensor | tuple,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
):
    """All partial derivatives dy/dx, shape [*y.shape, *x.shape], for each output and each input.

    A tuple of inputs gives a tuple of Jacobians, a tuple of outputs a tuple of those. Each element of an output is one
    pass over the tape; vectorize and strategy are accepted and make no difference.

    >>> nc.autograd.functional.jacobian(lambda x: x * x, nc.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    with enable_grad():
        xs, one_input = _inputs("jacobian", inputs, create_graph)
        ys, one_output = _outputs("jacobian", func(*xs), strict)
        rows = [[_jacobian_of(y, xs, i, create_graph, strict) for i in range(len(xs))] for y in ys]
    rows = tuple(row[0] if one_input else tuple(row) for row in rows)
    return rows[0] if one_output else rows


def hessian(
    func: Callable,
    inputs: Tensor | tuple,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
):
    """The second derivatives of a function with one element as result: d2y / dx1 dx2, [*x1.shape, *x2.shape].

    >>> nc.autograd.functional.hessian(lambda x: (x**3).sum(), nc.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    one_input = isinstance(inputs, Tensor)

    def gradients(*xs):
        with enable_grad():
            ys, _ = _outputs("hessian", func(*xs), strict)
            _check_single("hessian", ys)
            found = _gradients("hessian", ys[0], xs, None, True, strict)
        return found[0] if one_input else found

    return jacobian(gradients, inputs, create_graph, strict)


def vjp(func: Callable, inputs: Tensor | tuple, v=None, create_graph: bool = False, strict: bool = False):
    """The outputs, and the product of v (one for each output, of its shape) with the Jacobian: v^T J."""
    with enable_grad():
        xs, one_input = _inputs("vjp", inputs, create_graph)
        ys, one_output = _outputs("vjp", func(*xs), strict)
        vs = _vectors("vjp", v, ys, "func")
        found = _gradients("vjp", ys, xs, vs, create_graph, strict)
    return _given(ys, one_output, create_graph), _given(found, one_input, create_graph)


def jvp(func: Callable, inputs: Tensor | tuple, v=None, create_graph: bool = False, strict: bool = False):
    """The outputs, and the product of the Jacobian with v (one for each input, of its shape): J v.

    It is the gradient of v'^T J with respect to v', so it costs two passes back.
    """
    with enable_grad():
        xs, _ = _inputs("jvp", inputs, create_graph)
        vs = _vectors("jvp", v, xs, "input")
        ys, one_output = _outputs("jvp", func(*xs), strict)
        weights = tuple(zeros(y.shape, dtype=y.dtype, device=y.device, requires_grad=True) for y in ys)
        back = _gradients("jvp", ys, xs, weights, True, strict)
        found = _gradients("jvp", back, weights, vs, create_graph, strict)
    return _given(ys, one_output, create_graph), _given(found, one_output, create_graph)


def vhp(func: Callable, inputs: Tensor | tuple, v=None, create_graph: bool = False, strict: bool = False):
    """The result of func, one element, and the product of v (one for each input) with the Hessian: v^T H."""
    with enable_grad():
        xs, one_input = _inputs("vhp", inputs, create_graph)
        vs = _vectors("vhp", v, xs, "input")
        ys, one_output = _outputs("vhp", func(*xs), strict)
        _check_single("vhp", ys)
        first = _gradients("vhp", ys[0], xs, None, True, strict)
        found = _gradients("vhp", first, xs, vs, create_graph, strict)
    return _given(ys, one_output, create_graph), _given(found, one_input, create_graph)


def hvp(func: Callable, inputs: Tensor | tuple, v=None, create_graph: bool = False, strict: bool = False):
    """The result of func, and the product of the Hessian with v: as `vhp`, because the Hessian is symmetric."""
    return vhp(func, inputs, v, create_graph, strict)


def batched_grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads) -> tuple:
    """`grad` for each slice of grad_outputs along their first dimension, stacked."""
    weights = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs or ())
    counts = {len(w) for w in weights if w is not None}
    if len(counts) != 1:
        raise RuntimeError(
            f"grad: with is_grads_batched the grad_outputs need one first dimension in common, got {sorted(counts)}"
        )
    count = counts.pop()
    slices = []
    for i in range(count):
        here = [None if w is None else w[i] for w in weights]
        keep = retain_graph or create_graph or i + 1 < count
        slices.append(grad(outputs, inputs, here, keep, create_graph, True, allow_unused, False, materialize_grads))
    return tuple(None if parts[0] is None else stack(parts) for parts in zip(*slices, strict=True))


def _inputs(operation: str, inputs, create_graph: bool) -> tuple[tuple, bool]:
    """The inputs as tensors to differentiate by, which are new ones, and whether there was one alone."""
    alone = isinstance(inputs, Tensor)
    xs = (inputs,) if alone else tuple(inputs)
    for i, x in enumerate(xs):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"The inputs given to {operation} must be either a Tensor or a tuple of Tensors but the value at index "
                f"{i} has type {type(x)}."
            )
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in xs), alone
    return tuple(x.detach().requires_grad_() for x in xs), alone


def _outputs(operation: str, outputs, strict: bool) -> tuple[tuple, bool]:
    alone = isinstance(outputs, Tensor)
    ys = (outputs,) if alone else tuple(outputs)
    for i, y in enumerate(ys):
        if not isinstance(y, Tensor):
            raise TypeError(
                f"The outputs of the user-provided function given to {operation} must be either a Tensor or a tuple of "
                f"Tensors but the value at index {i} has type {type(y)}."
            )
        if strict and not y.requires_grad:
            raise RuntimeError(f"{operation}: output {i} of the user-provided function does not depend on the inputs")
    return ys, alone


def _vectors(operation: str, v, like: tuple, whose: str) -> tuple:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"{operation}: the vector v can only be None if the user-provided {whose} is a single Tensor with a "
                "single element."
            )
        return (like[0]._full_like(1),)
    vs = (v,) if isinstance(v, Tensor) else tuple(v)
    if len(vs) != len(like):
        raise RuntimeError(f"{operation}: v has an invalid length: should be {len(like)} but got {len(vs)}.")
    for i, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(f"{operation}: v[{i}] has an invalid size: should be {b.shape} but got {a.shape}.")
    return vs


def _check_single(operation: str, ys: tuple) -> None:
    if len(ys) != 1 or ys[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {operation} should contain a single element, got shapes "
            f"{[list(y.shape) for y in ys]}"
        )


def _gradients(operation: str, ys, xs: tuple, weights, create_graph: bool, strict: bool) -> tuple:
    """The gradients of those ys that are on the tape, zeros where there is no way from them to an x."""
    ys = (ys,) if isinstance(ys, Tensor) else ys
    pairs = [(y, None if weights is None else w) for y, w in zip(ys, weights or ys, strict=True) if y.requires_grad]
    found = [None] * len(xs)
    if pairs:
        found = grad(
            [y for y, _ in pairs], xs, [w for _, w in pairs], create_graph=create_graph or None, allow_unused=True
        )
    for i, g in enumerate(found):
        if g is None and strict:
            raise RuntimeError(f"{operation}: the output of the user-provided function is independent of input {i}")
    return tuple(x._full_like(0) if g is None else g for g, x in zip(found, xs, strict=True))


def _jacobian_of(y: Tensor, xs: tuple, i: int, create_graph: bool, strict: bool) -> Tensor:
    """The Jacobian of one output by input i, row by row."""
    rows = []
    for element in y.reshape(-1) if y.numel() else ():
        found = [None]
        if element.requires_grad:
            found = grad(element, [xs[i]], retain_graph=True, create_graph=create_graph, allow_unused=True)
        if found[0] is None and strict:
            raise RuntimeError(f"jacobian: the output of the user-provided function is independent of input {i}")
        rows.append(xs[i]._full_like(0) if found[0] is None else found[0])
    if not rows:
        return zeros((*y.shape, *xs[i].shape), dtype=xs[i].dtype, device=xs[i].device)
    return stack(rows).reshape((*y.shape, *xs[i].shape))


def _given(values: tuple, alone: bool, create_graph: bool):
    """The values in the form in which they came, off the tape unless it was asked for."""
    values = tuple(values) if create_graph else tuple(v.detach() for v in values)
    return values[0] if alone else values
