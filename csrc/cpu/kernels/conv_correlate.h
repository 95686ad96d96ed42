// The sum that forward and backward_input share, in one description.
#pragma once

#include "cpu/kernels/conv_gather.h"

namespace nn::NN_ISA {

// One axis of the outputs o * y_stride + phase: its tap j multiplies weight element `weight` + j * `weight_step` (along
// this axis) with what tap number `tap` + j * `tap_step` of the gathered axis reads. There may be no tap at all.
struct PhaseAxis {
  int64_t taps, tap, tap_step, weight, weight_step;
};

// y[n, g, m, o * y_stride + phase] = bias[g, m] + sum over c and the taps of the phase of w * x[n, g, c, tap of o].
// x is [images, groups, cin, in...], y is [images, groups, cout, y_size...]. A forward convolution has one phase, a
// backward one has a phase for each position within the stride, each of them a convolution of stride 1.
struct Correlation {
  DType dtype;
  int64_t images, groups, cin, cout;  // channels of one group
  ConvAxis axis[3];                   // how x is read; axis.out counts the values of o
  int64_t y_size[3], y_stride[3];
  int64_t phases[3];          // of each axis, at most y_stride
  const PhaseAxis* phase[3];  // phases[i] of them
  const void* x;
  const void* w;  // element [g, m, c, r] at g * w_group + m * w_row + c * w_channel + (index of r among w_size)
  int64_t w_group, w_row, w_channel, w_size[3];
  const void* bias;  // groups * cout values, or null
  bool relu;         // of each result
  void* y;
};

// The part of a forward convolution that its geometry gives: axis, sizes, and the one phase of each axis.
void describe_forward(const ConvGeometry& g, Correlation& p, PhaseAxis (&phase)[3]);

void correlate(const Correlation& problem, const LaunchContext& ctx);

}  // namespace nn::NN_ISA
