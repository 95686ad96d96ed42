// The kernels of pooling, from pool_max.cu, pool_avg.cu and pool_resample.cu to the table in pool.cu.
#pragma once

#include "core/kernels/pool.h"

namespace nn::cuda {

void run_max_forward(const MaxPoolArgs& a, const LaunchContext& ctx);
void run_max_backward(const MaxPoolIndexArgs& a, const LaunchContext& ctx);
void run_max_gather(const MaxPoolIndexArgs& a, const LaunchContext& ctx);
void run_avg_forward(const AvgPoolArgs& a, const LaunchContext& ctx);
void run_avg_backward(const AvgPoolArgs& a, const LaunchContext& ctx);
void run_resample(const ResampleArgs& a, const LaunchContext& ctx);

}  // namespace nn::cuda
