// The kernels of softmax and its losses, from their files to the table in softmax_xent.cu.
#pragma once

#include "core/kernels/softmax_xent.h"

namespace nn::cuda {

void run_nll_forward(const ClassLossArgs& a, const LaunchContext& ctx);
void run_nll_backward(const ClassLossArgs& a, const LaunchContext& ctx);
void run_cross_entropy_forward(const ClassLossArgs& a, const LaunchContext& ctx);
void run_cross_entropy_backward(const ClassLossArgs& a, const LaunchContext& ctx);

}  // namespace nn::cuda
