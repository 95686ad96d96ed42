// The two directions between images and columns of their windows, for the table in conv.cpp.
#pragma once

#include "core/kernels/conv.h"

namespace nn::NN_ISA {

void run_unfold(const UnfoldArgs& a, const LaunchContext& ctx);
void run_fold(const UnfoldArgs& a, const LaunchContext& ctx);

}  // namespace nn::NN_ISA
