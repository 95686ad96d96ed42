"""Operations in place: the memory is written, and the tensor moves to a new place on the tape.

A write to a view changes its base and every other view of it, so all of them move: the base to a node that takes
gradients of the written part to the view and of the rest to what the base was before, the views to new looks at it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from nncore import _core
from nncore.autograd import edge_of, is_grad_enabled, record
from nncore.handle import RETAIN
from nncore.ops.creation import arange
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


def inplace_method(operation: Callable, *, takes_out: bool = False, direct: Callable | None = None) -> Callable:
    """Gives Tensor the in-place form of an operation: from `add` comes `x.add_(other)`.

    takes_out says that the operation can write its result to `out=`; then nothing is copied while nothing is recorded.
    direct is the native function of an operation of two operands that does nothing else: what is not recorded goes
    straight to it.
    """
    name = operation.__name__ + "_"

    @functools.wraps(operation)
    def method(self: Tensor, *args, **kwargs) -> Tensor:
        if direct is not None and len(args) == 1 and not kwargs:
            other = args[0]
            kind = type(other)
            if kind is Tensor and not (is_grad_enabled() and (self._requires_grad or other._requires_grad)):
                check_writable(name, self, False)
                direct(self._array, other._array, self._array)
                return self
            if (kind is float or kind is int) and not (is_grad_enabled() and self._requires_grad):
                check_writable(name, self, False)
                direct(self._array, other, self._array)
                return self
        recorded = False
        if is_grad_enabled():
            for a in (self, *args, *kwargs.values()):
                if isinstance(a, Tensor) and a._requires_grad:
                    recorded = True
        check_writable(name, self, recorded)
        if not recorded and takes_out:
            operation(self, *args, out=self, **kwargs)
            return self
        write(self, value_before_write(operation, self, *args, **kwargs), recorded)
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"As `{operation.__name__}`, written to the tensor itself, which is returned."
    setattr(Tensor, name, method)
    return method


def check_writable(name: str, x: Tensor, recorded: bool, one_value: bool = False) -> None:
    """Refuses a write that would lose gradients or hit one place more than once, unless with one value everywhere."""
    if is_grad_enabled() and x._requires_grad and x._node is None:
        raise RuntimeError(f"{name}: a leaf Variable that requires grad is being used in an in-place operation.")
    base = x._base
    if recorded and base is not None:
        if base._requires_grad and base._node is None:
            raise RuntimeError(
                f"{name}: a view of a leaf Variable that requires grad is being used in an in-place operation."
            )
        if not base._array.is_contiguous:
            raise RuntimeError(f"{name}: a view of a non-contiguous tensor cannot be written while recording; clone it")
    if not one_value and x._array.repeats_elements:
        raise RuntimeError(
            f"{name}: unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )


def value_before_write(operation: Callable, x: Tensor, *args, **kwargs) -> Tensor:
    """operation(x, ...), to be written to x. Where its rule needs the old values of x, it gets a copy of them."""
    value = operation(before(x), *args, **kwargs)
    node = value._node
    if node is not None and any(getattr(s, "array", None) is x._array for s in node.saved or ()):
        return operation(before(x, copy=True), *args, **kwargs)
    return value


def before(x: Tensor, copy: bool = False) -> Tensor:
    """A tensor that stands where x stands now, and stays there when x moves."""
    alias = Tensor(_core.clone(x._array) if copy else x._array)
    alias._requires_grad = x._requires_grad
    if x._requires_grad:
        node, index = edge_of(x)
        if node is not x:
            alias._node, alias._index = node, index
    return alias


def write(x: Tensor, value: Tensor, recorded: bool) -> None:
    """Writes value to the memory of x and, while recording, moves x to the place of value on the tape."""
    if value._array.shape != x._array.shape:
        raise RuntimeError(f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(value.shape)}")
    if value._array.is_floating and not x._array.is_floating:
        raise RuntimeError(f"result type {value.dtype} can't be cast to the desired output type {x.dtype}")
    _core.copy(x._array, value._array)
    if recorded:
        move(x, value)


def move(x: Tensor, value: Tensor) -> None:
    """Moves x, whose memory was written, to the place of its new value on the tape, and all that see it with it."""
    place = (x._node, x._index)
    x._node, x._index, x._requires_grad = value._node, value._index, value._requires_grad
    _carry_retained(x, *place)
    base = x if x._base is None else x._base
    if base is not x:
        place = (base._node, base._index)
        record("in_place_on_view", base, (base, x), _in_place_rule, (_places(x, base), base.shape))
        _carry_retained(base, *place)
    # x is among the views, so that the hooks of its base see the gradients that come through x.
    for reference in list(base._views.values()) if base._views else ():
        view = reference()
        if view is not None:
            place = (view._node, view._index)
            record("view_after_write", view, (base,), _view_rule, (_places(view, base), base.shape))
            _carry_retained(view, *place)


def _carry_retained(x: Tensor, node, index: int) -> None:
    """x has moved from there: retain_grad keeps the gradient of its new values. Other hooks stay with the old ones."""
    hooks = node.hooks.get(index) if node is not None and node.hooks else None
    keep = hooks.pop(RETAIN, None) if hooks else None
    if keep is not None and x._node is not None:
        x._node.hooks = {} if x._node.hooks is None else x._node.hooks
        x._node.hooks.setdefault(x._index, {})[RETAIN] = keep


def _places(view: Tensor, base: Tensor) -> Tensor:
    """For each element of the view, its position in the flattened base."""
    count = base._array.numel
    positions = arange(count, device=base._array.device)._array
    offset = view._array.offset - base._array.offset
    return Tensor(_core.as_strided(positions, view._array.shape, view._array.strides, offset))


def _rest(gy: Tensor, places: Tensor, shape: tuple) -> Tensor:
    flat = gy.reshape(-1)
    return flat.index_fill(0, places.reshape(-1), 0.0).reshape(shape)


def _part(gy: Tensor, places: Tensor, shape: tuple) -> Tensor:
    return gy.reshape(-1).index_select(0, places.reshape(-1)).reshape(places.shape)


def _scattered(gy: Tensor, places: Tensor, shape: tuple) -> Tensor:
    zeros = Tensor(_core.full((shape.numel(),), 0, gy.dtype, gy.device))
    return zeros.index_add(0, places.reshape(-1), gy.reshape(-1)).reshape(shape)


_in_place_rule = (_rest, _part)
_view_rule = (_scattered,)
