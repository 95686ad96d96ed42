// Softmax and log-softmax, forward and backward. Rows (or strips of columns, where the dimension is not the last) are
// divided among the threads; each is read from memory once and finished while it is in L1 or L2, so that one read and
// one write bound the forward pass, two reads and one write the backward pass.
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/softmax_xent_kernels.h"

namespace nn::NN_ISA {
namespace {

// y = f(x), vector by vector, the rest of a row through a shortened vector.
template <class T, class F>
NN_FN void map_row(const T* x, T* y, int64_t n, const F& f) {
  constexpr int V = Vec<T>::size;
  int64_t i = 0;
  for (; i + V <= n; i += V) f(Vec<T>::load(x + i)).store(y + i);
  if (i < n) f(load_or_lowest(x + i, static_cast<int>(n - i))).store(y + i, static_cast<int>(n - i));
}

template <class T>
void softmax_row(const T* x, T* y, int64_t n) {
  const Vec<T> m = row_max(x, n);
  Vec<T> s = T(0);
  map_row(x, y, n, [&](Vec<T> v) NN_LAMBDA {
    const Vec<T> e = exp_below(v - m);
    s = s + e;
    return e;
  });
  const Vec<T> scale = T(1) / sum(s);
  map_row(y, y, n, [&](Vec<T> v) NN_LAMBDA { return v * scale; });
}

template <class T>
void log_softmax_row(const T* x, T* y, int64_t n) {
  constexpr int V = Vec<T>::size;
  const Vec<T> m = row_max(x, n);
  Vec<T> s = T(0);
  int64_t i = 0;
  for (; i + V <= n; i += V) s = s + exp_below(Vec<T>::load(x + i) - m);
  if (i < n) s = s + exp_below(load_or_lowest(x + i, static_cast<int>(n - i)) - m);
  const Vec<T> log_sum = log(sum(s));
  map_row(x, y, n, [&](Vec<T> v) NN_LAMBDA { return (v - m) - log_sum; });
}

template <class T>
void softmax_strip(const T* x, T* y, int64_t rows, int64_t inner, int64_t n, bool logarithm, T* strip) {
  constexpr int W = Strip<T>::width;
  const Strip<T> m = gather_strip(x, rows, inner, n, strip);
  Strip<T> s(T(0));
  for (int64_t c = 0; c < rows; ++c) {
    Strip<T> e = Strip<T>::load(strip + c * W, W);
    e.each([&](Vec<T> v, int k) NN_LAMBDA { return v - m.v[k]; });
    if (logarithm) e.store(strip + c * W, W);
    e.each([&](Vec<T> v, int) NN_LAMBDA { return exp_below(v); });
    if (!logarithm) e.store(strip + c * W, W);
    s.each([&](Vec<T> v, int k) NN_LAMBDA { return v + e.v[k]; });
  }
  s.each([&](Vec<T> v, int) NN_LAMBDA { return logarithm ? log(v) : T(1) / v; });
  for (int64_t c = 0; c < rows; ++c) {
    Strip<T> e = Strip<T>::load(strip + c * W, W);
    e.each([&](Vec<T> v, int k) NN_LAMBDA { return logarithm ? v - s.v[k] : v * s.v[k]; });
    e.store(y + c * inner, n);
  }
}

// body(offset of the strip's first element, its columns) for every strip of every outer index.
template <class T, class Body>
NN_FN void each_strip(int64_t begin, int64_t end, int64_t n, int64_t inner, const Body& body) {
  constexpr int W = Strip<T>::width;
  const int64_t strips = (inner + W - 1) / W;
  for (int64_t u = begin; u < end; ++u) {
    const int64_t j = u % strips * W;
    body(u / strips * n * inner + j, inner - j < W ? inner - j : W);
  }
}

template <class T>
void softmax(const SoftmaxArgs& a, const LaunchContext& ctx) {
  constexpr int W = Strip<T>::width;
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  if (a.n == 0) return;
  if (a.inner == 1) {
    parallel_for(ctx, a.outer, row_grain(a.n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        a.log ? log_softmax_row(x + r * a.n, y + r * a.n, a.n) : softmax_row(x + r * a.n, y + r * a.n, a.n);
    });
    return;
  }
  parallel_for(ctx, a.outer * ((a.inner + W - 1) / W), row_grain(a.n * W), [&](int64_t begin, int64_t end) {
    const Scratch strip(a.n * W * sizeof(T));
    each_strip<T>(begin, end, a.n, a.inner, [&](int64_t at, int64_t columns) {
      softmax_strip(x + at, y + at, a.n, a.inner, columns, a.log, static_cast<T*>(strip.data));
    });
  });
}

template <class T>
void softmax_backward_row(const T* y, const T* gy, T* gx, int64_t n, bool logarithm) {
  constexpr int V = Vec<T>::size;
  Vec<T> s[2] = {T(0), T(0)};
  const auto term = [&](Vec<T> a, Vec<T> g, Vec<T> before)
                        NN_LAMBDA { return logarithm ? before + g : fma(a, g, before); };
  int64_t i = 0;
  for (; i + 2 * V <= n; i += 2 * V)
    for (int k = 0; k < 2; ++k) s[k] = term(Vec<T>::load(y + i + k * V), Vec<T>::load(gy + i + k * V), s[k]);
  for (; i < n; i += V) {
    const int count = static_cast<int>(n - i < V ? n - i : V);
    s[0] = term(Vec<T>::load(y + i, count), Vec<T>::load(gy + i, count), s[0]);
  }
  const Vec<T> total = sum(s[0] + s[1]);
  const auto result = [&](Vec<T> a, Vec<T> g)
                          NN_LAMBDA { return logarithm ? g - exp_below(a) * total : a * (g - total); };
  for (i = 0; i + V <= n; i += V) result(Vec<T>::load(y + i), Vec<T>::load(gy + i)).store(gx + i);
  const int rest = static_cast<int>(n - i);
  if (rest > 0) result(Vec<T>::load(y + i, rest), Vec<T>::load(gy + i, rest)).store(gx + i, rest);
}

template <class T>
void softmax_backward_strip(const T* y, const T* gy, T* gx, int64_t rows, int64_t inner, int64_t n, bool logarithm) {
  Strip<T> s(T(0));
  for (int64_t c = 0; c < rows; ++c) {
    const Strip<T> a = Strip<T>::load(y + c * inner, n), g = Strip<T>::load(gy + c * inner, n);
    s.each([&](Vec<T> v, int k) NN_LAMBDA { return logarithm ? v + g.v[k] : fma(a.v[k], g.v[k], v); });
  }
  for (int64_t c = 0; c < rows; ++c) {
    const Strip<T> a = Strip<T>::load(y + c * inner, n);
    Strip<T> g = Strip<T>::load(gy + c * inner, n);
    g.each([&](Vec<T> v, int k)
               NN_LAMBDA { return logarithm ? v - exp_below(a.v[k]) * s.v[k] : a.v[k] * (v - s.v[k]); });
    g.store(gx + c * inner, n);
  }
}

template <class T>
void softmax_backward(const SoftmaxBackwardArgs& a, const LaunchContext& ctx) {
  constexpr int W = Strip<T>::width;
  const T* y = static_cast<const T*>(a.y);
  const T* gy = static_cast<const T*>(a.gy);
  T* gx = static_cast<T*>(a.gx);
  if (a.inner == 1) {
    parallel_for(ctx, a.outer, row_grain(a.n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) softmax_backward_row(y + r * a.n, gy + r * a.n, gx + r * a.n, a.n, a.log);
    });
    return;
  }
  parallel_for(ctx, a.outer * ((a.inner + W - 1) / W), row_grain(a.n * W), [&](int64_t begin, int64_t end) {
    each_strip<T>(begin, end, a.n, a.inner, [&](int64_t at, int64_t columns) {
      softmax_backward_strip(y + at, gy + at, gx + at, a.n, a.inner, columns, a.log);
    });
  });
}

}  // namespace

void run_softmax(const SoftmaxArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? softmax<float>(a, ctx) : softmax<double>(a, ctx);
}
void run_softmax_backward(const SoftmaxBackwardArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? softmax_backward<float>(a, ctx) : softmax_backward<double>(a, ctx);
}

}  // namespace nn::NN_ISA
