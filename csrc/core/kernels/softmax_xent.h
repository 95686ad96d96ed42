// Contracts of softmax and of the losses on class scores.
#pragma once

#include "core/kernels/fault.h"
#include "core/kernels/kernel.h"

namespace nn {

// Softmax of x, seen as [outer, n, inner], over n: y = e^(x - m) / s, m = max x, s = sum e^(x - m); its logarithm
// y = x - m - log s with `log`. Arrays are contiguous. Any extent may be 0. y may be x.
struct SoftmaxArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  int64_t outer, n, inner;
  bool log;
  const void* x;
  void* y;
};

// gx = y (gy - sum over n of gy y), or gx = gy - e^y sum gy with `log`, where y is the softmax or its logarithm.
// gx may be gy.
struct SoftmaxBackwardArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  int64_t outer, n, inner;
  bool log;
  const void* y;
  const void* gy;
  void* gx;
};

enum class LossReduction : int32_t { none, mean, sum };

// A loss on scores x [N, C, inner] with class indices target [N, inner]; the rows are the N * inner places. With w the
// class weights (1 if null), e the label smoothing, t = target[row], and everything 0 where t is ignore_index:
//   nll             loss[row] = -w[t] x[t]                                   gx = -g w[t] at t, 0 elsewhere
//   cross_entropy   loss[row] = -sum over c of q[c] log_softmax(x)[c]        gx = g (A softmax(x) - q)
//                   q[c] = (1 - e) w[t] [c = t] + e / C w[c], A = sum over c of q[c]
// Reduced, the loss is one element: the sum, for `mean` divided by the sum of w[t], which forward leaves in `total` for
// backward. g is gy[row], or gy[0] when reduced; for `mean` it is divided by `total`.
// Where cross_entropy's forward is given gx (CUDA), it writes the gradient for gy = 1 there in the same pass, and
// backward without x multiplies what gx holds by gy.
struct ClassLossArgs {
  DType dtype;
  int64_t N, C, inner;
  LossReduction reduction;
  int64_t ignore_index;
  double smoothing;  // 0 for nll
  const void* x;     // not read by nll_backward; null in cross_entropy's backward if gx holds the gradient for gy = 1
  const int64_t* target;
  const void* weight;  // [C] or null
  void* loss;          // [N * inner] or one element; backward reads gy from it
  void* stats;         // cross_entropy, from forward to backward: max x, log sum e^(x - max x), A, each [N * inner]
  void* total;         // one element
  int64_t* wrong;      // forward writes 1 and the first target that is neither in [0, C) nor ignored, or 0 and 0
  FaultSite fault;     // where it has a word, forward reports such a target there and leaves `wrong` alone
  void* gx;            // [N, C, inner]; backward writes it, and cross_entropy's forward on CUDA if not null
};

struct SoftmaxXentKernels {
  Kernel<SoftmaxArgs> softmax;
  Kernel<SoftmaxBackwardArgs> softmax_backward;
  Kernel<ClassLossArgs> nll_forward;
  Kernel<ClassLossArgs> nll_backward;
  Kernel<ClassLossArgs> cross_entropy_forward;
  Kernel<ClassLossArgs> cross_entropy_backward;
};

}  // namespace nn
