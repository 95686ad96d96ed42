"""Averages of a model's weights over training: EMA and SWA, under the names of torch.optim.swa_utils."""

from __future__ import annotations

import itertools
import math
from copy import deepcopy
from typing import TYPE_CHECKING

from nncore.autograd import no_grad
from nncore.nn.module import Module
from nncore.ops.creation import tensor
from nncore.optim.lr_scheduler.base import LRScheduler, per_group
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nncore.nn.types import Device
    from nncore.optim.optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay: float = 0.999):
    """A function (average, current, count) to decay * average + (1 - decay) * current, an exponential average."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """A function (average, current, count) to average + (current - average) / (count + 1): the mean of all so far
    (Izmailov et al., 2018)."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _move_each(averages, values, share: float) -> None:
    """Each average goes the share of the way to its value, in place."""
    for average, value in zip(averages, values, strict=True):
        if average.is_floating_point():
            average.lerp_(value, share)
        else:
            average.copy_(average * (1 - share) + value * share)


def get_ema_multi_avg_fn(decay: float = 0.999):
    """As `get_ema_avg_fn`, for lists of tensors of one dtype, in place."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list, current_param_list, _) -> None:
        _move_each(ema_param_list, current_param_list, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn():
    """As `get_swa_avg_fn`, for lists of tensors of one dtype, in place."""

    @no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged) -> None:
        _move_each(averaged_param_list, current_param_list, 1 / (float(num_averaged) + 1))

    return swa_update


class AveragedModel(Module):
    """A copy of a model, `module`, whose parameters are averages of the model's over training.

    `update_parameters(model)`, called after an epoch or a step, takes the model's parameters in: the first time as they
    are, then by multi_avg_fn, by avg_fn, or by the mean of all (SWA) where neither is given. Buffers are averaged with
    them where use_buffers, and copied otherwise. `n_averaged` counts the updates. Calling it calls the averaged model.

    >>> model = nc.nn.Linear(1, 1, bias=False)
    >>> average = nc.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     nc.nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    Parameter containing:
    tensor([[1.]], requires_grad=True)
    Parameter containing:
    tensor([[2.]], requires_grad=True)
    Parameter containing:
    tensor([[6.]], requires_grad=True)
    >>> average.module.weight.detach()
    tensor([[3.]])
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Device = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters into the average."""
        averages, values = ([p.detach() for p in m.parameters()] for m in (self.module, model))
        buffers, theirs = ([b.detach() for b in m.buffers()] for m in (self.module, model))
        if self.use_buffers:
            averages, values = averages + buffers, values + theirs
        values = [v.to(a.device) for v, a in zip(values, averages, strict=True)]
        if int(self.n_averaged) == 0:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)
        elif self.avg_fn is not None:
            for average, value in zip(averages, values, strict=True):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        else:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            pairs = sorted(zip(averages, values, strict=True), key=lambda pair: str(pair[0].dtype))
            for _, group in itertools.groupby(pairs, key=lambda pair: pair[0].dtype):
                update(*(list(side) for side in zip(*group, strict=True)), self.n_averaged)
        if not self.use_buffers:
            for average, value in zip(buffers, theirs, strict=True):
                average.copy_(value)
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable, model: Module, device: Device = None) -> None:
    """Batch norm's running statistics anew, from one pass over the data: averaged weights have none of their own.

    loader gives inputs, or lists and tuples that begin with them. Every batch counts alike; the model is in training
    mode for the pass and returns to the mode it was in. A model without batch norm is left alone.
    """
    from nncore.nn.batchnorm import _BatchNorm

    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None  # the plain mean of all batches
    for batch in loader:
        input = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(input if device is None else input.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """lr goes from where it is to swa_lr in anneal_epochs epochs, along half a cosine or a line, and stays there."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: float) -> float:
        """How much of the way is gone at a step."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            start = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates
