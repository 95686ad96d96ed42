"""Optimizer: what all optimizers share. One `step()` updates every parameter in one native call."""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _core
from nncore.autograd import enable_grad
from nncore.grad_mode import _mode
from nncore.handle import RemovableHandle
from nncore.ops.creation import from_numpy, full, tensor, zeros
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_HYPER_WIDTH = 8  # OptimHyper::kCount

# What is said of one parameter to csrc/ops/optim.cpp.
FLAG_MAXIMIZE, FLAG_NESTEROV, FLAG_FIRST, FLAG_DECOUPLED, FLAG_EPS_INSIDE = 1, 2, 4, 8, 16


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def check_at_least_zero(**values):
    """Refuses negative settings in PyTorch's words; the keywords' underscores stand for spaces."""
    for what, value in values.items():
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(f"Tensor {'lr' if what == 'learning__rate' else what} must be 1-element")
        if not value >= 0.0:
            raise ValueError(f"Invalid {what.replace('__', ' ')}: {value}")


def check_betas(betas):
    """Refuses decay rates outside [0, 1), or of two kinds, in PyTorch's words."""
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


class Optimizer:
    """Base class of optimizers.

    `params` is an iterable of tensors, of (name, tensor) pairs, or of dictionaries: parameter groups, each with its
    "params" and whatever settings it has of its own. A subclass names the native `algorithm` and implements
    `_settings(group)`, the numbers that the kernel reads, and `_collect(group, index, rows)`.

    param_groups: the groups, with all settings; they may be changed between steps.
    state: for each parameter, what the optimizer remembers of it.
    """

    algorithm: str

    def __init__(self, params, defaults) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}"
            )
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        self._pre_hooks, self._post_hooks = OrderedDict(), OrderedDict()
        self._load_post_hooks = OrderedDict()
        self._forget_settings()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    # Parameter groups

    def add_param_group(self, param_group: dict) -> None:
        """Add a group of parameters with its settings; what it does not say comes from the optimizer's defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = dict(param_group)
        params = group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                "sets will change between runs. Please use a list instead."
            )
        group["params"] = [params] if isinstance(params, Tensor) else list(params)
        _take_names(group)
        for param in group["params"]:
            if not isinstance(param, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}")
            if not (param.is_leaf or self.defaults.get("differentiable")):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            group.setdefault(name, default)
        if group.get("differentiable"):
            raise ValueError("differentiable=True is not supported: a step updates parameters in place, off the tape")
        if len(set(group["params"])) != len(group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
            group["params"] = list(dict.fromkeys(group["params"]))  # one step must not update one array twice at once
        known = {param for other in self.param_groups for param in other["params"]}
        if not known.isdisjoint(group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if 'param_names' in group else 'without'} names to the optimizer"
            )
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros where `set_to_none` is False."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad = param.grad.detach()
                    _core.fill(param.grad._array, 0)

    # The step

    def step(self, closure: Callable[[], Any] | None = None):
        """Update all parameters that have a gradient, in place.

        `closure`, where given, computes the loss anew; its value is returned.
        """
        for hook in self._pre_hooks.values():
            hook(self, (closure,), {})
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        notes = _mode.notes
        known = None if notes is None else self._count_states()
        rows = []
        for index, group in enumerate(self.param_groups):
            self._collect(group, index, rows)
        if rows:
            self.sync_settings()
            if not _core.optim_step(self.algorithm, rows, self._hyper):
                self.sync_settings({row[0].device for row in rows})
                _core.optim_step(self.algorithm, rows, self._hyper)
        if notes is not None:
            notes.settings(self)
            if self._count_states() != known:
                notes.abandon(f"{type(self).__name__} set up its state")
        self._opt_called = True
        for hook in self._post_hooks.values():
            hook(self, (closure,), {})
        return loss

    def _count_states(self):
        """How many states there are: a step that makes one cannot be replayed as the next one."""
        return sum(len(state) for state in self.state.values()), id(self._hyper)

    def recorded_settings(self):
        """What a recorded step depends on besides the numbers that the kernel reads: all values of the groups."""
        return [_fixed(group) for group in self.param_groups], [list(group.values()) for group in self.param_groups]

    def sync_recorded(self, recorded) -> bool:
        """Bring the settings to where a recorded step reads them; False where it cannot follow a change of them."""
        fixed, latest = recorded
        now = [list(group.values()) for group in self.param_groups]
        if now == latest:
            return True
        if [_fixed(group) for group in self.param_groups] != fixed:
            return False
        self.sync_settings()
        latest[:] = now
        return True

    def sync_settings(self, devices: Collection = ()):
        """Bring the settings of param_groups to where the kernels read them; with devices, to those too from now on."""
        settings = [self._settings(group) for group in self.param_groups]
        if not devices and settings == self._synced:
            return
        if devices or len(settings) != len(self._synced):
            places = {*devices, *(hyper.device for hyper in self._hyper)}
            self._hyper_values = np.zeros((len(settings), _HYPER_WIDTH))
            self._hyper = [_core.to_device(_core.from_buffer(self._hyper_values), place) for place in places]
        for values, row in zip(self._hyper_values, settings, strict=True):
            values[: len(row)] = row
        for hyper in self._hyper:
            if hyper.device.type != "cpu":
                Tensor(hyper).copy_(from_numpy(self._hyper_values))
        self._synced = settings

    def _forget_settings(self):
        self._synced = []  # what the kernels' arrays hold, one tuple for each group
        self._hyper, self._hyper_values = [], None

    def _settings(self, group) -> tuple:
        """The numbers of OptimHyper for this group, as a tuple."""
        raise NotImplementedError

    def _collect(self, group, index, rows):
        """Append a row (param, grad, state0, state1, state2, step, index, flags) for each parameter with a gradient;
        scalar states come after it.

        This one serves algorithms whose state is always the same: `state_names`, of the parameter's shape, after
        `scalar_names`, single numbers. What they start from is said by `_start`.
        """
        flags = FLAG_MAXIMIZE * group["maximize"] + FLAG_DECOUPLED * group.get("decoupled_weight_decay", False)
        absent = (None,) * (3 - len(self.state_names))
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state["step"] = new_step(param)
                for name in self.scalar_names:
                    state[name] = tensor(float(self._start(name, group)), device=param.device)
                for name in self.state_names:
                    value = float(self._start(name, group))
                    state[name] = full(param.shape, value, dtype=param.dtype, device=param.device)
            arrays = [state[name]._array for name in self.state_names]
            scalars = [state[name]._array for name in self.scalar_names]
            step = state["step"]._array
            rows.append((param._array, grad._array, *arrays, *absent, step, index, flags, *scalars))

    state_names: tuple[str, ...] = ()
    scalar_names: tuple[str, ...] = ()

    def _start(self, name, group):
        """The value that a state starts from."""
        return 0.0

    def register_step_pre_hook(self, hook: Callable):
        """Call `hook(optimizer, args, kwargs)` before each step."""
        return RemovableHandle(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable):
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return RemovableHandle(self._post_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable):
        """Call `hook(optimizer)` after load_state_dict."""
        return RemovableHandle(self._load_post_hooks, hook)

    # State

    def state_dict(self) -> dict:
        """{"state": {number: state}, "param_groups": [...]}, where parameters are numbered in the order of the groups.

        The tensors are those of the optimizer, not copies.
        """
        numbers = {}
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(param, len(numbers))
        groups = [
            {name: value for name, value in group.items() if name != "params"}
            | {"params": [numbers[param] for param in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers.get(key, key): value for key, value in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over settings and state from what `state_dict()` returned, here or in PyTorch."""
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(groups, saved, strict=True)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        params = {
            number: param
            for group, other in zip(groups, saved, strict=True)
            for param, number in zip(group["params"], other["params"], strict=True)
        }
        self.state = defaultdict(dict)
        for number, value in state_dict["state"].items():
            if number in params:
                self.state[params[number]] = _state_for(params[number], value)
            else:
                self.state[number] = deepcopy(value)
        for group, other in zip(groups, saved, strict=True):
            other["params"] = group["params"]
            if "param_names" in group:
                other.setdefault("param_names", group["param_names"])
            for name, default in self.defaults.items():  # a file from before a setting existed
                other.setdefault(name, default)
        self.param_groups = saved
        for hook in self._load_post_hooks.values():
            hook(self)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": dict(self.state), "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.state = defaultdict(dict, self.state)
        self._pre_hooks, self._post_hooks, self._load_post_hooks = OrderedDict(), OrderedDict(), OrderedDict()
        self._forget_settings()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _fixed(group):
    """The settings that decide which work a step is, not with which numbers."""
    flags = {name: value for name, value in group.items() if isinstance(value, bool)}
    return flags, bool(group.get("momentum")), bool(group.get("dampening")), [id(p) for p in group["params"]]


def new_step(param):
    """A step counter at 0: one float32 on the parameter's device, which the kernel counts up."""
    return zeros((), device=param.device)


def _take_names(group):
    """Parameters given as (name, tensor) pairs: the names go into `param_names`."""
    named = [isinstance(param, tuple) for param in group["params"]]
    if not any(named):
        return
    if not all(named):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    group["param_names"] = [name for name, _ in group["params"]]
    group["params"] = [param for _, param in group["params"]]


def _state_for(param, value):
    """A copy of one parameter's loaded state, in the parameter's dtype and on its device; `step` keeps its dtype."""
    state = {key: _loaded(item, param) for key, item in value.items() if key != "step"}
    if "step" in value:
        state["step"] = tensor(float(value["step"]), device=param.device)
    return {key: state[key] for key in value}


def _loaded(item, param):
    if isinstance(item, Tensor):
        return item.detach().to(param.device, param.dtype, copy=True)
    if isinstance(item, (list, tuple)):
        return type(item)(_loaded(part, param) for part in item)
    if hasattr(item, "__array__"):  # NumPy's, or PyTorch's
        item = item.detach().cpu() if hasattr(item, "detach") else item
        return tensor(np.asarray(item), dtype=param.dtype, device=param.device)
    return deepcopy(item)
