"""Elementwise operations: what each computes, in the plainest NumPy."""

import math

import numpy as np

neg, abs, floor, ceil, trunc, square = np.negative, np.abs, np.floor, np.ceil, np.trunc, np.square
exp, exp2, expm1, log, log2, log10, log1p = np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p
sqrt, reciprocal, sin, cos, tan = np.sqrt, np.reciprocal, np.sin, np.cos, np.tan
asin, acos, atan, sinh, cosh = np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh
maximum, minimum, atan2, fmod = np.maximum, np.minimum, np.arctan2, np.fmod
remainder, floor_divide = np.remainder, np.floor_divide
eq, ne, lt, le, gt, ge = np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal
logical_and, logical_or, logical_xor = np.logical_and, np.logical_or, np.logical_xor
logical_not, isnan, isinf, isfinite = np.logical_not, np.isnan, np.isinf, np.isfinite
bitwise_and, bitwise_or, bitwise_xor, bitwise_not = np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert


def bitwise_left_shift(x, y):
    """By a negative number or by all bits, nothing is left, where C leaves it open."""
    bits = 8 * np.result_type(x, y).itemsize
    return np.where((y >= 0) & (y < bits), np.left_shift(x, np.clip(y, 0, bits - 1)), 0)


def bitwise_right_shift(x, y):
    """By a negative number or by all bits, the sign is left."""
    bits = 8 * np.result_type(x, y).itemsize
    return np.where((y >= 0) & (y < bits), np.right_shift(x, np.clip(y, 0, bits - 1)), -np.less(x, 0).astype(x.dtype))


isclose, allclose, equal = np.isclose, np.allclose, np.array_equal
where = np.where


def sign(x):
    """0 for NaN, where NumPy says NaN."""
    return np.where(np.isnan(x), np.zeros_like(x), np.sign(x))


def round(x):
    return np.round(x)


def rsqrt(x):
    return 1 / np.sqrt(x)


def erf(x):
    return np.vectorize(math.erf, otypes=[x.dtype])(x)


def add(x, y, alpha=1):
    return x + alpha * y


def sub(x, y, alpha=1):
    return x - alpha * y


def mul(x, y):
    return x * y


def div(x, y):
    return x / y


def pow(x, y):
    return np.power(x, y)


def clamp(x, min=-np.inf, max=np.inf):
    return np.where(x > max, max, np.where(x < min, min, x)).astype(x.dtype)


def clamp_min(x, min):
    return clamp(x, min=min)


def clamp_max(x, max):
    return clamp(x, max=max)


def lerp(x, end, weight):
    return x + weight * (end - x)


def addcmul(x, y, z, value=1):
    return x + value * y * z


def addcdiv(x, y, z, value=1):
    return x + value * y / z


def relu(x):
    return np.maximum(x, 0)


def relu_backward(gy, y):
    return np.where(y > 0, gy, 0 * gy)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def tanh(x):
    return np.tanh(x)


def leaky_relu(x, negative_slope=0.01):
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))


def elu(x, alpha=1.0):
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(x))


def celu(x, alpha=1.0):
    alpha = x.dtype.type(alpha)
    return np.where(x > 0, x, alpha * np.expm1(x / alpha))


def selu(x):
    scale, alpha = x.dtype.type(1.0507009873554804934), x.dtype.type(1.6732632423543772848)
    return scale * np.where(x > 0, x, alpha * np.expm1(x))


def gelu(x, approximate="none"):
    """x Phi(x); Phi by way of erfc, which keeps the left tail."""
    if approximate == "tanh":
        return x / 2 * (1 + np.tanh(x.dtype.type(math.sqrt(2 / math.pi)) * (x + x.dtype.type(0.044715) * x * x * x)))
    return np.vectorize(lambda v: v * 0.5 * math.erfc(-v / math.sqrt(2)), otypes=[x.dtype])(x)


def logistic(x, A=1.0, a=1.0, x0=0.0):  # noqa: N803
    return A * sigmoid(a * (x - x0))


def slope_sigmoid(x, a=1.0):
    return logistic(x, a=a)


def silu(x):
    return x * sigmoid(x)


def mish(x):
    return x * np.tanh(softplus(x))


def softplus(x, beta=1.0, threshold=20.0):
    z = x * x.dtype.type(beta)
    return np.where(z > threshold, x, np.log1p(np.exp(z)) / x.dtype.type(beta))


def logsigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def softsign(x):
    return x / (1 + np.abs(x))


def tanhshrink(x):
    return x - np.tanh(x)


def glu(x, dim=-1):
    a, b = np.split(x, 2, axis=dim)
    return a * sigmoid(b)


def hardtanh(x, min_val=-1.0, max_val=1.0):
    return clamp(x, min_val, max_val)


def relu6(x):
    return clamp(x, 0, 6)


def hardswish(x):
    return x * clamp(x + 3, 0, 6) / 6


def hardsigmoid(x):
    return clamp(x + 3, 0, 6) / 6


def hardshrink(x, lambd=0.5):
    return np.where((x >= -lambd) & (x <= lambd), 0 * x, x)


def softshrink(x, lambd=0.5):
    lambd = x.dtype.type(lambd)
    return np.where(x > lambd, x - lambd, np.where(x < -lambd, x + lambd, 0 * x))


def threshold(x, threshold, value):
    return np.where(x <= threshold, x.dtype.type(value), x)


def huber(x, delta, slope):
    return slope * np.where(np.abs(x) < delta, x * x / (2 * delta), np.abs(x) - delta / 2)


def prelu(x, weight):
    w = weight.reshape([1] * x.ndim) if weight.size == 1 else weight.reshape(1, -1, *[1] * (x.ndim - 2))
    return np.where(x > 0, x, w * x)
