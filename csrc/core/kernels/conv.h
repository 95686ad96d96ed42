// Contracts of convolution (cross-correlation, as in every neural-network library).
#pragma once

#include "core/kernels/activation.h"
#include "core/kernels/kernel.h"

namespace nn {

// Always three spatial dimensions (depth, height, width); 1-D and 2-D convolutions have leading extents of 1.
// N images, C input channels, K output channels, split into `groups`; weight is [K, C / groups, R0, R1, R2].
// out[i] is given, so that padding may differ at the two ends: pad[i] is the number of zeros before the first element,
// and what is missing at the end is zero too. All arrays are contiguous with channels first, [N, C, D, H, W].
struct ConvGeometry {
  int64_t N, C, K, groups;
  int64_t in[3], out[3], kernel[3];
  int64_t stride[3], pad[3], dilation[3];
};

// One argument block for the three kernels; each writes one of the arrays from the other two:
//   forward          y = activation(conv(x, w) + bias)   bias holds K values, or is null; no other has an activation
//   backward_input   x = d sum(gy * conv(x, w)) / dx + bias, with y holding gy; x is written; bias holds C values, or
//                    is null. It is the transposed convolution, and that has a bias.
//   backward_weight  w = d sum(gy * conv(x, w)) / dw     with y holding gy; w is written, bias is null
// float32 or float64. What is written overlaps nothing that is read and is written whole, whatever it held before.
// Any extent but those of the kernel may be 0.
struct ConvArgs {
  DType dtype;
  ConvGeometry geometry;
  void* x;  // [N, C, in...]
  void* w;  // [K, C / groups, kernel...]
  const void* bias;
  void* y;  // [N, K, out...]
  Precision precision;
  Activation activation = Activation::none;
};

// The windows of x as columns, and their adjoint; of the geometry, K and groups are not used:
//   unfold   y[n, (c * taps + tap), out] = x[n, c, the position that the tap of that output reads], 0 in the padding
//   fold     x[n, c, ...] = the sum of y over all places that unfold copies this position to, in the order of taps
// float32 or float64. x is [N, C, in...], y is [N, C * taps, out...]; one is read, the other written whole.
struct UnfoldArgs {
  DType dtype;
  ConvGeometry geometry;
  void* x;
  void* y;
};

struct ConvKernels {
  Kernel<ConvArgs> forward;
  Kernel<ConvArgs> backward_input;
  Kernel<ConvArgs> backward_weight;
  Kernel<UnfoldArgs> unfold;
  Kernel<UnfoldArgs> fold;
};

}  // namespace nn
