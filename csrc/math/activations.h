// Activation functions with their derivatives, in PyTorch's conventions: at a kink, and for NaN, the derivative is what
// PyTorch's kernels give. How an operation is written is said in elementwise.h.
#pragma once

#include "math/functions.h"
#include "math/op_list.h"

namespace nn::NN_ISA {

struct ReLU {
  static constexpr const char* name = "relu";
  static constexpr Saves saves = Saves::output;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return select(x < V(0), V(0), x);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V y) const {
    return select(y <= V(0), V(0), gy);
  }
};

struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::output;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return sigmoid(x);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V y) const {
    return gy * (V(1) - y) * y;
  }
};

// A / (1 + e^(-a (x - x0))): the curve of limited growth.
struct Logistic {
  static constexpr const char* name = "logistic";
  static constexpr const char* params[] = {"A", "a", "x0"};
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  double height, steepness, middle;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return param<V>(height) * sigmoid(param<V>(steepness) * (x - param<V>(middle)));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    const V s = sigmoid(param<V>(steepness) * (x - param<V>(middle)));
    return gy * param<V>(height * steepness) * s * (V(1) - s);
  }
};

struct Tanh {
  static constexpr const char* name = "tanh";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::output;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return tanh(x);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V y) const {
    return gy * (V(1) - y * y);
  }
};

struct LeakyReLU {
  static constexpr const char* name = "leaky_relu";
  static constexpr const char* params[] = {"negative_slope"};
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  double negative_slope;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return select(x > V(0), x, x * param<V>(negative_slope));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return select(x > V(0), gy, gy * param<V>(negative_slope));
  }
};

// x where positive, scale alpha (e^(x / width) - 1) elsewhere: ELU, CELU and SELU are three choices of the constants.
template <class V>
NN_FN V elu_forward(V x, V alpha, V scale, V inverse_width) {
  return select(x < V(0), scale * alpha * expm1(x * inverse_width), scale * x);
}
template <class V>
NN_FN V elu_backward(V gy, V x, V alpha, V scale, V inverse_width) {
  return select(x <= V(0), gy * (scale * alpha * inverse_width) * exp(x * inverse_width), gy * scale);
}

struct ELU {
  static constexpr const char* name = "elu";
  static constexpr const char* params[] = {"alpha"};
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  double alpha;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return elu_forward(x, param<V>(alpha), V(1), V(1));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return elu_backward(gy, x, param<V>(alpha), V(1), V(1));
  }
};

struct CELU {
  static constexpr const char* name = "celu";
  static constexpr const char* params[] = {"alpha"};
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  double alpha;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return elu_forward(x, param<V>(alpha), V(1), param<V>(1 / alpha));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return elu_backward(gy, x, param<V>(alpha), V(1), param<V>(1 / alpha));
  }
};

struct SELU {
  static constexpr const char* name = "selu";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  static constexpr double alpha = 1.6732632423543772848170429916717;
  static constexpr double scale = 1.0507009873554804934193349852946;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return elu_forward(x, param<V>(alpha), param<V>(scale), V(1));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return elu_backward(gy, x, param<V>(alpha), param<V>(scale), V(1));
  }
};

// x Phi(x), Phi the normal distribution. By way of erfc, so that the left tail keeps its relative accuracy.
struct GELU {
  static constexpr const char* name = "gelu";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    V density;
    return x * normal_distribution(x, density);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    V density;
    const V p = normal_distribution(x, density);
    return gy * fma(x, density, p);
  }

 private:
  template <class V>
  NN_MEMBER static V normal_distribution(V x, V& density) {
    const V e = exp(x * x * V(-0.5f));
    const V tail = V(0.5f) * e * erfcx(abs(x) * param<V>(0.70710678118654752440));
    density = e * param<V>(0.39894228040143267794);
    return select(x < V(0), tail, V(1) - tail);
  }
};

// x (1 + tanh u) / 2 = x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3): Hendrycks and Gimpel's approximation.
struct GELUTanh {
  static constexpr const char* name = "gelu_tanh";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  static constexpr double k = 2 * 0.79788456080286535588, c = 0.044715;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return x * sigmoid(x * fma(x * x, param<V>(k * c), param<V>(k)));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    const V z = x * x;
    const V s = sigmoid(x * fma(z, param<V>(k * c), param<V>(k)));
    const V slope = fma(z, param<V>(3 * k * c), param<V>(k));
    return gy * fma(x * slope, s * (V(1) - s), s);
  }
};

struct SiLU {
  static constexpr const char* name = "silu";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return x * sigmoid(x);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    const V s = sigmoid(x);
    return gy * s * fma(x, V(1) - s, V(1));
  }
};

struct Softplus {
  static constexpr const char* name = "softplus";
  static constexpr const char* params[] = {"beta", "threshold"};
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  double beta, threshold;
  template <class V>
  NN_MEMBER V forward(V x) const {
    const V z = x * param<V>(beta);
    return select(z > param<V>(threshold), x, log1p(exp(z)) / param<V>(beta));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    const V z = x * param<V>(beta);
    return select(z > param<V>(threshold), gy, gy * sigmoid(z));
  }
};

struct LogSigmoid {
  static constexpr const char* name = "logsigmoid";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return min(x, V(0)) - log1p(exp(-abs(x)));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    return gy * sigmoid(-x);
  }
};

// x tanh(softplus(x)): with e = e^x and n = e (e + 2), tanh(log(1 + e)) = n / (n + 2).
struct Mish {
  static constexpr const char* name = "mish";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return x * tanh_softplus(x);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    const V t = tanh_softplus(x);
    return gy * fma(x * sigmoid(x), V(1) - t * t, t);
  }

 private:
  template <class V>
  NN_MEMBER static V tanh_softplus(V x) {
    const V e = exp(min(x, V(20))), n = e * (e + V(2));  // beyond 20 the quotient rounds to 1
    return n / (n + V(2));
  }
};

struct Softsign {
  static constexpr const char* name = "softsign";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return x / (V(1) + abs(x));
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    const V d = V(1) + abs(x);
    return gy / (d * d);
  }
};

struct Tanhshrink {
  static constexpr const char* name = "tanhshrink";
  static constexpr bool floating_only = true;
  static constexpr Saves saves = Saves::input;
  template <class V>
  NN_MEMBER V forward(V x) const {
    return x - tanh(x);
  }
  template <class V>
  NN_MEMBER V backward(V gy, V x) const {
    const V t = tanh(x);
    return gy * t * t;
  }
};

}  // namespace nn::NN_ISA
