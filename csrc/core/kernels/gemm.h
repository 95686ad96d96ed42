// Contract of matrix multiplication.
#pragma once

#include "core/kernels/activation.h"
#include "core/kernels/kernel.h"

namespace nn {

// C[b, m, n] = activation(sum_k A[b, m, k] * B[b, k, n] + bias[n] (+ C[b, m, n] if accumulate)).
// dtype is float32 or float64, int32, int64 or uint8, which wrap around, or, on CUDA, float16 or bfloat16, whose sums
// are float32. Strides count elements and may be anything,
// 0 and negative included, for A and B; no two elements of C share a place, and C overlaps neither A nor B. With K = 0
// the sum is 0. batch_shape may have no dimension (one product); a batch stride of 0 repeats a matrix. Every element is
// summed in an order that depends on the shapes and strides only, never on the thread count.
struct GemmArgs {
  static constexpr bool takes_half = true;
  DType dtype;
  int64_t M, N, K;
  const void* a;
  const void* b;
  void* c;
  int64_t a_row, a_col;  // A[m, k] = a[m * a_row + k * a_col]
  int64_t b_row, b_col;  // B[k, n] = b[k * b_row + n * b_col]
  int64_t c_row, c_col;
  int batch_ndim;
  int64_t batch_shape[kMaxDims];
  int64_t a_batch[kMaxDims], b_batch[kMaxDims], c_batch[kMaxDims];
  const void* bias;  // null, or N elements of which element n lies at n * bias_stride
  int64_t bias_stride;
  Activation activation;
  Precision precision;
  bool accumulate;
};

struct GemmKernels {
  Kernel<GemmArgs> gemm;
};

}  // namespace nn
