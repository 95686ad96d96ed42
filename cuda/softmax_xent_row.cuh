// The largest element of a row and the sum of the exponentials, found together in one pass over it (Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018): a new largest one scales the sum so far.
#pragma once

#include "cuda/math.cuh"
#include "cuda/stored.cuh"
#include "math/functions.h"

namespace nn::cuda {

template <class T>
inline constexpr T lowest = static_cast<T>(-__builtin_inf());

struct Max {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return max(a, b);
  }
};
struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

// max x and sum of e^(x - max x). A row of -inf alone has the sum 0; the difference x - max x is NaN there.
template <class T>
struct SoftmaxRow {
  T max, sum;
};

template <class T>
__device__ __forceinline__ T finite_shift(T m) {
  return m == lowest<T> ? T(0) : m;
}

template <class A, class Team, class T = typename A::Value>
__device__ __forceinline__ SoftmaxRow<T> softmax_row(const A& as, const Team& team, const Row& row,
                                                     const typename A::Stored* x, bool aligned) {
  T m = lowest<T>, s = T(0);
  each_pack<T>(team, row, [&](auto count, int64_t c) {
    constexpr int kCount = decltype(count)::value;
    const Pack<T, kCount> v = load_values<kCount>(as, x + row.at(c), aligned);
    T now = m;
#pragma unroll
    for (int k = 0; k < kCount; ++k) now = max(now, v.at[k]);
    const T shift = finite_shift(now);
    if (now != m) s *= exp(m - shift);
    m = now;
#pragma unroll
    for (int k = 0; k < kCount; ++k) s += exp(v.at[k] - shift);
  });
  const T all = team.reduce(m, Max{});
  if (m != all) s *= exp(m - finite_shift(all));
  return {all, team.reduce(s, Sum{})};
}

}  // namespace nn::cuda
