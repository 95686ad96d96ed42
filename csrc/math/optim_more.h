// Optimizer steps, continued: the relatives of Adam, and those that choose their step sizes themselves. How a step is
// written is said in optim.h. A step may have begin(t), which changes a tensor's scalars before the launch's elements,
// or finish(t), which changes them after; both run once for each tensor, when `step` has been counted up.
#pragma once

#include "math/optim.h"

namespace nn::NN_ISA {

NN_FN double read(const OptimScalar& s) {
  return s.dtype == DType::float32 ? static_cast<double>(*static_cast<const float*>(s.data))
                                   : *static_cast<const double*>(s.data);
}
NN_FN void write(const OptimScalar& s, double value) {
  if (s.dtype == DType::float32)
    *static_cast<float*>(s.data) = static_cast<float>(value);
  else
    *static_cast<double*>(s.data) = value;
}

// m = beta1 m + (1 - beta1) g;  u = max(beta2 u, |g| + eps);  p -= lr / (1 - beta1^t) m / u     (Kingma and Ba, 2014)
template <class T>
struct AdamaxStep {
  Gradient<T> gradient;
  T fresh, beta2, eps, rate;

  NN_MEMBER AdamaxStep(const OptimTensor& t, double n)
      : gradient(t, true),
        fresh(T(1 - t.hyper[OptimHyper::beta1])),
        beta2(T(t.hyper[OptimHyper::beta2])),
        eps(T(t.hyper[OptimHyper::adam_eps])),
        rate(T(t.hyper[OptimHyper::lr] / (1 - __builtin_pow(t.hyper[OptimHyper::beta1], n)))) {}

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& mean, V& largest, V&) const {
    g = gradient(g, p);
    mean = fma(V(fresh), g - mean, mean);
    largest = max(largest * V(beta2), abs(g) + V(eps));
    p = p - V(rate) * (mean / largest);
  }
};

// Adam with Nesterov's momentum, whose rate mu changes with t: mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2).
// M = M mu(t), the product so far;  p -= lr ((1 - mu(t)) / (1 - M) g + mu(t + 1) / (1 - M mu(t + 1)) m)
//                                        / (sqrt(v / (1 - beta2^t)) + eps)     (Dozat, 2016)
template <class T>
struct NadamStep {
  Gradient<T> gradient;
  T shrink, fresh1, beta2, fresh2, eps, unbias2, of_gradient, of_mean;
  bool decoupled;

  NN_MEMBER NadamStep(const OptimTensor& t, double n)
      : gradient(t, !(t.flags & OptimFlags::decoupled)),
        shrink(T(1 - t.hyper[OptimHyper::lr] * t.hyper[OptimHyper::decay])),
        fresh1(T(1 - t.hyper[OptimHyper::beta1])),
        beta2(T(t.hyper[OptimHyper::beta2])),
        fresh2(T(1 - t.hyper[OptimHyper::beta2])),
        eps(T(t.hyper[OptimHyper::adam_eps])),
        unbias2(T(1 / __builtin_sqrt(1 - __builtin_pow(t.hyper[OptimHyper::beta2], n)))),
        decoupled(t.flags & OptimFlags::decoupled) {
    const double lr = t.hyper[OptimHyper::lr], product = read(t.scalar[0]), next = mu(t, n + 1);
    of_gradient = T(lr * (1 - mu(t, n)) / (1 - product));
    of_mean = T(lr * next / (1 - product * next));
  }

  NN_MEMBER static double mu(const OptimTensor& t, double n) {
    return t.hyper[OptimHyper::beta1] * (1 - 0.5 * __builtin_pow(0.96, n * t.hyper[OptimHyper::momentum_decay]));
  }

  // The product is formed in the precision that it is kept in, as PyTorch does.
  NN_MEMBER static void begin(const OptimTensor& t) {
    const double factor = mu(t, static_cast<double>(*t.step));
    const bool narrow = t.scalar[0].dtype == DType::float32;
    write(t.scalar[0], read(t.scalar[0]) * (narrow ? static_cast<double>(static_cast<float>(factor)) : factor));
  }

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& mean, V& square, V&) const {
    g = gradient(g, p);
    if (decoupled) p = p * V(shrink);
    mean = fma(V(fresh1), g - mean, mean);
    square = fma(V(fresh2) * g, g, V(beta2) * square);
    const V size = fma(sqrt(square), V(unbias2), V(eps));
    p = p - V(of_gradient) * (g / size);
    p = p - V(of_mean) * (mean / size);
  }
};

// Adam, its rate scaled by r while the variance of v is known well enough, and plain momentum before that:
// k = 2 / (1 - beta2) - 1;  q = k - 2 t beta2^t / (1 - beta2^t);  where q > 5
// r = sqrt((q - 4) (q - 2) k / ((k - 4) (k - 2) q)),  p -= lr r / (1 - beta1^t) m sqrt(1 - beta2^t) / (sqrt(v) + eps);
// otherwise p -= lr / (1 - beta1^t) m     (Liu et al., 2019)
template <class T>
struct RadamStep {
  Gradient<T> gradient;
  T shrink, fresh1, beta2, fresh2, eps, rate;
  bool decoupled, adaptive;

