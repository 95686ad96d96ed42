// Convolution as a matrix product whose factors are gathered: where the elements lie. Integers only, host and device.
//
// All three kernels are C[m, n] = sum over k of A[m, k] * B[k, n], for each group. Of the axes n and k one runs over
// (image, position), the other over (channel, tap), and B[k, n] is the element of an image that the position reads with
// the tap, or zero in the padding. Both axes are described by one struct, whose entries are added:
//
//                     m                n                    k                    B is from    A is from
//   forward           output channel   image, output        input channel, tap   x            w
//   backward_weight   output channel   input channel, tap   image, output        x            gy
//   backward_input    input channel    image, input         output channel, tap  gy           w
//
// backward_input is one such product for each phase: the inputs at one place modulo the stride, which meet only some of
// the taps; between these inputs, gy is read without gaps.
#pragma once

#include "core/kernels/conv.h"
#include "cuda/gemm_index.h"

namespace nn::cuda {

// An axis of (outer, u0, u1, u2), u2 fastest, u[i] below extent[i].
struct ConvAxis {
  int64_t extent[3];
  int first[3], step[3];                              // the coordinate in the image that is read: first + u * step
  int64_t outer, stride[3];                           // of the image that is read, in elements
  int64_t other_outer, other_first, other_stride[3];  // of the other array that this axis indexes: A, or C
};

struct ConvEntry {
  int64_t gathered, other;  // offsets
  int at[3];                // coordinates; those of both axes are added
};

NN_INDEX ConvEntry describe(const ConvAxis& axis, int64_t index) {
  ConvEntry e{0, axis.other_first, {0, 0, 0}};
  for (int i = 2; i >= 0; --i) {
    const int64_t u = index % axis.extent[i];
    index /= axis.extent[i];
    e.at[i] = axis.first[i] + static_cast<int>(u) * axis.step[i];
    e.gathered += e.at[i] * axis.stride[i];
    e.other += u * axis.other_stride[i];
  }
  e.gathered += index * axis.outer;
  e.other += index * axis.other_outer;
  return e;
}

// Whether the element at the sum of two entries is inside an image of `bound`.
NN_INDEX bool inside(const ConvEntry& a, const ConvEntry& b, const int (&bound)[3]) {
  bool all = true;
  for (int i = 0; i < 3; ++i) all = all && static_cast<unsigned>(a.at[i] + b.at[i]) < static_cast<unsigned>(bound[i]);
  return all;
}

// One of these products, for all groups: element [m, k] of A at m * a_row + entry(k).other, [m, n] of C at
// m * c_row + entry(n).other, and bias[m], each from its group's first element on.
struct ConvProblem {
  const void *a, *b, *bias;
  void* c;
  int64_t groups, M, N, K;
  int64_t a_row, c_row;
  int64_t a_group, b_group, c_group;  // elements from one group to the next; of the bias, M
  ConvAxis n, k;
  int bound[3];  // the image that is read
  bool relu;     // of each finished element
  bool reduces;  // K is (image, position): long, and adjacent in A and B
};

// The products of each kernel. `phase` is that of backward_input, one number for each axis, below
// min(stride, input); N is 0 where nothing is written.
ConvProblem forward_problem(const ConvArgs& args);
ConvProblem backward_weight_problem(const ConvArgs& args);
ConvProblem backward_input_problem(const ConvArgs& args, const int64_t (&phase)[3]);

}  // namespace nn::cuda
