// What the sums of the normalisations are made of: pairs in double precision, and what one pack of float32 adds to
// them.
//
// The four terms of a pack are added in float32, about the group's first element or its mean, where that keeps their
// digits, and go to double precision together: a conversion and an addition in double precision for four elements.
#pragma once

#include "core/kernels/norm.h"
#include "cuda/loops.cuh"

namespace nn::cuda {

struct Pair {
  double a, b;
};

struct JoinPairs {
  __device__ Pair operator()(Pair u, Pair v) const { return {u.a + v.a, u.b + v.b}; }
};

// x - mean is (x - hi) - lo: with the mean in one number of x's precision, results would lose digits.
template <class T>
struct Centre {
  T hi, lo;

  Centre() = default;
  __device__ explicit Centre(double mean)
      : hi(static_cast<T>(mean)), lo(static_cast<T>(mean - static_cast<double>(hi))) {}
  __device__ T deviation(T x) const { return (x - hi) - lo; }
};

// Whether float32 holds a sum of products with its digits: neither too large, nor so small that terms may have become
// 0.
__device__ __forceinline__ bool keeps_digits(float sum) { return fabsf(sum) > 1e-30f && fabsf(sum) < 1e30f; }

// Adds the sums of z = x - pivot and of z^2.
template <int kCount>
__device__ __forceinline__ void add_moments(Pair& sums, const Pack<float, kCount>& x, float pivot) {
  float plain = 0, square = 0;
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    const float z = x.at[k] - pivot;
    plain += z;
    square = fmaf(z, z, square);
  }
  if (keeps_digits(square)) {
    sums = {sums.a + static_cast<double>(plain), sums.b + static_cast<double>(square)};
    return;
  }
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    const double z = static_cast<double>(x.at[k]) - static_cast<double>(pivot);
    sums = {sums.a + z, fma(z, z, sums.b)};
  }
}

// Adds the sums of g and of g (x - mean).
template <int kCount>
__device__ __forceinline__ void add_gradients(Pair& sums, const Pack<float, kCount>& g, const Pack<float, kCount>& x,
                                              const Centre<float>& centre) {
  float plain = 0, weighted = 0;
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    plain += g.at[k];
    weighted = fmaf(g.at[k], centre.deviation(x.at[k]), weighted);
  }
  if (keeps_digits(weighted) && fabsf(plain) < 1e30f) {
    sums = {sums.a + static_cast<double>(plain), sums.b + static_cast<double>(weighted)};
    return;
  }
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    const double gk = static_cast<double>(g.at[k]);
    sums = {sums.a + gk, fma(gk, static_cast<double>(centre.deviation(x.at[k])), sums.b)};
  }
}

}  // namespace nn::cuda
