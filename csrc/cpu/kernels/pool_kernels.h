// The kernels of pooling, from pool_max.cpp, pool_avg.cpp and pool_resample.cpp to the table in pool.cpp.
#pragma once

#include "core/kernels/pool.h"

namespace nn::NN_ISA {

void run_max_forward(const MaxPoolArgs& a, const LaunchContext& ctx);
void run_max_backward(const MaxPoolIndexArgs& a, const LaunchContext& ctx);
void run_max_gather(const MaxPoolIndexArgs& a, const LaunchContext& ctx);
void run_avg_forward(const AvgPoolArgs& a, const LaunchContext& ctx);
void run_avg_backward(const AvgPoolArgs& a, const LaunchContext& ctx);
void run_resample(const ResampleArgs& a, const LaunchContext& ctx);

}  // namespace nn::NN_ISA
