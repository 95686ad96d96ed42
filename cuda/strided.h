// Casts, fills and choices, from strided.cu and strided_move.cu to the table in tables.cpp.
#pragma once

#include "core/kernels/elementwise.h"

namespace nn::cuda {

void cast(const CastArgs& args, const LaunchContext& ctx);
void fill(const FillArgs& args, const LaunchContext& ctx);
void where(const WhereArgs& args, const LaunchContext& ctx);

// y = x, elements of `bytes` bytes.
void copy(const StridedLoop<2>& loop, int bytes, const LaunchContext& ctx);

}  // namespace nn::cuda
