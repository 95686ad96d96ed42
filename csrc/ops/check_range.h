// Values of an argument that must lie in a range, because kernels follow them.
#pragma once

#include "core/array.h"
#include "core/faults.h"

namespace nn {

// That every element of `values`, contiguous int64, is in [low, high): the fault is raised at once on the CPU, and at
// the next synchronisation elsewhere.
void check_range(const Array& values, int64_t low, int64_t high, const Fault& fault);

}  // namespace nn
