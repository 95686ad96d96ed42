// Softmax and log-softmax, forward and backward. Rows (or strips of columns, where the dimension is not the last) are
// divided among the threads; each is read from memory once and finished while it is in L1 or L2, so that one read and
// one write bound the forward pass, two reads and one write the backward pass.
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/softmax_xent_kernels.h"

namespace nn::NN_ISA {
namespace {

template <class T>
void softmax_row(const T* x, T* y, int64_t n) {
  const T scale = T(1) / exponentials(x, y, n, row_max(x, n));
  map_row(y, y, n, [&]<class V>(V v) NN_LAMBDA { return v * V(scale); });
}

template <class T>
void log_softmax_row(const T* x, T* y, int64_t n) {
  const T m = row_max(x, n), log_sum = log(exponentials<T>(x, nullptr, n, m));
  map_row(x, y, n, [&]<class V>(V v) NN_LAMBDA { return (v - V(m)) - V(log_sum); });
}

template <class T>
void softmax_strip(const T* x, T* y, int64_t rows, int64_t inner, int64_t n, bool logarithm, T* strip) {
  constexpr int W = Strip<T>::size;
  const Strip<T> m = gather_strip(x, rows, inner, n, strip);
  Strip<T> s(T(0));
  for (int64_t c = 0; c < rows; ++c) {
    const Strip<T> v = Strip<T>::load(strip + c * W) - m, e = exp_below(v);
    (logarithm ? v : e).store(strip + c * W);
    s = s + e;
  }
  const Strip<T> last = logarithm ? log(s) : Strip<T>(T(1)) / s;
  for (int64_t c = 0; c < rows; ++c) {
    const Strip<T> e = Strip<T>::load(strip + c * W);
    (logarithm ? e - last : e * last).store(y + c * inner, n);
  }
}

// body(offset of the strip's first element, its columns) for every strip of every outer index.
template <class T, class Body>
NN_FN void each_strip(int64_t begin, int64_t end, int64_t n, int64_t inner, const Body& body) {
  constexpr int W = Strip<T>::size;
  const int64_t strips = (inner + W - 1) / W;
  for (int64_t u = begin; u < end; ++u) {
    const int64_t j = u % strips * W;
    body(u / strips * n * inner + j, inner - j < W ? inner - j : W);
  }
}

template <class T>
void softmax(const SoftmaxArgs& a, const LaunchContext& ctx) {
  constexpr int W = Strip<T>::size;
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
    s = logarithm ? s + g : fma(a, g, s);
  }
  for (int64_t c = 0; c < rows; ++c) {
    const Strip<T> a = Strip<T>::load(y + c * inner, n), g = Strip<T>::load(gy + c * inner, n);
    (logarithm ? g - exp_below(a) * s : a * (g - s)).store(gx + c * inner, n);
  }
}

template <class T>
void softmax_backward(const SoftmaxBackwardArgs& a, const LaunchContext& ctx) {
  constexpr int W = Strip<T>::size;
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
