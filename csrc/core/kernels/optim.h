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
  enum Adam : int { beta1 = 2, beta2, adam_eps };  // adamax, nadam and radam too
  enum Nadam : int { momentum_decay = 5 };
  enum Adadelta : int { rho = 2, adadelta_eps };
  enum Asgd : int { lambd = 2, asgd_alpha, t0 };
  enum Rprop : int { eta_minus = 2, eta_plus, step_min, step_max };
};

struct OptimFlags {
  enum : int32_t {
    maximize = 1,     // climb: the gradient counts negatively
    nesterov = 2,     // sgd
    first = 4,        // sgd: momentum_buffer is not read; it becomes the gradient
    decoupled = 8,    // adam, nadam, radam: weight decay scales the parameter instead of adding to the gradient (AdamW)
    eps_inside = 16,  // rmsprop: eps is added under the root
  };
};

inline constexpr int kOptimStates = 3;
inline constexpr int kOptimScalars = 2;

// One number of float32 or float64 that a step changes.
struct OptimScalar {
  DType dtype;
  void* data;
};

// One parameter: `size` elements of float32 or float64, contiguous in each of the arrays, which do not overlap. What a
// step keeps from one time to the next lies in `state`; an entry that is null is not used:
//   sgd      momentum_buffer
//   adagrad  sum
//   rmsprop  square_avg, momentum_buffer (may be null), grad_avg (null unless centered)
//   adam     exp_avg, exp_avg_sq, max_exp_avg_sq (null unless amsgrad)
//   adamax   exp_avg, exp_inf
//   nadam    exp_avg, exp_avg_sq; scalar mu_product
//   radam    exp_avg, exp_avg_sq
//   adadelta square_avg, acc_delta
//   asgd     ax; scalars eta, mu
//   rprop    prev, step_size
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
  OptimScalar scalar[kOptimScalars];  // read by every block of the launch, changed before the first or after the last
  const double* hyper;                // OptimHyper::kCount numbers
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
  Kernel<OptimArgs> adamax;
  Kernel<OptimArgs> nadam;
  Kernel<OptimArgs> radam;
  Kernel<OptimArgs> adadelta;
  Kernel<OptimArgs> asgd;
  Kernel<OptimArgs> rprop;
};

}  // namespace nn
