// Activation functions made of straight pieces, with their derivatives, in PyTorch's conventions at the kinks and for
// NaN. How an operation is written is said in elementwise.h.
#pragma once

#include "math/op_list.h"
#include "math/scalar.h"

namespace nn::NN_ISA {

// The derivative is 0 at both bounds.
struct Hardtanh {
  static constexpr const char* name = "hardtanh";
  static constexpr const char* params[] = {"min_val", "max_val"};
  static constexpr Saves saves = Saves::input;
  double min_val, max_val;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return clamp(x, param<V>(min_val), param<V>(max_val));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return select((x <= param<V>(min_val)) | (x >= param<V>(max_val)), V(0), gy);
  }
};

// Hardtanh's values; the derivative is 1 at both bounds, and 0 for NaN.
struct Clamp {
  static constexpr const char* name = "clamp";
  static constexpr const char* params[] = {"min", "max"};
  static constexpr Saves saves = Saves::input;
  double min, max;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return clamp(x, param<V>(min), param<V>(max));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return select((x >= param<V>(min)) & (x <= param<V>(max)), gy, V(0));
  }
};

// x min(max(x + 3, 0), 6) / 6
struct Hardswish {
  static constexpr const char* name = "hardswish";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return x * clamp(x + V(3), V(0), V(6)) / V(6);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return select(x <= V(-3), V(0), select(x < V(3), gy * (x / V(3) + V(0.5f)), gy));
  }
};

// min(max(x + 3, 0), 6) / 6
struct Hardsigmoid {
  static constexpr const char* name = "hardsigmoid";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return clamp(x + V(3), V(0), V(6)) / V(6);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return select((x > V(-3)) & (x < V(3)), gy / V(6), V(0));
  }
};

struct Hardshrink {
  static constexpr const char* name = "hardshrink";
  static constexpr const char* params[] = {"lambd"};
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  double lambd;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return backward(x, x);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return select((x >= param<V>(-lambd)) & (x <= param<V>(lambd)), V(0), gy);
  }
};

struct Softshrink {
  static constexpr const char* name = "softshrink";
  static constexpr const char* params[] = {"lambd"};
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  double lambd;
  template <class V>
  NN_MEMBER V forward(V x) const {
    const V l = param<V>(lambd);
    return select(x > l, x - l, select(x < -l, x + l, x * V(0)));  // x 0 is NaN for NaN
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return select((x >= param<V>(-lambd)) & (x <= param<V>(lambd)), V(0), gy);
  }
};

struct Threshold {
  static constexpr const char* name = "threshold";
  static constexpr const char* params[] = {"threshold", "value"};
  static constexpr Saves saves = Saves::input;
  double threshold, value;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return select(x <= param<V>(threshold), param<V>(value), x);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return select(x <= param<V>(threshold), V(0), gy);
  }
};

// slope times x^2 / (2 delta) where |x| < delta, else |x| - delta / 2: the smooth absolute value of Huber's loss.
struct Huber {
  static constexpr const char* name = "huber";
  static constexpr const char* params[] = {"delta", "slope"};
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  double delta, slope;
  template <class V>
  NN_MEMBER V forward(V x) const {
    const V size = abs(x);
    const V line = (size - param<V>(0.5 * delta)) * param<V>(slope);
    return select(size < param<V>(delta), x * x * param<V>(0.5 * slope / delta), line);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return gy * clamp(x * param<V>(slope / delta), param<V>(-slope), param<V>(slope));
  }
};

}  // namespace nn::NN_ISA
