// Convolution without tiles, for products with few rows, as depthwise convolutions are: a tile would be empty mostly.
//
// conv_direct: a thread computes one element of C, so that neighbours read neighbouring elements of the image; the
// weights are the same for a whole warp. conv_by_blocks: a block computes one element, its threads taking K in turns,
// and adds their sums in a fixed order. Bound: reading B from the first-level cache, once for each multiply-add.
#include "cuda/conv_kernels.h"
#include "cuda/kernel.cuh"

namespace nn::cuda {
namespace {

constexpr int kThreads = 256;

struct DirectLaunch {
  ConvProblem p;
  const ConvEntry* k_entries;
  int64_t k_period;
};

__global__ void fill_entries_kernel(const __grid_constant__ ConvAxis axis, int64_t count, ConvEntry* entries) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) entries[i] = describe(axis, i);
}

// The terms first, first + step, ... of element [m, n] of a group's product. kImages: k runs over images, and the table
// has the entries of one.
template <class T, bool kImages>
__device__ __forceinline__ T sum_terms(const DirectLaunch& launch, int64_t group, int64_t m, const ConvEntry& n,
                                       int64_t first, int64_t step) {
  const ConvProblem& p = launch.p;
  const T* const a = static_cast<const T*>(p.a) + group * p.a_group + m * p.a_row;
  const T* const b = static_cast<const T*>(p.b) + group * p.b_group + n.gathered;
  T sum = 0;
  for (int64_t i = first; i < p.K; i += step) {
    const int64_t outer = kImages ? i / launch.k_period : 0;
    const ConvEntry k = launch.k_entries[i - outer * launch.k_period];
    if (inside(n, k, p.bound)) sum += a[k.other + outer * p.k.other_outer] * b[k.gathered + outer * p.k.outer];
  }
  return sum;
}

template <class T>
__device__ __forceinline__ void store(const ConvProblem& p, int64_t group, int64_t m, const ConvEntry& n, T sum) {
  if (p.bias) sum += static_cast<const T*>(p.bias)[group * p.M + m];
  static_cast<T*>(p.c)[group * p.c_group + m * p.c_row + n.other] = p.relu && sum < T(0) ? T(0) : sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads) direct_kernel(const __grid_constant__ DirectLaunch launch) {
  const ConvProblem& p = launch.p;
  const int64_t total = p.groups * p.M * p.N, step = int64_t{gridDim.x} * kThreads;
  for (int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x; e < total; e += step) {
    const int64_t row = e / p.N, group = row / p.M, m = row % p.M;
    const ConvEntry n = describe(p.n, e % p.N);
    store(p, group, m, n, sum_terms<T, false>(launch, group, m, n, 0, 1));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) block_kernel(const __grid_constant__ DirectLaunch launch) {
  NN_SHARED(T, sums, [kThreads]);
  const ConvProblem& p = launch.p;
  const int64_t total = p.groups * p.M * p.N;
  for (int64_t e = blockIdx.x; e < total; e += gridDim.x) {
    const int64_t row = e / p.N, group = row / p.M, m = row % p.M;
    const ConvEntry n = describe(p.n, e % p.N);
    sums[threadIdx.x] = sum_terms<T, true>(launch, group, m, n, threadIdx.x, kThreads);
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
      if (static_cast<int>(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
      __syncthreads();
    }
    if (threadIdx.x == 0) store(p, group, m, n, sums[0]);
    __syncthreads();  // the sums are written again
  }
}

unsigned blocks_for(int64_t count, int64_t most) { return static_cast<unsigned>(count < most ? count : most); }

// body(launch): with the table of entries.
template <class Body>
void with_entries(const ConvProblem& p, const LaunchContext& ctx, const Body& body) {
  DirectLaunch launch{p, nullptr, p.reduces ? p.k.extent[0] * p.k.extent[1] * p.k.extent[2] : p.K};
  const Workspace entries(static_cast<size_t>(launch.k_period) * sizeof(ConvEntry), ctx);
  fill_entries(p.k, launch.k_period, static_cast<ConvEntry*>(entries.data), ctx);
  launch.k_entries = static_cast<const ConvEntry*>(entries.data);
  body(launch);
}

}  // namespace

void fill_entries(const ConvAxis& axis, int64_t count, ConvEntry* entries, const LaunchContext& ctx) {
  if (count == 0) return;
  NN_LAUNCH(fill_entries_kernel, blocks_for(ceil_div(count, int64_t{kThreads}), 1024), kThreads, 0, ctx, axis, count,
            entries);
}

void conv_direct(const ConvProblem& p, DType dtype, const LaunchContext& ctx) {
  with_entries(p, ctx, [&](const DirectLaunch& launch) {
    const dim3 grid(blocks_for(ceil_div(p.groups * p.M * p.N, int64_t{kThreads}), 1 << 20));
    if (dtype == DType::float32) {
      NN_LAUNCH(direct_kernel<float>, grid, kThreads, 0, ctx, launch);
    } else {
      NN_LAUNCH(direct_kernel<double>, grid, kThreads, 0, ctx, launch);
    }
  });
}

void conv_by_blocks(const ConvProblem& p, DType dtype, const LaunchContext& ctx) {
  with_entries(p, ctx, [&](const DirectLaunch& launch) {
    const dim3 grid(blocks_for(p.groups * p.M * p.N, 1 << 20));
    if (dtype == DType::float32) {
      NN_LAUNCH(block_kernel<float>, grid, kThreads, 0, ctx, launch);
    } else {
      NN_LAUNCH(block_kernel<double>, grid, kThreads, 0, ctx, launch);
    }
  });
}

}  // namespace nn::cuda
