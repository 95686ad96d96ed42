#pragma once

#include "core/array.h"

namespace nn {

// Floating operations per second of independent multiply-adds with the current threads and instruction set: the best of
// several short runs.
double measure_fma_peak(DType dtype, Device device);

}  // namespace nn
