#pragma once

#include "core/kernels/elementwise.h"

namespace nn::cuda {

void cast(const CastArgs& args, const LaunchContext& ctx);
void fill(const FillArgs& args, const LaunchContext& ctx);
void where(const WhereArgs& args, const LaunchContext& ctx);

}  // namespace nn::cuda
