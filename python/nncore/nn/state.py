"""state_dict and load_state_dict: a Module's parameters and buffers by name."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections import OrderedDict, namedtuple
from typing import TYPE_CHECKING

from nncore import autograd
from nncore.nn.hooks import add_hook
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore.nn.module import Module


EXTRA_STATE = "_extra_state"  # the name of what a module adds to its state beside tensors


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """The names that load_state_dict did not find, and those that it did not know."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"

    __str__ = __repr__


class StateDictMixin:
    """What makes a Module's state a flat dictionary, and back. Names are paths with dots: `features.0.weight`."""

    def state_dict(self, *args, destination=None, prefix: str = "", keep_vars: bool = False) -> dict:
        """An OrderedDict from name to tensor: all parameters and persistent buffers, sharing memory with the module.

        The tensors are detached unless `keep_vars`. `prefix` is put before every name.
        """
        if args:
            warnings.warn(
                "state_dict: positional arguments are deprecated, use destination=, prefix= and keep_vars=",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            return self.state_dict(**{"destination": destination, "prefix": prefix, "keep_vars": keep_vars} | given)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, local_metadata)
            if replaced is not None:
                if not getattr(hook, "_may_replace", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = replaced
        return destination

    def _local_state(self):
        """This module's own parameters and persistent buffers."""
        buffers = {n: b for n, b in self._buffers.items() if n not in self._non_persistent_buffers_set}
        return {n: t for n, t in itertools.chain(self._parameters.items(), buffers.items()) if t is not None}

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for name, tensor in self._local_state().items():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if type(self).get_extra_state is not StateDictMixin.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def get_extra_state(self) -> object:
        """What a module adds to its state that is no tensor. Override it together with set_extra_state."""
        raise RuntimeError("Reached a code path in Module.get_extra_state() that should never be called.")

    def set_extra_state(self, state: object) -> None:
        """Takes back what get_extra_state returned, when the state is loaded."""
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be called.")

    def register_state_dict_pre_hook(self, hook: Callable):
        """Call `hook(module, prefix, keep_vars)` before this module's state is collected."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable):
        """Call `hook(module, state_dict, prefix, local_metadata)` after it; the hook may change state_dict in place."""
        return add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable):
        """As register_state_dict_post_hook; what the hook returns, unless None, replaces the state."""
        replacing = functools.partial(hook)
        replacing._may_replace = True
        return add_hook(self._state_dict_hooks, replacing)

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False):
        """As register_load_state_dict_pre_hook; hook gets no module unless with_module."""
        return self.register_load_state_dict_pre_hook(hook if with_module else lambda module, *rest: hook(*rest))

    def register_load_state_dict_pre_hook(self, hook: Callable):
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)`
        before this module's state is loaded; the hook may change state_dict in place."""
        return add_hook(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable):
        """Call `hook(module, incompatible_keys)` after loading; the hook may change the two lists in place."""
        return add_hook(self._load_state_dict_post_hooks, hook)

    def load_state_dict(self, state_dict: dict, strict: bool = True, assign: bool = False) -> _IncompatibleKeys:
        """Copy the tensors of `state_dict` into the parameters and buffers of the same names.

        Returns (missing_keys, unexpected_keys); with `strict` either is an error, as a shape that does not fit always
        is. With `assign` the tensors themselves become the parameters and buffers, keeping their dtype and device.
        """
        if not isinstance(state_dict, dict):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        loading = _Loading(state_dict, metadata, strict, assign)
        loading.visit(self, "")
        errors = loading.errors
        if strict:
            errors = [
                f"{kind} key(s) in state_dict: {', '.join(map(_quoted, keys))}. "
                for kind, keys in (("Missing", loading.missing), ("Unexpected", loading.unexpected))
                if keys
            ] + errors
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        return _IncompatibleKeys(loading.missing, loading.unexpected)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        """Take what belongs to this module alone out of `state_dict`; a layer whose names changed overrides it."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        own = self._local_state()
        extra = type(self).set_extra_state is not StateDictMixin.set_extra_state
        if prefix + EXTRA_STATE in state_dict and extra:
            self.set_extra_state(state_dict[prefix + EXTRA_STATE])
        elif extra:
            missing_keys.append(prefix + EXTRA_STATE)
        for name, tensor in own.items():
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
                continue
            problem = self._load_tensor(name, tensor, key, state_dict[key], local_metadata.get("assign", False))
            if problem:
                error_msgs.append(problem)
        for key in state_dict:
            if key.startswith(prefix):
                name, _, rest = key[len(prefix) :].partition(".")
                if extra and key == prefix + EXTRA_STATE:
                    continue
                if (name not in self._modules if rest else name not in own) and key not in unexpected_keys:
                    unexpected_keys.append(key)

    def _load_tensor(self, name, tensor, key, given, assign):
        """Set one parameter or buffer; returns what is wrong, or None."""
        if not isinstance(given, Tensor):
            return (
                f'While copying the parameter named "{key}", expected nncore.Tensor or Tensor-like object from '
                f"checkpoint but received {type(given)}"
            )
        if tensor.ndim == 0 and tuple(given.shape) == (1,):
            given = given[0]  # files of old versions of PyTorch hold 0-d values with one dimension
        if tuple(given.shape) != tuple(tensor.shape):
            return (
                f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in "
                f"current model is {tensor.shape}."
            )
        if not assign:
            with autograd.no_grad():
                tensor.copy_(given)
            return None
        if name in self._parameters:
            kind = type(tensor)
            given = given if isinstance(given, kind) else kind(given)
            given.requires_grad_(tensor.requires_grad)
        setattr(self, name, given)
        return None


def _quoted(key):
    return f'"{key}"'


class _Loading:
    """One run of load_state_dict over a tree of modules."""

    def __init__(self, state_dict: dict, metadata, strict: bool, assign: bool) -> None:
        self.state_dict, self.metadata = state_dict, metadata or {}
        self.strict, self.assign = strict, assign
        self.missing, self.unexpected, self.errors = [], [], []

    def visit(self, module: Module | None, prefix: str):
        local_metadata = dict(self.metadata.get(prefix[:-1], {}))
        if self.assign:
            local_metadata["assign"] = True
        module._load_from_state_dict(
            self.state_dict, prefix, local_metadata, self.strict, self.missing, self.unexpected, self.errors
        )
        for name, child in module._modules.items():
            if child is not None:
                self.visit(child, f"{prefix}{name}.")
        incompatible = _IncompatibleKeys(self.missing, self.unexpected)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, incompatible) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                    "values, if incompatible_keys need to be modified, it should be done inplace."
                )
