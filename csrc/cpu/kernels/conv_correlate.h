// The sum that forward and backward_input share, in one description.
#pragma once

#include "cpu/kernels/conv_gather.h"

namespace nn::NN_ISA {

// For every image n, group g, output channel m and output position o:
//   y[n, g, m, y_first + o . y_step] = bias[g, m] + sum over c and taps j of
//       w[g * w_group + m * w_row + c * w_channel + sum_i (w_first[i] + j[i] * w_step[i])]
//       * x[n, g, c, o * stride + first + j * step], zero outside x.
// x is [images, groups, cin, in...]; y is [images, groups, cout, y_plane elements]. Strides count elements.
struct Correlation {
  DType dtype;
  int64_t images, groups, cin, cout;  // channels of one group
  ConvAxis axis[3];                   // every axis has at least one tap and one output
  const void* x;
  const void* w;
  int64_t w_group, w_row, w_channel;
  int64_t w_first[3], w_step[3];
  const void* bias;  // groups * cout values, or null
  void* y;
  int64_t y_plane, y_first, y_step[3];
};

void correlate(const Correlation& problem, const LaunchContext& ctx);

}  // namespace nn::NN_ISA
