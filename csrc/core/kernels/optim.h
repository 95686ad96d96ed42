// Contracts of the optimizer steps: one launch updates all parameters of an optimizer, in place.
#pragma once

#include "core/kernels/kernel.h"

namespace nn {

// What an optimizer is told: one row of float64 for each parameter group. The kernels read it when they run, so that a
// launch that was recorded can be run again with other values.
struct OptimHyper {
  enum : int { lr, decay, kCount = 8 };  // the same places for every algorithm; then its own:
  enum Sgd : int { momentum = 2, dampening };
  enum Adagrad : int { lr_decay = 2, adagrad_eps };
  enum Rmsprop : int { alpha = 2, rmsprop_eps, rmsprop_momentum };
  enum Adam : int { beta1 = 2, beta2, adam_eps };
};

struct OptimFlags {
  enum : int32_t {
    maximize = 1,   // climb: the gradient counts negatively
    nesterov = 2,   // sgd
    first = 4,      // sgd: momentum_buffer is not read; it becomes the gradient
    decoupled = 8,  // adam: weight decay scales the parameter instead of adding to the gradient (AdamW)
  };
};

inline constexpr int kOptimStates = 3;

// One parameter: `size` elements of float32 or float64, contiguous in each of the arrays, which do not overlap. What a
// step keeps from one time to the next lies in `state`; an entry that is null is not used:
//   sgd      momentum_buffer
//   adagrad  sum
//   rmsprop  square_avg, momentum_buffer (may be null), grad_avg (null unless centered)
//   adam     exp_avg, exp_avg_sq, max_exp_avg_sq (null unless amsgrad)
// `step` counts the steps taken, and the launch adds one to it; null for sgd.
struct OptimTensor {
  DType dtype;
  int32_t flags;
  int64_t size;
  int64_t first_block;  // the number of blocks of all tensors before this one
  void* param;
  const void* grad;
  void* state[kOptimStates];
  float* step;
  const double* hyper;  // OptimHyper::kCount numbers
};

// The unit in which threads share the work. Where blocks begin depends on sizes only.
inline constexpr int64_t kOptimBlock = 1024;

struct OptimArgs {
  const OptimTensor* tensors;
  int64_t count;
  int64_t blocks;  // of all tensors: the sum of ceil(size / kOptimBlock)
};

struct OptimKernels {
  Kernel<OptimArgs> sgd;
  Kernel<OptimArgs> adagrad;
  Kernel<OptimArgs> rmsprop;
  Kernel<OptimArgs> adam;
};

}  // namespace nn
