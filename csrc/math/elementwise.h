// The elementwise operations. One struct is one operation:
//   name            under which Python and the tests know it
//   params          names of its numeric parameters, which are its data members in this order
//   forward(x)      or forward(x, y): the value, for one V
//   backward(gy, s) the derivative times gy, where a fused one pays; s is the input or the output, as `saves` says.
//                   Other derivatives are composed of operations, in python/nncore/ops/elementwise.py
//   floating_only   integers become float32 first
//   integer_only    the op layer gives it integers and booleans only
//   numbers_only    booleans are refused
//   predicate       the result is boolean
// Kernels, bindings and tests fold over the two lists below. Nothing else lists operations.
#pragma once

#include "math/activations.h"
#include "math/binary.h"
#include "math/op_list.h"
#include "math/piecewise.h"
#include "math/unary.h"

namespace nn::NN_ISA {

using UnaryOps = List<Neg, Abs, Sign, Square, Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sqrt, Rsqrt, Reciprocal, Sin,
                      Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Erf, Floor, Ceil, Round, Trunc, ReLU, Sigmoid, Logistic,
                      Tanh, LeakyReLU, ELU, CELU, SELU, GELU, GELUTanh, SiLU, Softplus, LogSigmoid, Mish, Softsign,
                      Tanhshrink, Hardtanh, Clamp, Hardswish, Hardsigmoid, Hardshrink, Softshrink, Threshold, Huber>;

using BinaryOps =
    List<Add, Sub, Mul, Div, Pow, Maximum, Minimum, Atan2, Fmod, Remainder, FloorDivide, Eq, Ne, Lt, Le, Gt, Ge,
         LogicalAnd, LogicalOr, LogicalXor, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseLeftShift, BitwiseRightShift>;

}  // namespace nn::NN_ISA
