// Contracts of the random numbers and of dropout. csrc/math/philox.h says which words belong to which element.
#pragma once

#include "core/kernels/kernel.h"

namespace nn {

// The generator: read when the kernel runs, not when it is launched, so that a launch can be replayed.
struct RandomState {
  uint64_t seed;
  uint64_t offset;  // of the next call
};

// y has `count` adjacent elements.
struct RandomArgs {
  DType dtype;
  void* y;
  int64_t count;
  const RandomState* state;
  double a, b;     // uniform: a + (b - a) u; normal: a + b z
  int64_t low;     // integers: low + the upper half of word * range
  uint64_t range;  // 0 means 2^64
};

// mask[i] = word i >= threshold; y[i] = mask[i] ? x[i] * scale : x[i] * 0. All have `count` adjacent elements; y may be
// x. `threshold` is p 2^32, up to 2^32 for p = 1.
struct DropoutArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  const void* x;
  void* y;
  bool* mask;
  int64_t count;
  const RandomState* state;
  uint64_t threshold;
  double scale;
};

// y[i] = mask[i] ? x[i] * scale : x[i] * 0
struct MaskScaleArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  const void* x;
  const bool* mask;
  void* y;
  int64_t count;
  double scale;
};

// y[r, i] = the place in row r that u[r, i] in [0, 1) falls on, with probabilities in proportion to the weights; `sums`
// are the weights up to each place, added up. All are adjacent, rows of `count` places, at least one, and `draws`
// draws.
struct DrawArgs {
  const double* weights;
  const double* sums;
  const double* u;
  int64_t* y;
  int64_t rows, count, draws;
};

struct AdvanceArgs {
  RandomState* state;  // its offset grows by one
};

struct RandomKernels {
  Kernel<RandomArgs> uniform;   // float32: 32-bit words, 24 of their bits; float64: 64-bit words, 53 of their bits
  Kernel<RandomArgs> normal;    // Box and Muller's, see the kernel
  Kernel<RandomArgs> integers;  // int64, from 64-bit words
  Kernel<DropoutArgs> dropout;
  Kernel<MaskScaleArgs> mask_scale;
  Kernel<DrawArgs> draw;
  Kernel<AdvanceArgs> advance;
};

}  // namespace nn
