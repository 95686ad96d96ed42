"""The elementwise operations of csrc/math/elementwise.h by name, with values for their parameters, for tests that call
each native function."""

from nncore import _core

PARAMS = {
    "logistic": (1.5, 0.5, 0.25),
    "leaky_relu": (0.1,),
    "elu": (1.3,),
    "celu": (0.7,),
    "softplus": (1.5, 2.0),
    "hardtanh": (-0.5, 0.75),
    "clamp": (-1.0, 0.5),
    "hardshrink": (0.4,),
    "softshrink": (0.3,),
    "threshold": (0.1, -2.0),
    "huber": (0.6, 1.25),
}
# fmt: off
UNARY = [
    "neg", "abs", "sign", "square", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt",
    "reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "erf", "floor", "ceil", "round",
    "trunc", "relu", "sigmoid", "logistic", "tanh", "leaky_relu", "elu", "celu", "selu", "gelu", "gelu_tanh", "silu",
    "softplus", "logsigmoid", "mish", "softsign", "tanhshrink", "hardtanh", "clamp", "hardswish", "hardsigmoid",
    "hardshrink", "softshrink", "threshold", "huber",
]
# fmt: on
BACKWARD = [name for name in UNARY if hasattr(_core, name + "_backward")]
ARITHMETIC = ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "atan2", "fmod", "remainder", "floor_divide"]
PREDICATES = ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"]
BITWISE = ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"]
