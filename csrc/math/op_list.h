// Lists of operations as types, and a fold over them.
#pragma once

#include <cstdint>

#include "math/config.h"

namespace nn::NN_ISA {

// What the backward of a unary operation takes besides the gradient of the result.
enum class Saves { nothing, input, output };

template <class... Ops>
struct List {
  static constexpr int size = sizeof...(Ops);
};

// f.template operator()<Op>(index) for each operation of the list, in order.
template <class... Ops, class F>
static inline void for_each_op(List<Ops...>, const F& f) {
  int index = 0;
  (f.template operator()<Ops>(index++), ...);
}

// The number of an operation's parameters, and the operation with values for them in the order of its `params`.
template <class Op>
NN_FN constexpr int param_count() {
  if constexpr (requires { Op::params; })
    return sizeof(Op::params) / sizeof(Op::params[0]);
  else
    return 0;
}
template <class Op>
NN_FN constexpr Op with_params(const double* p) {
  static_assert(param_count<Op>() <= 3);
  if constexpr (param_count<Op>() == 0)
    return Op{};
  else if constexpr (param_count<Op>() == 1)
    return Op{p[0]};
  else if constexpr (param_count<Op>() == 2)
    return Op{p[0], p[1]};
  else
    return Op{p[0], p[1], p[2]};
}

// Traits that an operation states only where they hold.
template <class Op>
inline constexpr bool is_floating_only = requires { Op::floating_only; };
template <class Op>
inline constexpr bool is_by_library = requires { Op::by_library; };
template <class Op>
inline constexpr bool is_integer_only = requires { Op::integer_only; };
template <class Op>
inline constexpr bool is_predicate = requires { Op::predicate; };
template <class Op>
inline constexpr bool has_backward = requires(float x) { Op{}.backward(x, x); };

template <class V>
inline constexpr bool is_integer = false;
template <>
inline constexpr bool is_integer<int32_t> = true;
template <>
inline constexpr bool is_integer<int64_t> = true;
template <>
inline constexpr bool is_integer<uint8_t> = true;
template <>
inline constexpr bool is_integer<bool> = true;

// An integer in a type in which overflow wraps around; other numbers as they are.
template <class V>
NN_FN V modular(V x) {
  return x;
}
NN_FN uint32_t modular(int32_t x) { return static_cast<uint32_t>(x); }
NN_FN uint64_t modular(int64_t x) { return static_cast<uint64_t>(x); }
NN_FN uint32_t modular(uint8_t x) { return x; }
NN_FN uint32_t modular(bool x) { return x; }

// A parameter as a value: rounded to single precision, or to the nearest integer of the type toward zero.
template <class V>
NN_FN V param(double p) {
  if constexpr (!is_integer<V>) {
    return V(static_cast<value_t<V>>(p));
  } else if constexpr (sizeof(V) == 8) {
    return p >= 0x1p63 ? INT64_MAX : p < -0x1p63 ? INT64_MIN : static_cast<V>(p);
  } else {
    const double lo = sizeof(V) == 4 ? INT32_MIN : 0, hi = sizeof(V) == 4 ? INT32_MAX : static_cast<double>(V(255));
    return static_cast<V>(p > hi ? hi : p < lo ? lo : p);
  }
}

}  // namespace nn::NN_ISA
