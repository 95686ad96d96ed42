// Elementwise steps in a row, joined into one pass over memory.
#pragma once

#include <vector>

#include "core/plan.h"

namespace nn {

// Joins runs of elementwise steps over the same number of adjacent elements: a block of elements at a time goes through
// all kernels of the run. The kernels are those of the steps, so the bits are too. Arrays that only the run itself uses
// become a piece of working memory that stays in the cache.
void chain_steps(std::vector<PlanStep>& steps, const std::vector<PlanBlock>& blocks);

}  // namespace nn
