"""Activation functions made of straight pieces, each with its gradient rule right under it."""

from __future__ import annotations

from nncore import _core
from nncore.autograd import record
from nncore.ops.apply import in_place, native, rule_of
from nncore.ops.elementwise import where
from nncore.tensor import Tensor, tensor_method


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x moved into [min_val, max_val]. The derivative at the bounds is 0.

    >>> nc.nn.functional.hardtanh(nc.tensor([-2.0, 0.5, 2.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    if inplace:
        return in_place(hardtanh, input, min_val, max_val)
    y = native(_core.hardtanh, input, params=(min_val, max_val))
    return record("hardtanh", y, (input,), _hardtanh_rule, (input, min_val, max_val))


_hardtanh_rule = rule_of("hardtanh")


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6).

    >>> nc.nn.functional.relu6(nc.tensor([-1.0, 3.0, 8.0]))
    tensor([0., 3., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019).

    >>> nc.nn.functional.hardswish(nc.tensor([-4.0, 0.0, 1.5]))
    tensor([-0.0000, 0.0000, 1.1250])
    """
    if inplace:
        return in_place(hardswish, input)
    return record("hardswish", native(_core.hardswish, input), (input,), _hardswish_rule, (input,))


_hardswish_rule = rule_of("hardswish", lambda x: where((x > -3) & (x < 3), 1 / 3, 0.0 * x))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6.

    >>> nc.nn.functional.hardsigmoid(nc.tensor([-4.0, 0.0, 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    if inplace:
        return in_place(hardsigmoid, input)
    return record("hardsigmoid", native(_core.hardsigmoid, input), (input,), _hardsigmoid_rule, (input,))


_hardsigmoid_rule = rule_of("hardsigmoid")


@tensor_method
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where -lambd <= x <= lambd, else x.

    >>> nc.nn.functional.hardshrink(nc.tensor([-1.0, 0.3, 1.0]))
    tensor([-1.,  0.,  1.])
    """
    y = native(_core.hardshrink, input, params=(lambd,))
    return record("hardshrink", y, (input,), _hardshrink_rule, (input, lambd))


_hardshrink_rule = rule_of("hardshrink")


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved toward 0 by lambd, and 0 where it would pass it.

    >>> nc.nn.functional.softshrink(nc.tensor([-1.0, 0.3, 1.0]))
    tensor([-0.5000,  0.0000,  0.5000])
    """
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must be greater or equal to 0, but found to be {lambd}.")
    y = native(_core.softshrink, input, params=(lambd,))
    return record("softshrink", y, (input,), _softshrink_rule, (input, lambd))


_softshrink_rule = rule_of("softshrink")


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value.

    >>> nc.nn.functional.threshold(nc.tensor([-1.0, 0.3, 1.0]), 0.5, 20.0)
    tensor([20., 20.,  1.])
    """
    if inplace:
        return in_place(_threshold, input, threshold, value)
    y = native(_core.threshold, input, params=(threshold, value))
    return record("threshold", y, (input,), _threshold_rule, (input, threshold, value))


_threshold = threshold
_threshold_rule = rule_of("threshold")


def huber(input: Tensor, delta: float, slope: float) -> Tensor:
    """slope * x^2 / (2 delta) where |x| < delta, otherwise slope * (|x| - delta / 2): Huber's loss."""
    y = native(_core.huber, input, params=(delta, slope))
    return record("huber", y, (input,), _huber_rule, (input, delta, slope))


_huber_rule = rule_of("huber", lambda x, delta, slope: where(x.abs() < delta, slope / delta, 0.0 * x))
