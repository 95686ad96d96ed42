// Contracts of pooling: the largest or the mean element of each window.
#pragma once

#include "core/kernels/fault.h"
#include "core/kernels/kernel.h"

namespace nn {

// Always three spatial dimensions (depth, height, width), as in ConvGeometry. `planes` is images times channels; arrays
// are contiguous, [planes, D, H, W]. The window of output o begins at input o * stride - pad; positions outside the
// input belong to no maximum and count 0 in a sum. With `adaptive`, output o covers the positions from
// floor(o * in / out) to ceil((o + 1) * in / out) instead, and stride, pad and dilation are not used.
// `planes` and `out` may be 0; `in` is at least 1. A window holds a position of the input, unless dilation steps over
// it.
struct PoolGeometry {
  int64_t planes;
  int64_t in[3], out[3], kernel[3];
  int64_t stride[3], pad[3], dilation[3];
  bool adaptive;
};

// y = the largest element of each window, NaN where it holds one; index = its position in the plane of the input, the
// first among equals, the last NaN among several; -inf and some position where the window holds none. A plane has fewer
// than 2^31 elements. index may be null.
struct MaxPoolArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  PoolGeometry geometry;
  const void* x;   // [planes, in...]
  void* y;         // [planes, out...]
  int32_t* index;  // [planes, out...]
};

// With the positions that max_forward found:
//   max_backward   gx[p, index[p, o]] += gy[p, o], from 0, in the order of o
//   max_gather     gy[p, o] = gx[p, index[p, o]], the derivative of max_backward
struct MaxPoolIndexArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  PoolGeometry geometry;
  void* gx;              // [planes, in...]
  void* gy;              // [planes, out...]
  const int32_t* index;  // [planes, out...], each in the window of its output, or wherever max_forward put it
};

// forward: y = the sum of each window over its divisor; backward: x = the gradient, from y holding gy.
// The divisor is `divisor` where that is not 0; otherwise the number of positions of the window that lie in the input,
// or, with count_include_pad, in the input and its padding.
struct AvgPoolArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  PoolGeometry geometry;
  bool count_include_pad;
  int64_t divisor;
  void* x;  // [planes, in...]
  void* y;  // [planes, out...]
};

// A linear map of each axis, one after the other: y[..., o, ...] = sum over t of weight[t, o] * x[..., index[t, o],
// ...]. Interpolation is such a map, and its adjoint is another. index may be `in`, which names a zero, so that sums of
// different lengths fill one table; `padded` says that it occurs. An axis without a table stays as it is.
struct ResampleAxis {
  int64_t in, out, taps;
  bool padded;
  const int32_t* index;  // [taps, out], each in [0, in]; or null
  const void* weight;    // [taps, out], of the dtype of x
  FaultSite fault;       // where it has a word, an index that is wrong names a zero too, and is reported
};
struct ResampleArgs {
  DType dtype;
  int64_t planes;
  ResampleAxis axis[3];
  const void* x;  // [planes, in...]
  void* y;        // [planes, out...]
};

struct PoolKernels {
  Kernel<MaxPoolArgs> max_forward;
  Kernel<MaxPoolIndexArgs> max_backward;
  Kernel<MaxPoolIndexArgs> max_gather;
  Kernel<AvgPoolArgs> avg_forward;
  Kernel<AvgPoolArgs> avg_backward;
  Kernel<ResampleArgs> resample;
};

}  // namespace nn
