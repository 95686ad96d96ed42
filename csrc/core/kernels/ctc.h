// Contract of the loss of connectionist temporal classification.
#pragma once

#include "core/kernels/kernel.h"

namespace nn {

// loss[n] = -log of the sum, over all alignments of the target of sample n with its frames, of their probabilities.
// log_probs x is [T, N, C]; labels [N, S] are classes, `lengths[n]` of them in use, frames[n] of the T frames. Where
// there is no alignment the loss is inf, or 0 with zero_infinity.
// gx, unless null, is [T, N, C]: e^x minus the posterior probability of the class at that frame, the gradient by
// logits; 0 for frames that are not in use; where there is no alignment NaN, or 0 with zero_infinity. Arrays are
// contiguous. N, S and T may be 0.
struct CtcArgs {
  DType dtype;
  int64_t T, N, C, S;
  const void* x;
  const int64_t* labels;
  const int64_t* frames;
  const int64_t* lengths;
  int64_t blank;
  bool zero_infinity;
  void* loss;
  void* gx;
};

struct CtcKernels {
  Kernel<CtcArgs> ctc;
};

}  // namespace nn
