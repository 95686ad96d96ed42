// The kernels of softmax and its losses, from their files to the table in softmax_xent.cpp, and what these files share.
#pragma once

#include "core/kernels/softmax_xent.h"
#include "cpu/simd/wide.h"
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

// e^v for v up to about 0, and 0 where that is subnormal: many processors take a hundred cycles for each register with
// such a result, and the -inf of masked scores would make them everywhere. NaN stays.
template <class V>
NN_FN V exp_below(V v) {
  V n;
  const V p = expm1_reduced(v, n);
  return scale2_unless(v < V(pick<V>(-87.33f, -708.39)), V(1) + p, n);
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

// Softmax over a dimension that is not the last works on strips of columns: whole cache lines.
template <class T>
using Strip = Wide<T, 4>;

// y = f(x): f takes several vectors at once, then one, then what is left of the row.
template <class T, class F>
NN_FN void map_row(const T* x, T* y, int64_t n, const F& f) {
  constexpr int V = Vec<T>::size, W = Strip<T>::size;
  int64_t i = 0;
  for (; i + W <= n; i += W) f(Strip<T>::load(x + i)).store(y + i);
  for (; i + V <= n; i += V) f(Vec<T>::load(x + i)).store(y + i);
  if (i < n) f(load_or_lowest(x + i, static_cast<int>(n - i))).store(y + i, static_cast<int>(n - i));
}

// e^(x - m), written to y where there is one, and its sum.
template <class T>
NN_FN T exponentials(const T* x, T* y, int64_t n, T m) {
  constexpr int V = Vec<T>::size, W = Strip<T>::size;
  Strip<T> wide(T(0));
  Vec<T> s = T(0);
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    const Strip<T> e = exp_below(Strip<T>::load(x + i) - Strip<T>(m));
    if (y != nullptr) e.store(y + i);
    wide = wide + e;
  }
  for (; i < n; i += V) {
    const int here = static_cast<int>(n - i < V ? n - i : V);
    const Vec<T> e = exp_below((here == V ? Vec<T>::load(x + i) : load_or_lowest(x + i, here)) - Vec<T>(m));
    if (y != nullptr) e.store(y + i, here);
    s = s + e;
  }
  return sum(s + ((wide.v[0] + wide.v[1]) + (wide.v[2] + wide.v[3])));
}

// Copies n columns of x [rows, inner] to strip [rows, Strip::size] and returns the largest of each column.
template <class T>
NN_FN Strip<T> gather_strip(const T* x, int64_t rows, int64_t inner, int64_t n, T* strip) {
  Strip<T> m(lowest<T>);
  for (int64_t c = 0; c < rows; ++c) {
    const Strip<T> row = Strip<T>::load(x + c * inner, n);
    row.store(strip + c * Strip<T>::size);
    m = larger(row, m);
  }
  return m;
}

}  // namespace nn::NN_ISA
