// One element of an optimizer step, shared by C++ and CUDA. A step is built once for a block of elements (from the
// hyperparameters h, the flags, and the number t of this step, 1 for the first) and then applied with V = T or a vector
// of T: step(p, g, s0, s1, s2) updates the parameter and its state from the gradient.
// The formulas are PyTorch's, in its order of operations.
#pragma once

#include "core/kernels/optim.h"
#include "math/config.h"
#include "math/scalar.h"

namespace nn::NN_ISA {

// The gradient as the algorithms see it: turned for maximize, and with the weight decay added.
template <class T>
struct Gradient {
  bool maximize;
  T decay;

  NN_MEMBER Gradient(const OptimTensor& t, bool decays)
      : maximize(t.flags & OptimFlags::maximize), decay(decays ? T(t.hyper[OptimHyper::decay]) : T(0)) {}

  template <class V>
  NN_MEMBER V operator()(V g, V p) const {
    if (maximize) g = -g;
    return decay != T(0) ? fma(V(decay), p, g) : g;
  }
};

// b = momentum b + (1 - dampening) g;  p -= lr b, or lr (g + momentum b) with Nesterov. Without momentum p -= lr g.
template <class T>
struct SgdStep {
  Gradient<T> gradient;
  T lr, momentum, keep;
  bool buffered, nesterov, first;

  NN_MEMBER SgdStep(const OptimTensor& t, double)
      : gradient(t, true),
        lr(T(t.hyper[OptimHyper::lr])),
        momentum(T(t.hyper[OptimHyper::momentum])),
        keep(T(1 - t.hyper[OptimHyper::dampening])),
        buffered(t.state[0] != nullptr),
        nesterov(t.flags & OptimFlags::nesterov),
        first(t.flags & OptimFlags::first) {}

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& buffer, V&, V&) const {
    g = gradient(g, p);
    if (buffered) {
      buffer = first ? g : fma(V(momentum), buffer, V(keep) * g);
      g = nesterov ? fma(V(momentum), buffer, g) : buffer;
    }
    p = p - V(lr) * g;
  }
};

// sum += g^2;  p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(sum) + eps)       (Duchi et al., 2011)
template <class T>
struct AdagradStep {
  Gradient<T> gradient;
  T rate, eps;

  NN_MEMBER AdagradStep(const OptimTensor& t, double n)
      : gradient(t, true),
        rate(T(t.hyper[OptimHyper::lr] / (1 + (n - 1) * t.hyper[OptimHyper::lr_decay]))),
        eps(T(t.hyper[OptimHyper::adagrad_eps])) {}

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& sum, V&, V&) const {
    g = gradient(g, p);
    sum = fma(g, g, sum);
    p = p - V(rate) * (g / (sqrt(sum) + V(eps)));
  }
};

// q = alpha q + (1 - alpha) g^2;  d = sqrt(q) + eps, centered sqrt(q - m^2) + eps with m the running mean of g;
// p -= lr g / d, or with momentum b = momentum b + g / d, p -= lr b       (Tieleman and Hinton, 2012)
// With eps_inside d = sqrt(q + eps).
template <class T>
struct RmspropStep {
  Gradient<T> gradient;
  T lr, alpha, fresh, eps, momentum;
  bool buffered, centered, eps_inside;

  NN_MEMBER RmspropStep(const OptimTensor& t, double)
      : gradient(t, true),
        lr(T(t.hyper[OptimHyper::lr])),
        alpha(T(t.hyper[OptimHyper::alpha])),
        fresh(T(1 - t.hyper[OptimHyper::alpha])),
        eps(T(t.hyper[OptimHyper::rmsprop_eps])),
        momentum(T(t.hyper[OptimHyper::rmsprop_momentum])),
        buffered(t.state[1] != nullptr),
        centered(t.state[2] != nullptr),
        eps_inside(t.flags & OptimFlags::eps_inside) {}

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& square, V& buffer, V& mean) const {
    g = gradient(g, p);
    square = fma(V(fresh) * g, g, V(alpha) * square);
    V spread = square;
    if (centered) {
      mean = fma(V(fresh), g - mean, mean);
      spread = square - mean * mean;
    }
    V update = g / (eps_inside ? sqrt(spread + V(eps)) : sqrt(spread) + V(eps));
    if (buffered) update = buffer = fma(V(momentum), buffer, update);
    p = p - V(lr) * update;
  }
};

// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
// p -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)       (Kingma and Ba, 2014)
// AMSGrad takes the largest v so far instead (Reddi et al., 2018); AdamW first scales p by 1 - lr decay (Loshchilov and
// Hutter, 2017).
template <class T>
struct AdamStep {
  Gradient<T> gradient;
  T shrink, fresh1, beta2, fresh2, eps, rate, unbias2;
  bool decoupled, amsgrad;

  NN_MEMBER AdamStep(const OptimTensor& t, double n)
      : gradient(t, !(t.flags & OptimFlags::decoupled)),
        shrink(T(1 - t.hyper[OptimHyper::lr] * t.hyper[OptimHyper::decay])),
        fresh1(T(1 - t.hyper[OptimHyper::beta1])),
        beta2(T(t.hyper[OptimHyper::beta2])),
        fresh2(T(1 - t.hyper[OptimHyper::beta2])),
        eps(T(t.hyper[OptimHyper::adam_eps])),
        rate(T(t.hyper[OptimHyper::lr] / (1 - __builtin_pow(t.hyper[OptimHyper::beta1], n)))),
        unbias2(T(1 / __builtin_sqrt(1 - __builtin_pow(t.hyper[OptimHyper::beta2], n)))),
        decoupled(t.flags & OptimFlags::decoupled),
        amsgrad(t.state[2] != nullptr) {}

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& mean, V& square, V& largest) const {
    g = gradient(g, p);
    if (decoupled) p = p * V(shrink);
    mean = fma(V(fresh1), g - mean, mean);
    square = fma(V(fresh2) * g, g, V(beta2) * square);
    V top = square;
    if (amsgrad) top = largest = max(largest, square);
    p = p - V(rate) * (mean / fma(sqrt(top), V(unbias2), V(eps)));
  }
};

}  // namespace nn::NN_ISA
