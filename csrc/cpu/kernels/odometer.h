// Walking over the places of a box of dimensions, and the small integer arithmetic that goes with it.
#pragma once

#include "core/kernels/kernel.h"
#include "math/config.h"

namespace nn::NN_ISA {
namespace {

inline int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }
inline int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }
inline int64_t most(int64_t x, int64_t y) { return x > y ? x : y; }

inline int64_t product(const int64_t* shape, int ndim) {
  int64_t total = 1;
  for (int d = 0; d < ndim; ++d) total *= shape[d];
  return total;
}

// The places of a box of dimensions in order, from any of them on, with their offsets under N sets of strides.
template <int N>
struct Odometer {
  int ndim;
  const int64_t* shape;
  const int64_t* stride[N];
  int64_t at[kMaxDims];
  int64_t offset[N];

  template <class... Strides>
  Odometer(int dims, const int64_t* extents, int64_t start, Strides... strides)
      : ndim(dims), shape(extents), stride{strides...}, at{}, offset{} {
    for (int d = ndim - 1; d >= 0; --d) {
      if (shape[d] == 0) return;
      at[d] = start % shape[d];
      start /= shape[d];
      for (int n = 0; n < N; ++n) offset[n] += at[d] * stride[n][d];
    }
  }
  void next() {
    for (int d = ndim - 1; d >= 0; --d) {
      for (int n = 0; n < N; ++n) offset[n] += stride[n][d];
      if (++at[d] < shape[d]) return;
      for (int n = 0; n < N; ++n) offset[n] -= shape[d] * stride[n][d];
      at[d] = 0;
    }
  }
};

}  // namespace
}  // namespace nn::NN_ISA
