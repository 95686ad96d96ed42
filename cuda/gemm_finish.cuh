// What happens to one finished sum: C, bias, activation, in the CPU's order.
#pragma once

#include "cuda/gemm_problem.h"
#include "cuda/half.h"
#include "cuda/kernel.cuh"

namespace nn::cuda {

// What elements stored as T are added up in. Integers wrap around, so they are added up unsigned, and Signed is what
// tells whether the result is negative.
template <class T>
struct GemmTypes {
  using Sum = T;
  using Signed = T;
};
template <>
struct GemmTypes<uint32_t> {
  using Sum = uint32_t;
  using Signed = int32_t;
};
template <>
struct GemmTypes<uint64_t> {
  using Sum = uint64_t;
  using Signed = int64_t;
};
template <>
struct GemmTypes<uint8_t> {
  using Sum = uint32_t;
  using Signed = int32_t;  // of which no value is negative
};
template <>
struct GemmTypes<bfloat16> {
  using Sum = float;
  using Signed = float;
};
template <>
struct GemmTypes<float16> {
  using Sum = float;
  using Signed = float;
};

// The value to store for element [m, n] of C, where `old` was, if the product's is `sum`.
template <class T>
__device__ __forceinline__ T finish(const GemmProblem& p, typename GemmTypes<T>::Sum sum, T old, int64_t m, int64_t n) {
  using Sum = typename GemmTypes<T>::Sum;
  if (p.accumulate) sum += static_cast<Sum>(old);
  if (p.bias) sum += static_cast<Sum>(static_cast<const T*>(p.bias)[m * p.bias_row + n * p.bias_col]);
  const T value = static_cast<T>(sum);
  // Not max: a NaN stays one.
  return p.relu && static_cast<typename GemmTypes<T>::Signed>(value) < 0 ? static_cast<T>(Sum(0)) : value;
}

}  // namespace nn::cuda
