// Binary operations. How an operation is written is said in elementwise.h.
#pragma once

#include "math/functions.h"
#include "math/op_list.h"

namespace nn::NN_ISA {

#define NN_ARITHMETIC(Name, op_name, expression) \
  struct Name {                                  \
    static constexpr const char* name = op_name; \
    template <class V>                           \
    NN_MEMBER V forward(V x, V y) const {        \
      return V(expression);                      \
    }                                            \
  }
NN_ARITHMETIC(Add, "add", modular(x) + modular(y));
NN_ARITHMETIC(Mul, "mul", modular(x) * modular(y));
NN_ARITHMETIC(Maximum, "maximum", max(x, y));
NN_ARITHMETIC(Minimum, "minimum", min(x, y));
#undef NN_ARITHMETIC

struct Sub {
  static constexpr const char* name = "sub";
  static constexpr bool numbers_only = true;
  template <class V>
  NN_MEMBER V forward(V x, V y) const {
    return V(modular(x) - modular(y));
  }
};

struct Div {
  static constexpr const char* name = "div";
  static constexpr bool floating_only = true;
  template <class V>
  NN_MEMBER V forward(V x, V y) const {
    return x / y;
  }
};

struct Atan2 {
  static constexpr const char* name = "atan2";
  static constexpr bool floating_only = true;
  template <class V>
  NN_MEMBER V forward(V x, V y) const {
    if constexpr (is_number<V>)
      return map(NN_C_FUNCTION(atan2), x, y);
    else
      return atan2(x, y);
  }
};

// An integer to a negative power is 0, unless it is 1 or -1.
struct Pow {
  static constexpr const char* name = "pow";
  template <class V>
  NN_MEMBER V forward(V x, V y) const {
    if constexpr (is_integer<V>) {
      if (y < V(0)) return x == V(1) ? V(1) : V(x + 1) == V(0) ? V(y % 2 == 0 ? 1 : -1) : V(0);
      auto result = modular(V(1)), square = modular(x);
      for (uint64_t n = static_cast<uint64_t>(y); n != 0; n >>= 1) {
        if (n & 1) result *= square;
        square *= square;
      }
      return V(result);
    } else {
      return pow(x, y);
    }
  }
};

// x / y and what remains, toward zero. Division by zero, which no integer can answer, gives 0 and 0: the operation that
// is asked for it raises an error before it gets here. The one quotient that does not fit wraps around.
template <class T>
NN_FN T quotient(T x, T y) {
  if (y == T(0)) return T(0);
  return modular(y) + 1 == 0 ? T(-modular(x)) : T(x / y);
}
template <class T>
NN_FN T rest(T x, T y) {
  return y == T(0) || modular(y) + 1 == 0 ? T(0) : T(x % y);
}

// The remainder with the sign of x.
struct Fmod {
  static constexpr const char* name = "fmod";
  template <class V>
  NN_MEMBER V forward(V x, V y) const {
    if constexpr (is_integer<V>)
      return rest(x, y);
    else if constexpr (is_number<V> || !has_fma)
      return map(NN_C_FUNCTION(fmod), x, y);
    else
      return fmod(x, y);
  }
};

// The remainder with the sign of y, as in Python.
struct Remainder {
  static constexpr const char* name = "remainder";
  template <class V>
  NN_MEMBER V forward(V x, V y) const {
    const V r = Fmod{}.forward(x, y);
    return select((r != V(0)) & ((r < V(0)) ^ (y < V(0))), V(r + y), r);
  }
};

// floor(x / y), so that x = y floor_divide(x, y) + remainder(x, y) up to rounding.
struct FloorDivide {
  static constexpr const char* name = "floor_divide";
  template <class V>
  NN_MEMBER V forward(V x, V y) const {
    if constexpr (is_integer<V>) {
      const V q = quotient(x, y), r = rest(x, y);
      return r != V(0) && (r < V(0)) != (y < V(0)) ? V(q - 1) : q;
    } else {
      // CPython's float_divmod: the quotient of an exact multiple, rounded to the integer that it is up to an ulp.
      const V r = Fmod{}.forward(x, y);
      const V exact = (x - r) / y - select((r != V(0)) & ((r < V(0)) ^ (y < V(0))), V(1), V(0));
      const V below = floor(exact);
      const V q = below + select(exact - below > V(0.5f), V(1), V(0));
      return select(y == V(0), x / y, select(exact == V(0), copysign(V(0), x / y), q));
    }
  }
};

// On integers and booleans only: the kernels of floating types are left out.
#define NN_BITWISE(Name, op_name, op)            \
  struct Name {                                  \
    static constexpr const char* name = op_name; \
    static constexpr bool integer_only = true;   \
    template <class T>                           \
    NN_MEMBER T forward(T x, T y) const {        \
      return T(x op y);                          \
    }                                            \
  }
NN_BITWISE(BitwiseAnd, "bitwise_and", &);
NN_BITWISE(BitwiseOr, "bitwise_or", |);
NN_BITWISE(BitwiseXor, "bitwise_xor", ^);
#undef NN_BITWISE

// Shifts by a negative number, or by all bits and more, push every bit out: what is left is 0, or the sign.
struct BitwiseLeftShift {
  static constexpr const char* name = "bitwise_left_shift";
  static constexpr bool integer_only = true;
  static constexpr bool numbers_only = true;
  template <class T>
  NN_MEMBER T forward(T x, T y) const {
    const bool fits = y >= T(0) && static_cast<uint64_t>(y) < 8 * sizeof(T);
    return T(fits ? modular(x) << static_cast<uint64_t>(y) : 0);
  }
};
struct BitwiseRightShift {
  static constexpr const char* name = "bitwise_right_shift";
  static constexpr bool integer_only = true;
  static constexpr bool numbers_only = true;
  template <class T>
  NN_MEMBER T forward(T x, T y) const {
    const bool fits = y >= T(0) && static_cast<uint64_t>(y) < 8 * sizeof(T);
    return fits ? T(x >> static_cast<uint64_t>(y)) : x < T(0) ? T(-1) : T(0);
  }
};

// Comparisons and logic. Their kernels call them with plain numbers only.
#define NN_PREDICATE(Name, op_name, expression)  \
  struct Name {                                  \
    static constexpr const char* name = op_name; \
    static constexpr bool predicate = true;      \
    template <class T>                           \
    NN_MEMBER bool forward(T x, T y) const {     \
      return expression;                         \
    }                                            \
  }
NN_PREDICATE(Eq, "eq", x == y);
NN_PREDICATE(Ne, "ne", x != y);
NN_PREDICATE(Lt, "lt", x < y);
NN_PREDICATE(Le, "le", x <= y);
NN_PREDICATE(Gt, "gt", x > y);
NN_PREDICATE(Ge, "ge", x >= y);
NN_PREDICATE(LogicalAnd, "logical_and", (x != T(0)) & (y != T(0)));
NN_PREDICATE(LogicalOr, "logical_or", (x != T(0)) | (y != T(0)));
NN_PREDICATE(LogicalXor, "logical_xor", (x != T(0)) != (y != T(0)));
#undef NN_PREDICATE

}  // namespace nn::NN_ISA