  NN_MEMBER RadamStep(const OptimTensor& t, double n)
      : gradient(t, !(t.flags & OptimFlags::decoupled)),
        shrink(T(1 - t.hyper[OptimHyper::lr] * t.hyper[OptimHyper::decay])),
        fresh1(T(1 - t.hyper[OptimHyper::beta1])),
        beta2(T(t.hyper[OptimHyper::beta2])),
        fresh2(T(1 - t.hyper[OptimHyper::beta2])),
        eps(T(t.hyper[OptimHyper::adam_eps])),
        decoupled(t.flags & OptimFlags::decoupled) {
    const double power = __builtin_pow(t.hyper[OptimHyper::beta2], n);
    const double k = 2 / (1 - t.hyper[OptimHyper::beta2]) - 1, q = k - 2 * n * power / (1 - power);
    double r = t.hyper[OptimHyper::lr] / (1 - __builtin_pow(t.hyper[OptimHyper::beta1], n));
    adaptive = q > 5;
    if (adaptive) r *= __builtin_sqrt((q - 4) * (q - 2) * k / ((k - 4) * (k - 2) * q)) * __builtin_sqrt(1 - power);
    rate = T(r);
  }

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& mean, V& square, V&) const {
    g = gradient(g, p);
    if (decoupled) p = p * V(shrink);
    mean = fma(V(fresh1), g - mean, mean);
    square = fma(V(fresh2) * g, g, V(beta2) * square);
    p = p - V(rate) * (adaptive ? mean / (sqrt(square) + V(eps)) : mean);
  }
};

// s = rho s + (1 - rho) g^2;  d = sqrt(a + eps) / sqrt(s + eps) g;  a = rho a + (1 - rho) d^2;  p -= lr d
// (Zeiler, 2012)
template <class T>
struct AdadeltaStep {
  Gradient<T> gradient;
  T lr, rho, fresh, eps;

  NN_MEMBER AdadeltaStep(const OptimTensor& t, double)
      : gradient(t, true),
        lr(T(t.hyper[OptimHyper::lr])),
        rho(T(t.hyper[OptimHyper::rho])),
        fresh(T(1 - t.hyper[OptimHyper::rho])),
        eps(T(t.hyper[OptimHyper::adadelta_eps])) {}

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& square, V& moved, V&) const {
    g = gradient(g, p);
    square = fma(V(fresh) * g, g, V(rho) * square);
    const V delta = sqrt(moved + V(eps)) / sqrt(square + V(eps)) * g;
    moved = fma(V(fresh) * delta, delta, V(rho) * moved);
    p = p - V(lr) * delta;
  }
};

// p = (1 - lambd eta) p - eta g;  the average a += mu (p - a);  then eta = lr / (1 + lambd lr t)^alpha and
// mu = 1 / max(1, t - t0): the average begins after t0 steps     (Polyak and Juditsky, 1992)
template <class T>
struct AsgdStep {
  Gradient<T> gradient;
  T shrink, eta, mu;

  NN_MEMBER AsgdStep(const OptimTensor& t, double)
      : gradient(t, true),
        shrink(T(1 - t.hyper[OptimHyper::lambd] * read(t.scalar[0]))),
        eta(T(read(t.scalar[0]))),
        mu(T(read(t.scalar[1]))) {}

  // Both are numbers of float32 in PyTorch, wherever they are kept.
  NN_MEMBER static void finish(const OptimTensor& t) {
    const double n = static_cast<double>(*t.step), lr = t.hyper[OptimHyper::lr];
    const double base = 1 + t.hyper[OptimHyper::lambd] * lr * n, late = n - t.hyper[OptimHyper::t0];
    const auto narrow = [](double x) { return static_cast<double>(static_cast<float>(x)); };
    write(t.scalar[0], narrow(lr / __builtin_pow(base, t.hyper[OptimHyper::asgd_alpha])));
    write(t.scalar[1], narrow(1 / (late > 1 ? late : 1)));
  }

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& average, V&, V&) const {
    g = gradient(g, p);
    p = p * V(shrink) - V(eta) * g;
    average = mu == T(1) ? p : fma(V(mu), p - average, average);
  }
};

// Each parameter has a step size of its own, s = min(max(f s, step_min), step_max), f = eta_plus where the gradient
// kept its sign, eta_minus where it turned: there this step is left out.  p -= sign(g) s     (Riedmiller and Braun,
// 1993)
template <class T>
struct RpropStep {
  Gradient<T> gradient;
  T eta_minus, eta_plus, step_min, step_max;

  NN_MEMBER RpropStep(const OptimTensor& t, double)
      : gradient(t, false),
        eta_minus(T(t.hyper[OptimHyper::eta_minus])),
        eta_plus(T(t.hyper[OptimHyper::eta_plus])),
        step_min(T(t.hyper[OptimHyper::step_min])),
        step_max(T(t.hyper[OptimHyper::step_max])) {}

  template <class V>
  NN_MEMBER void operator()(V& p, V g, V& before, V& size, V&) const {
    g = gradient(g, p);
    const V agrees = g * before;
    const V factor = select(agrees > V(0), V(eta_plus), select(agrees < V(0), V(eta_minus), V(1)));
    size = clamp(size * factor, V(step_min), V(step_max));
    g = select(agrees < V(0), V(0), g);
    p = p - select(g > V(0), size, select(g < V(0), -size, V(0)));
    before = g;
  }
};

}  // namespace nn::NN_ISA
