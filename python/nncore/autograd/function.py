"""Function: an operation whose forward and backward are written by hand."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from nncore.grad_mode import is_grad_enabled, no_grad
from nncore.tape import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore.tensor import Tensor


def _is_tensor(value) -> bool:
    return hasattr(value, "_requires_grad")


class FunctionCtx:
    """What forward leaves for backward: `save_for_backward` for tensors, attributes for everything else."""

    _saved: tuple | None = None
    _to_save: tuple = ()
    _dirty: tuple = ()
    _constant: tuple = ()
    _materialize = True
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs, outputs or other tensors; a change of one in place before backward is an error there."""
        for t in tensors:
            if t is not None and not _is_tensor(t):
                raise TypeError(f"save_for_backward can only save variables, but got a {type(t).__name__}")
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple:
        """What forward gave to `save_for_backward`."""
        return self._to_save if self._saved is None else self._saved

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Says which inputs forward has changed in place; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says which outputs no gradient leads through."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (as it does by default) or None for outputs that were not used."""
        self._materialize = bool(value)


class Function:
    """An operation with a gradient rule of its own. Derive from it, write the two static methods, call `apply`.

    forward(ctx, *args) computes, without recording; backward(ctx, *grad_outputs) returns a gradient, or None, for each
    argument. backward is made of operations of this library, so that gradients have gradients. In place of the ctx of
    forward there may be a third method, setup_context(ctx, inputs, output).

    >>> class Square(nc.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, gy):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * gy
    >>> x = nc.tensor([1.0, 3.0], requires_grad=True)
    >>> Square.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 6.])
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the results: forward(ctx, *args), or forward(*args) beside setup_context."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Where it is overridden, forward takes no ctx, and this says what to keep for backward."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Returns the gradients of forward's arguments, from those of its results."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @staticmethod
    def vjp(ctx: Any, *grad_outputs: Any) -> Any:
        """Another name of backward."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args, **kwargs):
        """Runs forward and puts the operation on the tape."""
        apart = cls.setup_context is not Function.setup_context
        if apart:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, {}
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(_is_tensor(a) and a._requires_grad for a in args)
        with no_grad():
            output = cls.forward(*args) if apart else cls.forward(ctx, *args, **kwargs)
            if apart:
                cls.setup_context(ctx, args, output)
        outputs = output if isinstance(output, tuple) else (output,)
        outputs = _on_the_tape(cls, ctx, args, outputs)
        return outputs if isinstance(output, tuple) else outputs[0]


def once_differentiable(backward: Callable) -> Callable:
    """For a backward that is not made of recorded operations: its gradients cannot be differentiated again."""

    @functools.wraps(backward)
    def once(ctx, *grad_outputs):
        with no_grad():
            gradients = backward(ctx, *grad_outputs)
        if not is_grad_enabled():
            return gradients
        given = gradients if isinstance(gradients, tuple) else (gradients,)
        watched = [g for g in (*grad_outputs, *ctx.saved_tensors) if _is_tensor(g) and g._requires_grad]
        made = tuple(record("once_differentiable", g, watched, _refuse) if _is_tensor(g) else g for g in given)
        return made if isinstance(gradients, tuple) else made[0]

    return once


def _refuse(gy):
    raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def _on_the_tape(cls, ctx: FunctionCtx, args: tuple, outputs: tuple) -> tuple:
    """Records the call, and returns the outputs as the caller gets them."""
    from nncore.ops.inplace import before, check_writable, move

    def among(tensor, group) -> bool:
        return any(tensor is t for t in group)

    tensors = [a if _is_tensor(a) else None for a in args]
    for y in ctx._dirty:
        check_writable(cls.__name__, y, is_grad_enabled() and any(ctx.needs_input_grad))
        if not among(y, outputs):
            raise RuntimeError(f"{cls.__name__}: an input that was marked as dirty must be among the outputs")
    # An input that is returned, and a view, are results of their own: another tensor over the same memory.
    kept = {
        id(y): type(y)._restore(y._array, None, 0) if among(y, args) or y._base is not None else y
        for y in outputs
        if _is_tensor(y)
    }
    places = [
        i for i, y in enumerate(outputs) if _is_tensor(y) and y._array.is_floating and not among(y, ctx._constant)
    ]
    results = tuple(kept[id(outputs[i])] for i in places)
    saved = [kept.get(id(t), t) if among(t, outputs) and not among(t, args) else t for t in ctx._to_save]
    saved = [next((kept[id(y)] for y in ctx._dirty if y is t), t) for t in saved]
    ctx._to_save = ()
    made_as = [(y._array.shape, y._array.dtype, y._array.device) if _is_tensor(y) else None for y in outputs]
    forms = [None if t is None else (t.shape, t.dtype) for t in tensors]

    def rule(gy, *saved):
        slots = [None] * len(made_as)
        for place, g in zip(places, (gy,) if len(places) == 1 else gy, strict=True):
            slots[place] = g
        if ctx._materialize:
            slots = [_zeros(*form) if g is None and form else g for g, form in zip(slots, made_as, strict=True)]
        ctx._saved = tuple(saved)
        try:
            backward = cls.backward if cls.vjp is Function.vjp else cls.vjp
            gradients = backward(ctx, *slots)
        finally:
            ctx._saved = ()
        return _checked(cls, gradients, forms)

    if results:
        sources = [t if t is None or not among(t, ctx._dirty) else before(t) for t in tensors]
        record(f"{cls.__name__}Backward", results, sources, rule, saved)
    final = []
    for y in outputs:
        if _is_tensor(y) and among(y, ctx._dirty):
            if kept[id(y)]._requires_grad:
                move(y, kept[id(y)])
            final.append(y)
        else:
            final.append(kept[id(y)] if _is_tensor(y) else y)
    ctx._dirty = ctx._constant = ()
    return tuple(final)


def _zeros(shape, dtype, device):
    from nncore.ops.creation import zeros

    return zeros(shape, dtype=dtype, device=device)


def _checked(cls, gradients, forms: list) -> tuple:
    """The gradients of all arguments, each of its argument's shape and dtype."""
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    extra = gradients[len(forms) :]
    if len(gradients) < len(forms) or any(g is not None for g in extra):
        raise RuntimeError(
            f"function {cls.__name__}Backward returned an incorrect number of gradients (expected {len(forms)}, "
            f"got {len(gradients)})"
        )
    return tuple(_fitted(cls, i, g, form) for i, (g, form) in enumerate(zip(gradients, forms, strict=False)))


def _fitted(cls, i: int, gradient, form):
    if gradient is None:
        return None
    if not _is_tensor(gradient):
        raise TypeError(
            f"function {cls.__name__}Backward returned a {type(gradient).__name__} at position {i}, expected a Tensor"
        )
    if form is None:
        raise RuntimeError(
            f"function {cls.__name__}Backward returned a gradient different from None at position {i}, but the "
            "corresponding forward input was not a Tensor"
        )
    shape, dtype = form
    if gradient.shape != shape:
        from nncore.ops.index import broadcast_shapes
        from nncore.ops.reduce import unbroadcast

        try:
            fits = broadcast_shapes(gradient.shape, shape) == gradient.shape
        except RuntimeError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"function {cls.__name__}Backward returned an invalid gradient at index {i} - got "
                f"{list(gradient.shape)} but expected shape compatible with {list(shape)}"
            )
        gradient = unbroadcast(gradient, shape)
    return gradient if gradient.dtype == dtype else gradient.to(dtype)
