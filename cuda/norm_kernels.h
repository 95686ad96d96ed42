// What the files of the normalisations on CUDA share.
#pragma once

#include "core/kernels/norm.h"

namespace nn::cuda {

void local_response(const LocalResponseArgs& args, const LaunchContext& ctx);
void local_response_backward(const LocalResponseArgs& args, const LaunchContext& ctx);

}  // namespace nn::cuda
