// The peak that other kernels are measured against: eight independent chains of multiply-adds in each thread's
// registers. Parallel: eight blocks of 256 threads on each multiprocessor, which are as many threads as it holds.
#include "core/kernels/probe.h"
#include "cuda/block.cuh"
#include "cuda/loops.cuh"

namespace nn::cuda {
namespace {

constexpr int kChains = 8;

// parts[block] = the sum of what all its chains end with.
template <class T>
__global__ void __launch_bounds__(kThreads) chains_kernel(int64_t rounds, double* parts) {
  NN_SHARED(double, shared, [kThreads / kWarp]);
  T x[kChains];
#pragma unroll
  for (int i = 0; i < kChains; ++i) x[i] = static_cast<T>(i + static_cast<int>(threadIdx.x));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) x[i] = x[i] * T(0.999) + T(0.001);
  }
  double total = 0;
#pragma unroll
  for (int i = 0; i < kChains; ++i) total += static_cast<double>(x[i]);
  total =
      block_reduce<kThreads>(total, [](double a, double b) { return a + b; }, shared, static_cast<int>(threadIdx.x));
  if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

__global__ void total_kernel(const double* parts, int blocks, double operations, double* flops) {
  double total = 0;
  for (int i = 0; i < blocks; ++i) total += parts[i];
  flops[0] = operations;
  flops[1] = total;
}

void fma(const ProbeArgs& args, const LaunchContext& ctx) {
  const auto blocks = static_cast<int>(8 * multiprocessors());
  const Workspace memory(static_cast<size_t>(blocks) * sizeof(double), ctx);
  double* const parts = static_cast<double*>(memory.data);
  with_floating(args.dtype, [&]<class T>(T) {
    NN_LAUNCH(chains_kernel<T>, static_cast<unsigned>(blocks), kThreads, 0, ctx, args.rounds, parts);
  });
  const double operations = 2.0 * kChains * kThreads * blocks * static_cast<double>(args.rounds);
  NN_LAUNCH(total_kernel, 1, 1, 0, ctx, parts, blocks, operations, args.flops);
}

}  // namespace

extern const ProbeKernels probe_kernels;
const ProbeKernels probe_kernels = {{"probe_fma", fma}};

}  // namespace nn::cuda
