"""Functions that a Module calls around its forward and backward."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING

from nncore import _core, autograd
from nncore.grad_mode import _mode
from nncore.handle import RemovableHandle
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore.nn.module import Module


def add_hook(table, hook: Callable, prepend: bool = False):
    """Put `hook` into `table` under a fresh id; returns the handle that takes it out again."""
    handle = RemovableHandle(table, hook)
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


class _BackwardHooks:
    """Puts a module's backward hooks on the tape, for one forward.

    Two nodes that change nothing enclose the forward: one behind its inputs, one before its outputs. The gradient
    reaches the outer one first (grad_output) and the inner one last (grad_input).
    """

    def __init__(self, module: Module | None) -> None:
        self.hooks = list(module._backward_hooks.values())
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.module = module
        self.grad_output = None
        self.inputs = 0
        self.watched = False

    def watch_inputs(self, args):
        if not self.hooks:
            return args
        self.inputs = len(args)
        places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        if not autograd.is_grad_enabled() or not any(args[i].requires_grad for i in places):
            return args
        self.watched = True
        forms = [_form(args[i]) for i in places]
        return _pass_on(args, places, lambda grads: self._at_inputs(places, _dense(grads, forms)))

    def watch_outputs(self, result):
        outputs = result if isinstance(result, tuple) else (result,)
        places = [i for i, y in enumerate(outputs) if isinstance(y, Tensor)]
        if not places:
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                stacklevel=4,
            )
        if not autograd.is_grad_enabled() or not any(outputs[i].requires_grad for i in places):
            return result
        count, forms = len(outputs), [_form(outputs[i]) for i in places]
        passed = _pass_on(outputs, places, lambda grads: _dense(self._at_outputs(places, count, grads), forms))
        if not isinstance(result, tuple):
            return passed[0]
        return type(result)(*passed) if hasattr(result, "_fields") else passed

    def _at_outputs(self, places, count, gradients):
        grads = [None] * count
        for i, g in zip(places, gradients, strict=True):
            grads[i] = g
        grads = tuple(grads)
        for hook in self.pre_hooks:
            grads = _replaced("pre-hook", hook(self.module, grads), grads)
        self.grad_output = grads
        if self.hooks and not self.watched:  # no input takes part in gradients, so nothing more is coming
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no "
                "inputs require gradients.",
                stacklevel=2,
            )
            self._call(tuple([None] * self.inputs))
        return tuple(grads[i] for i in places)

    def _at_inputs(self, places, gradients):
        grads = [None] * self.inputs
        for i, g in zip(places, gradients, strict=True):
            grads[i] = g
        if self.grad_output is None:  # the graph was entered past the module's outputs
            return gradients
        grads = self._call(tuple(grads))
        return tuple(grads[i] for i in places)

    def _call(self, grads):
        for hook in self.hooks:
            grads = _replaced("hook", hook(self.module, grads, self.grad_output), grads)
        self.grad_output = None
        return grads


def _form(x: Tensor) -> tuple:
    return x._array.shape, x._array.dtype, x._array.device


def _dense(gradients, forms: list) -> tuple:
    """Zeros in place of the gradients that are missing."""
    return tuple(Tensor(_core.full(f[0], 0, *f[1:])) if g is None else g for g, f in zip(gradients, forms, strict=True))


def _replaced(kind, returned, grads):
    if returned is None:
        return grads
    returned = returned if isinstance(returned, tuple) else (returned,)
    if len(returned) != len(grads):
        raise RuntimeError(
            f"Backward {kind} returned an invalid number of grad_input, got {len(returned)}, but expected {len(grads)}"
        )
    return returned


def _pass_on(values, places, at_backward):
    """The tuple `values` with the tensors at `places` behind a node whose gradients go through `at_backward`."""
    inputs = [values[i] for i in places]
    outputs = tuple(Tensor(x._array) for x in inputs)
    # The rule of a node with one result gets its gradient alone, not in a tuple.
    rule = at_backward if len(outputs) > 1 else lambda grad: at_backward((grad,))
    autograd.record("ModuleHooks", outputs, inputs, rule)
    passed = list(values)
    for i, y in zip(places, outputs, strict=True):
        passed[i] = y
    return tuple(passed)


class HookMixin:
    """The hooks of a Module: their registration, and the call that runs them."""

    def _init_hooks(self):
        for name in (
            "_forward_hooks",
            "_forward_hooks_with_kwargs",
            "_forward_hooks_always_called",
            "_forward_pre_hooks",
            "_forward_pre_hooks_with_kwargs",
            "_backward_hooks",
            "_backward_pre_hooks",
            "_state_dict_hooks",
            "_state_dict_pre_hooks",
            "_load_state_dict_pre_hooks",
            "_load_state_dict_post_hooks",
        ):
            object.__setattr__(self, name, OrderedDict())

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False):
        """Call `hook(module, args)` before every forward. What it returns, unless None, replaces the arguments.

        With `with_kwargs` the hook is called as `hook(module, args, kwargs)` and returns None or (args, kwargs).
        """
        handle = add_hook(self._forward_pre_hooks, hook, prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ):
        """Call `hook(module, args, output)` after every forward. What it returns, unless None, replaces the output.

        With `with_kwargs` the hook is called as `hook(module, args, kwargs, output)`. With `always_call` it also runs
        when forward raised, with None as output; the exception then goes on its way.
        """
        handle = add_hook(self._forward_hooks, hook, prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False):
        """Call `hook(module, grad_output)` before the gradients of this module are computed.

        grad_output is a tuple; what the hook returns, unless None, replaces it.
        """
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False):
        """Call `hook(module, grad_input, grad_output)` once the gradients of the module's inputs are computed.

        Both are tuples with None in place of what needs no gradient. What the hook returns, unless None, replaces
        grad_input. Only positional arguments count as inputs.
        """
        return add_hook(self._backward_hooks, hook, prepend)

    def __call__(self, *args, **kwargs):
        if _mode.notes is not None:
            _mode.notes.module(self)
        if not (self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks):
            return self.forward(*args, **kwargs)
        called = set()
        try:
            return self._call_with_hooks(args, kwargs, called)
        except Exception:
            for key in self._forward_hooks_always_called:
                if key in self._forward_hooks and key not in called:
                    self._run_forward_hook(key, self._forward_hooks[key], args, kwargs, None)
            raise

    def _call_with_hooks(self, args, kwargs, called):
        for key, hook in list(self._forward_pre_hooks.items()):
            args, kwargs = self._run_forward_pre_hook(key, hook, args, kwargs)
        backward = None
        if self._backward_hooks or self._backward_pre_hooks:
            backward = _BackwardHooks(self)
            args = backward.watch_inputs(args)
        result = self.forward(*args, **kwargs)
        for key, hook in list(self._forward_hooks.items()):
            called.add(key)
            replaced = self._run_forward_hook(key, hook, args, kwargs, result)
            if replaced is not None:
                result = replaced
        return result if backward is None else backward.watch_outputs(result)

    def _run_forward_pre_hook(self, key, hook, args, kwargs):
        if key in self._forward_pre_hooks_with_kwargs:
            replaced = hook(self, args, kwargs)
            if replaced is None:
                return args, kwargs
            if isinstance(replaced, tuple) and len(replaced) == 2:
                return replaced
            raise RuntimeError(
                f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
            )
        replaced = hook(self, args)
        if replaced is None:
            return args, kwargs
        return (replaced if isinstance(replaced, tuple) else (replaced,)), kwargs

    def _run_forward_hook(self, key, hook, args, kwargs, result):
        if key in self._forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)
