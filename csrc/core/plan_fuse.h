// What a plan can join because it knows all launches in advance. Each step of it gives the same bits as what it
// replaces.
#pragma once

#include <vector>

#include "core/plan.h"

namespace nn {

// Rewrites the steps of a plan:
//   fill with 0, later +=           the sum with 0 is written, and the fill is gone
//   product or convolution, relu    relu in the epilogue, where nobody else reads what came before it
//   optimizer steps in a row        one launch, its table part of the plan
//   elementwise steps in a row      one pass over memory (plan_chain.h), which what nobody reads later never reaches
void fuse_steps(std::vector<PlanStep>& steps, const std::vector<PlanBlock>& blocks, Device device);

}  // namespace nn
