// Elementwise steps in a row, joined into one pass over memory.
#pragma once

#include <vector>

#include "core/kernel_table.h"
#include "core/plan.h"

namespace nn {

// Joins runs of elementwise steps over the same number of adjacent elements. The bits are those of the steps. Arrays
// that only the run itself uses never reach memory.
//
// On the CPU a block of elements at a time goes through the kernels of the steps, and such arrays become a piece of
// working memory that stays in the cache. Where the table has a kernel for chains, the steps become its program, and
// such arrays stay in registers.
void chain_steps(std::vector<PlanStep>& steps, const std::vector<PlanBlock>& blocks, const ElementwiseKernels& kernels);

}  // namespace nn
