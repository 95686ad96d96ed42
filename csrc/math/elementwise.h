// The elementwise operations: each once, as one struct, for every value type and device.
#pragma once

namespace nn::NN_ISA {

template <class... Ops>
struct List {};

template <class... Ops, class F>
static inline void for_each_op(List<Ops...>, const F& f) {
  int index = 0;
  (f.template operator()<Ops>(index++), ...);
}

struct ReLU {
  static constexpr const char* name = "relu";
  template <class V>
  V forward(V x) const { return x > V(0) || x != x ? x : V(0); }
  template <class V>
  V backward(V gy, V y) const { return y > V(0) ? gy : V(0); }
};

struct Add {
  static constexpr const char* name = "add";
  template <class V>
  V forward(V x, V y) const { return x + y; }
};
struct Mul {
  static constexpr const char* name = "mul";
  template <class V>
  V forward(V x, V y) const { return x * y; }
};

using UnaryOps = List<ReLU>;
using BinaryOps = List<Add, Mul>;

}  // namespace nn::NN_ISA
