// The kernels of softmax and its losses, from their files to the table in softmax_xent.cpp, and what these files share.
#pragma once

#include "core/kernels/softmax_xent.h"
#include "cpu/simd/simd.h"
#include "math/functions.h"

namespace nn::NN_ISA {

void run_softmax(const SoftmaxArgs& a, const LaunchContext& ctx);
void run_softmax_backward(const SoftmaxBackwardArgs& a, const LaunchContext& ctx);
void run_nll_forward(const ClassLossArgs& a, const LaunchContext& ctx);
void run_nll_backward(const ClassLossArgs& a, const LaunchContext& ctx);
void run_cross_entropy_forward(const ClassLossArgs& a, const LaunchContext& ctx);
void run_cross_entropy_backward(const ClassLossArgs& a, const LaunchContext& ctx);

// How many rows of n elements one thread takes at least.
static inline int64_t row_grain(int64_t n) { return 1 + (int64_t{1} << 13) / (n > 0 ? n : 1); }

template <class T>
inline constexpr T lowest = static_cast<T>(-__builtin_inf());

// `inside` in the lanes below n, `outside` in the others.
template <class T>
struct LaneTable {
  T lane[2 * Vec<T>::size];

  constexpr LaneTable(T inside, T outside) : lane() {
    for (int i = 0; i < 2 * Vec<T>::size; ++i) lane[i] = i < Vec<T>::size ? inside : outside;
  }
  NN_MEMBER Vec<T> first(int n) const { return Vec<T>::load(lane + Vec<T>::size - n); }
};
template <class T>
inline constexpr LaneTable<T> zero_or_lowest{T(0), lowest<T>};
template <class T>
inline constexpr LaneTable<T> one_or_zero{T(1), T(0)};

// The first n elements at p, the other lanes -inf: they win no maximum, and their exponential is 0.
template <class T>
NN_FN Vec<T> load_or_lowest(const T* p, int n) {
  return Vec<T>::load(p, n) + zero_or_lowest<T>.first(n);
}

// e^v for v up to about 0, and 0 where that is subnormal: processors take a hundred cycles for each register with such
// a result, and the -inf of masked scores would make them everywhere. NaN stays.
template <class T>
NN_FN Vec<T> exp_below(Vec<T> v) {
  const Mask<T> low = v < Vec<T>(pick<T>(-87.33f, -708.39));
  Vec<T> n;
  const Vec<T> p = expm1_reduced(select(low, Vec<T>(T(0)), v), n);
  return select(low, Vec<T>(T(0)), (Vec<T>(T(1)) + p) * pow2(n));
}

// The larger one, m where x is NaN: a NaN comes back through the sum of exponentials.
template <class T>
NN_FN Vec<T> larger(Vec<T> x, Vec<T> m) {
  return select(x > m, x, m);
}

template <class T>
NN_FN T row_max(const T* x, int64_t n) {
  constexpr int V = Vec<T>::size;
  Vec<T> m[4] = {lowest<T>, lowest<T>, lowest<T>, lowest<T>};
  int64_t i = 0;
  for (; i + 4 * V <= n; i += 4 * V)
    for (int k = 0; k < 4; ++k) m[k] = larger(Vec<T>::load(x + i + k * V), m[k]);
  for (; i + V <= n; i += V) m[0] = larger(Vec<T>::load(x + i), m[0]);
  if (i < n) m[0] = larger(load_or_lowest(x + i, static_cast<int>(n - i)), m[0]);
  return larger(larger(m[0], m[1]), larger(m[2], m[3])).fold([](Vec<T> a, Vec<T> b) NN_LAMBDA { return larger(a, b); });
}

// Softmax over a dimension that is not the last works on strips of columns, `width` of them: whole cache lines.
template <class T>
struct Strip {
  static constexpr int vectors = 4, width = vectors * Vec<T>::size;
  Vec<T> v[vectors];

  Strip() = default;
  NN_MEMBER explicit Strip(T value) {
    for (int k = 0; k < vectors; ++k) v[k] = Vec<T>(value);
  }
  // The first n columns, the others 0.
  NN_MEMBER static Strip load(const T* p, int64_t n) {
    Strip s;
    for (int k = 0; k < vectors; ++k) s.v[k] = n >= width ? Vec<T>::load(p + k * Vec<T>::size) : part(p, n, k);
    return s;
  }
  NN_MEMBER void store(T* p, int64_t n) const {
    for (int k = 0; k < vectors; ++k)
      if (n >= width)
        v[k].store(p + k * Vec<T>::size);
      else if (count(n, k) > 0)
        v[k].store(p + k * Vec<T>::size, count(n, k));
  }
  template <class F>
  NN_MEMBER void each(const F& f) {
    for (int k = 0; k < vectors; ++k) v[k] = f(v[k], k);
  }

 private:
  NN_MEMBER static int count(int64_t n, int k) {
    const int64_t c = n - k * Vec<T>::size;
    return static_cast<int>(c < 0 ? 0 : c < Vec<T>::size ? c : Vec<T>::size);
  }
  NN_MEMBER static Vec<T> part(const T* p, int64_t n, int k) {
    return count(n, k) > 0 ? Vec<T>::load(p + k * Vec<T>::size, count(n, k)) : Vec<T>(T(0));
  }
};

// Copies n columns of x [rows, inner] to strip [rows, width] and returns the largest of each column.
template <class T>
NN_FN Strip<T> gather_strip(const T* x, int64_t rows, int64_t inner, int64_t n, T* strip) {
  Strip<T> m(lowest<T>);
  for (int64_t c = 0; c < rows; ++c) {
    const Strip<T> row = Strip<T>::load(x + c * inner, n);
    row.store(strip + c * Strip<T>::width, Strip<T>::width);
    m.each([&](Vec<T> v, int k) NN_LAMBDA { return larger(row.v[k], v); });
  }
  return m;
}

}  // namespace nn::NN_ISA
