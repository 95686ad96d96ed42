// Optimizer steps over all parameters at once.
#pragma once

#include <string>
#include <vector>

#include "core/array.h"
#include "core/kernels/optim.h"

namespace nn {

// One parameter of a step. Null where the algorithm keeps no such state; see core/kernels/optim.h.
struct OptimItem {
  const Array* param;
  const Array* grad;
  const Array* state[kOptimStates];
  const Array* step;
  const Array* scalar[kOptimScalars];
  int64_t group;  // the row of `hyper` that holds for it
  int32_t flags;
};

// One step of `algorithm`, the name of a kernel of OptimKernels, for all items: a launch on each device. `hypers` are
// the same numbers on each, float64 [groups, OptimHyper::kCount]; false, and nothing is done, where a parameter's
// device has none. Parameters and gradients may have any strides; state is contiguous. Parameters may differ in dtype.
bool optim_step(const std::string& algorithm, const std::vector<OptimItem>& items, const std::vector<Array>& hypers);

}  // namespace nn
