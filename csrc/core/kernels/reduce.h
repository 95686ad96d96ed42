// Contracts of the reductions: many elements into one.
#pragma once

#include "core/kernels/kernel.h"

namespace nn {

// y[k] = finish(join over r of lift(x[k, r])), for every place k of the kept dimensions and r of the reduced ones.
// Both lists arrive merged and ordered by the strides of x, the smallest last, so that memory is read in sequence; each
// has at least one dimension, and any extent may be 0. Strides count elements.
// y overlaps neither x nor center and is written whole. The order of joining depends on shapes and strides only.
struct ReduceArgs {
  static constexpr bool takes_half_on_gpu = true;  // for `sum`
  DType dtype;                                     // of x
  const void* x;
  void* y;
  int kept_ndim;
  int64_t kept_shape[kMaxDims], x_kept[kMaxDims], y_kept[kMaxDims];
  int reduced_ndim;
  int64_t reduced_shape[kMaxDims], x_reduced[kMaxDims];
  const void* center;  // laid out as y: what is subtracted from each x[k, r] first, where a kernel says so
  double power;        // p of `powers`
  double divisor;      // the joined value is divided by it (floating dtypes), ...
  double root;         // ... then its root taken: 1 none, 2 the square root, p the p-th
};

// T is the dtype of x. y has it too where nothing is said; sums of integers are int64.
struct ReduceKernels {
  Kernel<ReduceArgs> sum;   // sum of x
  Kernel<ReduceArgs> prod;  // product of x
  Kernel<ReduceArgs> max;   // NaN where one is NaN; the least number of T for none
  Kernel<ReduceArgs> min;
  Kernel<ReduceArgs> count;  // how many x are not 0, as int64
  Kernel<ReduceArgs> any;    // whether one x is not 0, as boolean
  Kernel<ReduceArgs> all;    // whether no x is 0, as boolean
  // For float32 and float64 alone:
  Kernel<ReduceArgs> nonzeros;       // how many x are not 0, as T
  Kernel<ReduceArgs> magnitudes;     // sum of |x|
  Kernel<ReduceArgs> squares;        // sum of (x - center)^2
  Kernel<ReduceArgs> mean_around;    // center + sum of (x - center) / divisor
  Kernel<ReduceArgs> powers;         // sum of |x|^power
  Kernel<ReduceArgs> max_magnitude;  // the largest |x|
  Kernel<ReduceArgs> min_magnitude;
  Kernel<ReduceArgs> exponentials;  // log(sum of exp(x - center)) + center; infinite centers count as 0
};

// y[k] = the largest (or least) x[k, i], index[k] = the first i where it is; the first NaN where there is one.
// x[k, i] lies at k's place + i * x_step. The kept dimensions are as above; y and index have the same layout.
struct ArgReduceArgs {
  DType dtype;
  const void* x;
  void* y;
  int64_t* index;
  int kept_ndim;
  int64_t kept_shape[kMaxDims], x_kept[kMaxDims], y_kept[kMaxDims];
  int64_t count, x_step;
};

// y[k, i] = join of x[k, 0 ... i], in this order. x and y have dtype `dtype`, and may be the same memory.
struct ScanArgs {
  DType dtype;
  const void* x;
  void* y;
  int kept_ndim;
  int64_t kept_shape[kMaxDims], x_kept[kMaxDims], y_kept[kMaxDims];
  int64_t count, x_step, y_step;
};

struct ScanKernels {
  Kernel<ArgReduceArgs> max_with_index;
  Kernel<ArgReduceArgs> min_with_index;
  Kernel<ScanArgs> cumsum;
  Kernel<ScanArgs> cumprod;
};

}  // namespace nn
