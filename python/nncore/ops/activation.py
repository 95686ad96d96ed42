"""Activation functions, each with its gradient rule right under it.

The derivative of each is a native operation, `<name>_backward(gy, x)` (sigmoid, tanh and relu take the result instead
of x); its own rule needs the second derivative, which is written out here for those that have one.
"""

from __future__ import annotations

import math

from nncore import _core
from nncore.autocast_mode import casts_products
from nncore.autograd import record
from nncore.ops.apply import in_place, native, rule_of
from nncore.ops.elementwise import where
from nncore.ops.inplace import inplace_method
from nncore.ops.pointwise import clamp
from nncore.ops.transcendental import exp
from nncore.tensor import Tensor, tensor_method


@tensor_method
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); NaN stays NaN. The derivative at 0 is 0.

    >>> nc.relu(nc.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    if inplace:
        return in_place(relu, input)
    y = native(_core.relu, input)
    return record("relu", y, (input,), _relu_rule, (y,))


_relu_rule = rule_of("relu")


@tensor_method
def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / (1 + e^-x). Error at most 1.5 ulp.

    >>> nc.sigmoid(nc.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    y = native(_core.sigmoid, input, out=out)
    return record("sigmoid", y, (input,), _sigmoid_rule, (y,))


_sigmoid_rule = rule_of("sigmoid", lambda y: 1 - 2 * y)  # of y (1 - y), by y


def logistic(
    input: Tensor,
    A: float | Tensor = 1.0,  # noqa: N803 (the lecture's name)
    a: float | Tensor = 1.0,
    x0: float | Tensor = 0.0,
) -> Tensor:
    """A / (1 + e^(-a (x - x0))): growth that slows down as it nears the limit A (Verhulst, 1838).

    a is how steep the curve is and x0 where its middle lies, at A / 2, with the largest slope, A a / 4. Each is a
    number or a tensor that broadcasts, which then gets a gradient too.

    >>> F.logistic(nc.tensor([0.0, 2.0, 100.0]), A=10.0, a=0.5, x0=2.0)
    tensor([ 2.6894,  5.0000, 10.0000])
    """
    if any(isinstance(value, Tensor) for value in (A, a, x0)):
        return A * sigmoid(a * (input - x0))
    y = native(_core.logistic, input, params=(A, a, x0))
    return record("logistic", y, (input,), _logistic_rule, (input, A, a, x0))


def _logistic_second(x: Tensor, A: float, a: float, x0: float) -> Tensor:  # noqa: N803
    s = sigmoid(a * (x - x0))
    return A * a * a * s * (1 - s) * (1 - 2 * s)


_logistic_rule = rule_of("logistic", _logistic_second)


def slope_sigmoid(input: Tensor, a: float | Tensor = 1.0) -> Tensor:
    """1 / (1 + e^(-a x)): the sigmoid with slope a, steeper for larger a; its largest derivative is a / 4, at 0.

    >>> F.slope_sigmoid(nc.tensor([-1.0, 0.0, 1.0]), a=3.0)
    tensor([0.0474, 0.5000, 0.9526])
    """
    return logistic(input, a=a)


@tensor_method
def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(e^x - e^-x) / (e^x + e^-x). Error at most 2.2 ulp.

    >>> nc.tanh(nc.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    y = native(_core.tanh, input, out=out)
    return record("tanh", y, (input,), _tanh_rule, (y,))


_tanh_rule = rule_of("tanh", lambda y: -2 * y)  # of 1 - y^2, by y


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x (Maas et al. 2013).

    >>> nc.nn.functional.leaky_relu(nc.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    if inplace:
        return in_place(leaky_relu, input, negative_slope)
    y = native(_core.leaky_relu, input, params=(negative_slope,))
    return record("leaky_relu", y, (input,), _leaky_relu_rule, (input, negative_slope))


_leaky_relu_rule = rule_of("leaky_relu")


@tensor_method
@casts_products("cpu", "cuda")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x, with one weight, or one for each channel, dimension 1 (He et al. 2015).

    >>> nc.prelu(nc.tensor([[-1.0, -1.0]]), nc.tensor([0.5, 0.1]))
    tensor([[-0.5000, -0.1000]])
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.dtype != input.dtype:
        raise RuntimeError(f"prelu: expected a weight of the input's dtype {input.dtype}, got {weight.dtype}")
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            f"prelu: expected a weight with 1 element or {channels}, one for each channel of the input "
            f"{list(input.shape)}, got {list(weight.shape)}"
        )
    if weight.numel() == 1:
        w = weight.reshape([1] * input.ndim)
    else:
        w = weight.reshape([1, channels, *[1] * (input.ndim - 2)])
    return where(input > 0, input, w * input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (e^x - 1) (Clevert et al. 2015).

    >>> nc.nn.functional.elu(nc.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    if inplace:
        return in_place(elu, input, alpha)
    return record("elu", native(_core.elu, input, params=(alpha,)), (input,), _elu_rule, (input, alpha))


def _left_exp(x: Tensor) -> Tensor:
    """e^x where x <= 0, else 0."""
    return where(x <= 0, exp(clamp(x, max=0)), 0.0)


_elu_rule = rule_of("elu", lambda x, alpha: alpha * _left_exp(x))


@tensor_method
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (e^(x / alpha) - 1) (Barron 2017).

    >>> nc.celu(nc.tensor([-1.0, 2.0]), 2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("celu: ZeroDivisionError: alpha cannot be 0 for CELU")
    if inplace:
        return in_place(celu, input, alpha)
    return record("celu", native(_core.celu, input, params=(alpha,)), (input,), _celu_rule, (input, alpha))


_celu_rule = rule_of("celu", lambda x, alpha: _left_exp(x / alpha) / alpha)

_SELU_SCALE_ALPHA = 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


@tensor_method
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 x where x > 0, else 1.0507 * 1.6733 (e^x - 1): keeps mean and variance (Klambauer et al. 2017).

    >>> nc.selu(nc.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    if inplace:
        return in_place(selu, input)
    return record("selu", native(_core.selu, input), (input,), _selu_rule, (input,))


_selu_rule = rule_of("selu", lambda x: _SELU_SCALE_ALPHA * _left_exp(x))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x), Phi the distribution function of the normal distribution (Hendrycks and Gimpel 2016).

    approximate "tanh" computes x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 instead.

    >>> nc.nn.functional.gelu(nc.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    if approximate == "none":
        return record("gelu", native(_core.gelu, input), (input,), _gelu_rule, (input,))
    if approximate == "tanh":
        return record("gelu_tanh", native(_core.gelu_tanh, input), (input,), _gelu_tanh_rule, (input,))
    raise RuntimeError(f"gelu: expected approximate to be 'none' or 'tanh', got '{approximate}'")


def _gelu_tanh_second(x: Tensor) -> Tensor:
    k, c = math.sqrt(2 / math.pi), 0.044715
    z = x * x
    t = tanh(k * x * (1 + c * z))
    u1, u2 = k * (1 + 3 * c * z), 6 * k * c * x  # derivatives of the argument
    return (1 - t * t) * (u1 + 0.5 * x * (u2 - 2 * t * (u1 * u1)))


_gelu_rule = rule_of("gelu", lambda x: (2 - x * x) * exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi)))
_gelu_tanh_rule = rule_of("gelu_tanh", _gelu_tanh_second)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x), also called swish (Elfwing et al. 2017).

    >>> nc.nn.functional.silu(nc.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    if inplace:
        return in_place(silu, input)
    return record("silu", native(_core.silu, input), (input,), _silu_rule, (input,))


def _silu_second(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return s * (1 - s) * (2 + x * (1 - 2 * s))


_silu_rule = rule_of("silu", _silu_second)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)) (Misra 2019).

    >>> nc.nn.functional.mish(nc.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """
    if inplace:
        return in_place(mish, input)
    return record("mish", native(_core.mish, input), (input,), _mish_rule, (input,))


def _mish_second(x: Tensor) -> Tensor:
    t, s = tanh(softplus(x)), sigmoid(x)
    return (1 - t * t) * s * (2 + x * (1 - s) - 2 * x * t * s)


_mish_rule = rule_of("mish", _mish_second)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold.

    >>> nc.nn.functional.softplus(nc.tensor([-1.0, 2.0]))
    tensor([0.3133, 2.1269])
    """
    y = native(_core.softplus, input, params=(beta, threshold))
    return record("softplus", y, (input,), _softplus_rule, (input, beta, threshold))


def _softplus_second(x: Tensor, beta: float, threshold: float) -> Tensor:
    s = sigmoid(beta * x)
    return where(beta * x > threshold, 0.0, beta * s * (1 - s))


_softplus_rule = rule_of("softplus", _softplus_second)


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + e^-x)).

    >>> nc.nn.functional.logsigmoid(nc.tensor([-1.0, 2.0]))
    tensor([-1.3133, -0.1269])
    """
    return record("logsigmoid", native(_core.logsigmoid, input), (input,), _logsigmoid_rule, (input,))


def _logsigmoid_second(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return -s * (1 - s)


_logsigmoid_rule = rule_of("logsigmoid", _logsigmoid_second)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|).

    >>> nc.nn.functional.softsign(nc.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return record("softsign", native(_core.softsign, input), (input,), _softsign_rule, (input,))


def _softsign_second(x: Tensor) -> Tensor:
    d = 1 + x.abs()
    return -2 * x.sign() / (d * d * d)


_softsign_rule = rule_of("softsign", _softsign_second)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x).

    >>> nc.nn.functional.tanhshrink(nc.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return record("tanhshrink", native(_core.tanhshrink, input), (input,), _tanhshrink_rule, (input,))


def _tanhshrink_second(x: Tensor) -> Tensor:
    t = tanh(x)
    return 2 * t * (1 - t * t)


_tanhshrink_rule = rule_of("tanhshrink", _tanhshrink_second)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b), a and b the halves of input along dim: a gate (Dauphin et al. 2017).

    >>> nc.nn.functional.glu(nc.tensor([1.0, 2.0, 0.0, 2.0]))
    tensor([0.5000, 1.7616])
    """
    if input.ndim == 0:
        raise RuntimeError("glu: expected at least 1 dimension, glu does not support 0-dimensional tensors")
    extent = input.size(dim)
    if extent % 2:
        raise RuntimeError(f"glu: Halving dimension must be even, but dimension {dim} is size {extent}")
    return input.narrow(dim, 0, extent // 2) * sigmoid(input.narrow(dim, extent // 2, extent // 2))


for _operation in (sigmoid, tanh):
    inplace_method(_operation, takes_out=True)
for _operation in (relu, celu, selu):
    inplace_method(_operation)
