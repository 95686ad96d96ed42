// Unary operations of mathematics. How an operation is written is said in elementwise.h.
#pragma once

#include "math/functions.h"
#include "math/op_list.h"

namespace nn::NN_ISA {

struct Neg {
  static constexpr const char* name = "neg";
  template <class V>
  NN_MEMBER V forward(V x) const {
    return V(-modular(x));
  }
};

struct Abs {
  static constexpr const char* name = "abs";
  template <class V>
  NN_MEMBER V forward(V x) const {
    if constexpr (is_integer<V>)
      return x < V(0) ? V(-modular(x)) : x;
    else
      return abs(x);
  }
};

struct Sign {  // 0 for NaN, as in PyTorch
  static constexpr const char* name = "sign";
  template <class V>
  NN_MEMBER V forward(V x) const {
    if constexpr (is_integer<V>)
      return V((x > V(0)) - (x < V(0)));
    else
      return select(x > V(0), V(1), select(x < V(0), V(-1), V(0)));
  }
};

struct Square {
  static constexpr const char* name = "square";
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return V(modular(x) * modular(x));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return gy * (x + x);
  }
};

// Integers are whole: these leave them alone.
#define NN_ROUNDING(Name, function)                \
  struct Name {                                    \
    static constexpr const char* name = #function; \
    template <class V>                             \
    NN_MEMBER V forward(V x) const {               \
      if constexpr (is_integer<V>)                 \
        return x;                                  \
      else                                         \
        return function(x);                        \
    }                                              \
  }
NN_ROUNDING(Floor, floor);
NN_ROUNDING(Ceil, ceil);
NN_ROUNDING(Round, round);
NN_ROUNDING(Trunc, trunc);
#undef NN_ROUNDING

// Functions of math/functions.h and scalar.h.
#define NN_FUNCTION(Name, function, expression)    \
  struct Name {                                    \
    static constexpr const char* name = #function; \
    static constexpr bool floating_only = true;    \
    template <class V>                             \
    NN_MEMBER V forward(V x) const {               \
      return expression;                           \
    }                                              \
  }
NN_FUNCTION(Exp, exp, exp(x));
NN_FUNCTION(Expm1, expm1, expm1(x));
NN_FUNCTION(Exp2, exp2, exp2(x));
NN_FUNCTION(Log2, log2, log2(x));
NN_FUNCTION(Log, log, log(x));
NN_FUNCTION(Log1p, log1p, log1p(x));
NN_FUNCTION(Sqrt, sqrt, sqrt(x));
NN_FUNCTION(Rsqrt, rsqrt, V(1) / sqrt(x));
NN_FUNCTION(Reciprocal, reciprocal, V(1) / x);
NN_FUNCTION(Sin, sin, sin(x));
NN_FUNCTION(Cos, cos, cos(x));
NN_FUNCTION(Asin, asin, asin(x));
NN_FUNCTION(Acos, acos, acos(x));
NN_FUNCTION(Atan, atan, atan(x));
NN_FUNCTION(Erf, erf, erf(x));

#undef NN_FUNCTION

// Too rare to be vectorised: the C library's, element by element.
#define NN_LIBRARY_FUNCTION(Name, function)        \
  struct Name {                                    \
    static constexpr const char* name = #function; \
    static constexpr bool floating_only = true;    \
    static constexpr bool by_library = true;       \
    template <class V>                             \
    NN_MEMBER V forward(V x) const {               \
      return map(NN_C_FUNCTION(function), x);      \
    }                                              \
  }
NN_LIBRARY_FUNCTION(Log10, log10);
NN_LIBRARY_FUNCTION(Tan, tan);
NN_LIBRARY_FUNCTION(Sinh, sinh);
NN_LIBRARY_FUNCTION(Cosh, cosh);
#undef NN_LIBRARY_FUNCTION

}  // namespace nn::NN_ISA
