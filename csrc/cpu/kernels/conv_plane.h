// Groups of one output channel; depthwise convolution above all, where no two planes meet in a sum.
#pragma once

#include "cpu/kernels/conv_correlate.h"

namespace nn::NN_ISA {

void correlate_planes(const Correlation& problem, const LaunchContext& ctx);   // cout = 1
void correlate_weight_planes(const ConvArgs& args, const LaunchContext& ctx);  // C = K = groups

// The same where planes are narrow and the window is 3 by 3 around each position; false, and nothing done, elsewhere.
bool correlate_narrow(const Correlation& problem, const LaunchContext& ctx);
bool correlate_weight_narrow(const ConvArgs& args, const LaunchContext& ctx);

}  // namespace nn::NN_ISA
