// Contracts of the normalisations: batch, layer, group, instance and RMS norm are one kernel over two kinds of groups.
#pragma once

#include "core/kernels/kernel.h"

namespace nn {

// x is [N, C, S] with C = G * K channels. The elements of a group share a mean and a variance; a group is
//   of a sample:   the K * S elements of (n, g), N * G groups in this order (layer norm has S = 1 and G = 1, instance
//                  norm K = 1);
//   of the batch:  with `batch`, where K = 1, the N * S elements of channel g, G groups (batch norm).
// With m and v the mean and variance of the group, r = 1 / sqrt(v + eps), and weight and bias [C] (1 and 0 if null):
//   forward     y = (x - m) r weight + bias, and m, v where they are not `fixed`
//   backward    with h = (x - m) r, a = gy weight, and E the mean over a group,
//               gx = r (a - E[a] - h E[a h]), or r a if `fixed`;   gweight = sum of gy h, gbias = sum of gy, for each
//               channel
// Where not `centered` (RMS norm), m is 0, v is the mean of x^2, and E[a] does not occur.
// Arrays are contiguous and any extent may be 0. y may be x; gx may be gy. What is null is not computed.
struct NormArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;  // of x, y, gy and gx; what belongs to channels is float32 where it has 16 bits
  int64_t N, G, K, S;
  bool batch, centered, fixed;
  double eps;
  const void* x;
  const void* weight;
  const void* bias;
  void* y;
  double* mean;  // one for each group, of float64 whatever x is, so that both steps subtract the same m; with `fixed`
  double* var;   // forward reads them, and backward always does
  const void* gy;
  void* gx;
  void* gweight;
  void* gbias;
};

// running = (1 - f) running + f s, where s is the mean over N of mean [N, C], or of var [N, C] * count / (count - 1),
// the unbiased variance. f is `momentum`, or 1 / *batches where `batches` is given: the average of all batches so far.
struct RunningArgs {
  DType dtype;  // of the running statistics
  int64_t N, C, count;
  double momentum;
  const int64_t* batches;
  const double* mean;
  const double* var;
  void* running_mean;
  void* running_var;
};

// Response normalisation across channels: x is [N, C, S], and with d[c] = k + alpha / size * the sum of x[i]^2 over the
// channels i in [c - size / 2, c + (size - 1) / 2] that there are,
//   forward     y = x d^-beta
//   backward    gx[c] = gy d^-beta - 2 alpha beta / size * x[c] * the sum of (gy x d^(-beta - 1))[i] over the i whose
//               window holds c
// size is at least 1. Arrays are contiguous; y is not x, gx is neither x nor gy.
struct LocalResponseArgs {
  DType dtype;
  int64_t N, C, S, size;
  double alpha, beta, k;
  const void* x;
  const void* gy;
  void* y;  // backward writes gx to it
};

struct NormKernels {
  Kernel<NormArgs> forward;
  Kernel<NormArgs> backward;
  Kernel<RunningArgs> running;
  Kernel<LocalResponseArgs> local_response;
  Kernel<LocalResponseArgs> local_response_backward;
};

}  // namespace nn
