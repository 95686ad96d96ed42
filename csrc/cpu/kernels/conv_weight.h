// The sum behind backward_weight, for every output channel of every group at once.
#pragma once

#include "core/kernels/conv.h"

namespace nn::NN_ISA {

void correlate_weight(const ConvArgs& args, const LaunchContext& ctx);

}  // namespace nn::NN_ISA
