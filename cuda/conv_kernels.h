// The kernels that compute a ConvProblem, float32 or float64.
#pragma once

#include "cuda/conv_index.h"

namespace nn::cuda {

// By tiles, as matrices are multiplied: any problem.
void conv_tiled(const ConvProblem& p, DType dtype, const LaunchContext& ctx);
// The same of float32 by TF32, from compute capability 8.0 on.
void conv_mma(const ConvProblem& p, const LaunchContext& ctx);
// One thread for each element of C, where p.reduces is not set; and one block, where it is.
void conv_direct(const ConvProblem& p, DType dtype, const LaunchContext& ctx);
void conv_by_blocks(const ConvProblem& p, DType dtype, const LaunchContext& ctx);

void run_unfold(const UnfoldArgs& args, const LaunchContext& ctx);
void run_fold(const UnfoldArgs& args, const LaunchContext& ctx);

// The entries of the axis k, computed once for a launch: `count` of them, or, with the outer index left out, those of
// one image; device memory.
void fill_entries(const ConvAxis& axis, int64_t count, ConvEntry* entries, const LaunchContext& ctx);

}  // namespace nn::cuda
