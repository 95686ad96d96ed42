// Window arithmetic of convolution and pooling along one axis, shared by C++ and CUDA: constexpr integers only.
// Output position o reads, with tap r, the input position o * stride - pad + r * dilation; positions outside the input
// are zero (convolution) or skipped (pooling).
#pragma once

#include <cstdint>

#include "math/config.h"

namespace nn::NN_ISA {

// Half-open range; empty when end <= begin.
struct WindowRange {
  int64_t begin, end;
};

// Division that rounds toward minus infinity; the divisor is positive.
NN_FN constexpr int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
NN_FN constexpr int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

NN_FN constexpr WindowRange clip_range(int64_t begin, int64_t end, int64_t count) {
  const int64_t b = begin < 0 ? 0 : begin, e = end > count ? count : end;
  return {b, e < b ? b : e};
}

// Number of output positions; 0 or less when the kernel does not fit into the padded input.
NN_FN constexpr int64_t window_out_size(int64_t in, int64_t kernel, int64_t stride, int64_t pad_begin, int64_t pad_end,
                                        int64_t dilation) {
  return floor_div(in + pad_begin + pad_end - dilation * (kernel - 1) - 1, stride) + 1;
}

// Number of output positions of pooling. With ceil_mode the last window may reach past the padded input, but it must
// begin in the input or in the padding before it.
NN_FN constexpr int64_t pool_out_size(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                                      bool ceil_mode) {
  const int64_t out = window_out_size(in, kernel, stride, pad, pad + (ceil_mode ? stride - 1 : 0), dilation);
  return ceil_mode && (out - 1) * stride >= in + pad ? out - 1 : out;
}

// Input positions that output o of `out` covers in adaptive pooling. Neighbours may share a position.
NN_FN constexpr WindowRange adaptive_window(int64_t o, int64_t in, int64_t out) {
  return {o * in / out, ceil_div((o + 1) * in, out)};
}

// Taps of the window whose first element lies at input position `start` that fall inside [0, in).
NN_FN constexpr WindowRange taps_inside(int64_t start, int64_t kernel, int64_t dilation, int64_t in) {
  return clip_range(ceil_div(-start, dilation), ceil_div(in - start, dilation), kernel);
}

// Output positions o in [0, out) whose element o * stride + offset falls inside [0, in); offset = r * dilation - pad.
NN_FN constexpr WindowRange outputs_inside(int64_t offset, int64_t stride, int64_t in, int64_t out) {
  return clip_range(ceil_div(-offset, stride), ceil_div(in - offset, stride), out);
}

}  // namespace nn::NN_ISA
