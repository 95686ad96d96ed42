// Groups of one output channel; depthwise convolution above all, where no two planes meet in a sum.
#pragma once

#include "cpu/kernels/conv_correlate.h"

namespace nn::NN_ISA {

void correlate_planes(const Correlation& problem, const LaunchContext& ctx);   // cout = 1
void correlate_weight_planes(const ConvArgs& args, const LaunchContext& ctx);  // C = K = groups

}  // namespace nn::NN_ISA
