// Convolution on CUDA: the table of the kernels, and the choice among the ways to compute them (conv_index.h has the
// idea that they share).
#include "cuda/conv_kernels.h"
#include "cuda/gemm_problem.h"
#include "cuda/kernel.cuh"

namespace nn::cuda {

extern const ConvKernels conv_kernels;

namespace {

// Products with few rows have no use for tiles: 4 of 64 rows are 1/16 of the work of a tile.
void run(const ConvProblem& p, const ConvArgs& args, const LaunchContext& ctx) {
  constexpr int64_t kFewRows = 4, kFewElements = 64, kHalfTile = 64;
  const DType dtype = args.dtype;
  if (p.groups * p.M * p.N == 0) return;
  const bool vast = p.K > INT32_MAX && p.K / args.geometry.N > INT32_MAX;  // outputs of one image
  if (p.reduces && (p.M * p.N <= kFewElements || vast)) return conv_by_blocks(p, dtype, ctx);
  if (!p.reduces && p.M <= kFewRows) return conv_direct(p, dtype, ctx);
  const bool rounds = dtype == DType::float32 && args.precision != Precision::highest && !simt_only();
  if (rounds && p.M >= kHalfTile && p.N >= kHalfTile && compute_capability() >= 80) return conv_mma(p, ctx);
  conv_tiled(p, dtype, ctx);
}

void run_forward(const ConvArgs& args, const LaunchContext& ctx) { run(forward_problem(args), args, ctx); }

void run_backward_weight(const ConvArgs& args, const LaunchContext& ctx) {
  run(backward_weight_problem(args), args, ctx);
}

void run_backward_input(const ConvArgs& args, const LaunchContext& ctx) {
  const int64_t* const stride = args.geometry.stride;
  int64_t phase[3];
  for (phase[0] = 0; phase[0] < stride[0]; ++phase[0])
    for (phase[1] = 0; phase[1] < stride[1]; ++phase[1])
      for (phase[2] = 0; phase[2] < stride[2]; ++phase[2]) run(backward_input_problem(args, phase), args, ctx);
}

}  // namespace

const ConvKernels conv_kernels = {
    {"conv_forward", run_forward},
    {"conv_backward_input", run_backward_input},
    {"conv_backward_weight", run_backward_weight},
    {"unfold", run_unfold},
    {"fold", run_fold},
};

}  // namespace nn::cuda
