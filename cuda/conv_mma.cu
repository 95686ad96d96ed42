// Convolution of float32 on the tensor cores, factors rounded to TF32: the gathered products of conv_index.h on the
// main loop of gemm_mma.cu; compute capability 8.0 and newer.
//
// The idea and the parallelisation are those of conv_tile.cu. Weights, or gy, lie along k and so do their slabs; images
// are gathered along n for forward and backward_input, along k for backward_weight, and their slabs keep that order.
//
// Bound: the copies. Gathering takes an instruction for every element of a slab, 16 for each thread beside 32 products
// of a warp, where gemm_mma.cu copies four at a time.
#include "cuda/conv_gather.cuh"
#include "cuda/mma_tile.cuh"

namespace nn::cuda {
namespace {

using namespace mma;

constexpr int kK = Fragment<float>::kK;
constexpr int kConvBytes = kSharedBytes + kTile * static_cast<int>(sizeof(ConvEntry));

// The warp's elements of C, or of its partial sums, 16 rows at a time; lanes go along n.
__device__ __forceinline__ void store_tile(const ConvLaunch& launch, const ConvWork& work, const ConvEntry* n_entries,
                                           const WarpSums& sums, float* stage) {
  const ConvProblem& p = launch.p;
  float* const partial = static_cast<float*>(launch.partial);
  float* const c = partial ? partial + (work.part * p.groups + work.group) * p.M * p.N
                           : static_cast<float*>(p.c) + work.group * p.c_group;
  const float* const bias = partial ? nullptr : static_cast<const float*>(p.bias);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, col = warp % 4 * kColTiles * 8 + lane;
  const bool exists = work.n + col < p.N;
  const int64_t at = !exists ? 0 : partial ? work.n + col : n_entries[col].other;
#pragma unroll
  for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
    for (int j = 0; j < kColTiles; ++j) stage_fragment(stage, j, sums[i][j]);
    __syncwarp();
#pragma unroll 1
    for (int row = 0; row < kStageRows; ++row) {
      const int64_t m = work.m + (warp / 4 * kRowTiles + i) * 16 + row;
      if (!exists || m >= p.M) continue;
      const float sum = stage[row * kStagePitch + lane] + (bias ? bias[work.group * p.M + m] : 0.0f);
      c[m * (partial ? p.N : p.c_row) + at] = p.relu && !partial && sum < 0.0f ? 0.0f : sum;
    }
    __syncwarp();
  }
}

template <bool kAlongK>
__global__ void __launch_bounds__(kThreads) conv_mma_kernel(const __grid_constant__ ConvLaunch launch) {
  NN_SHARED_DYNAMIC(unsigned char, slabs);
  auto* const n_entries = reinterpret_cast<ConvEntry*>(slabs + kSharedBytes);
  const int64_t number = blockIdx.x + int64_t{blockIdx.y} * gridDim.x;
  if (number >= launch.work) return;
  const ConvWork work = conv_work<kTile, kTile>(launch, number);
  const int columns = fill_columns<kTile, kThreads>(launch.p, work, n_entries);
  __syncthreads();

  const auto slab_a = [&](int stage) { return slabs + 2 * stage * kSlabBytes; };
  const auto slab_b = [&](int stage) { return slabs + (2 * stage + 1) * kSlabBytes; };
  const auto copy = [&](int slab, int stage) {
    unsigned char* const a = slab_a(stage);
    unsigned char* const b = slab_b(stage);
    copy_slabs<float, kTile, kTile, kK, kThreads, kAlongK>(
        launch, work, n_entries, columns, slab, [a](int row, int k) { return a + place<float, true>(row, k * 4); },
        [b](int row, int k) {
          return b + (kAlongK ? place<float, true>(row, k * 4) : place<float, false>(k, row * 4));
        });
  };
  const int slab_count = (work.depth + kK - 1) / kK;
#pragma unroll
  for (int slab = 0; slab < kStages - 1; ++slab) {
    if (slab < slab_count) copy(slab, slab);
    copy_async_commit();
  }
  WarpSums sums = {};
  for (int slab = 0; slab < slab_count; ++slab) {
    copy_async_wait<kStages - 2>();
    __syncthreads();  // everyone's copies of this slab are there, and the slab before it has been used
    if (slab + kStages - 1 < slab_count) copy(slab + kStages - 1, (slab + kStages - 1) % kStages);
    copy_async_commit();
    multiply_slab<float, true, kAlongK>(slab_a(slab % kStages), slab_b(slab % kStages), sums);
  }
  __syncthreads();  // the slabs are used for other things from here on
  store_tile(launch, work, n_entries, sums, reinterpret_cast<float*>(slabs) + threadIdx.x / 32 * kStageWords);
}

}  // namespace

void conv_mma(const ConvProblem& p, const LaunchContext& ctx) {
  const ConvPlan<float> plan(p, kTile, kTile, kK, ctx);
  if (p.reduces) {
    allow_shared(conv_mma_kernel<true>, kConvBytes);
    NN_LAUNCH(conv_mma_kernel<true>, plan.grid(), kThreads, kConvBytes, ctx, plan.launch());
  } else {
    allow_shared(conv_mma_kernel<false>, kConvBytes);
    NN_LAUNCH(conv_mma_kernel<false>, plan.grid(), kThreads, kConvBytes, ctx, plan.launch());
  }
  sum_conv_parts(plan.launch(), DType::float32, ctx);
}

}  // namespace nn::cuda
