// Convolution by tiles: implicit matrix multiplication (conv_index.h) on the main loop of gemm_simt.cu, in which the
// slabs of B are gathered from images element by element, with cp.async, and nothing like an unfolded image exists.
//
// The idea: the entries of the n axis that a tile needs lie in shared memory, those of the k axis in a table in global
// memory that the first-level cache keeps; an element's address is the sum of two entries, and it is inside the image
// where the sum of two coordinates is, so that no copy divides. Lanes follow the images: along n for forward and
// backward_input, along k for backward_weight.
//
// Parallel: tiles, groups, and parts of K where there are few tiles, which is the rule for backward_weight: K is all
// positions of all images. Parts are added in their order by a second kernel.
//
// Bound: the FFMA rate where there are 64 channels and more in both directions; the copies, 16 instructions of four
// bytes for 1024 multiply-adds, below.
#include "cuda/conv_gather.cuh"
#include "cuda/simt_tile.cuh"

namespace nn::cuda {
namespace {

template <class T, class Tile>
struct ConvShared {
  Slabs<T, Tile> slabs;
  ConvEntry n[Tile::kN];
};

template <class T, class Tile>
__device__ __forceinline__ void store_tile(const ConvLaunch& launch, const ConvWork& work, const ConvEntry* n_entries,
                                           const T (&sums)[Tile::kRows][Tile::kCols]) {
  const ConvProblem& p = launch.p;
  T* const partial = static_cast<T*>(launch.partial);
  T* const c = partial ? partial + (work.part * p.groups + work.group) * p.M * p.N
                       : static_cast<T*>(p.c) + work.group * p.c_group;
#pragma unroll
  for (int i = 0; i < Tile::kRows; ++i) {
    const int64_t m = work.m + simt_row<Tile>(threadIdx.x, i);
    if (m >= p.M) continue;
    const T bias = p.bias && !partial ? static_cast<const T*>(p.bias)[work.group * p.M + m] : T(0);
#pragma unroll
    for (int j = 0; j < Tile::kCols; ++j) {
      const int col = simt_col<Tile>(threadIdx.x, j);
      if (work.n + col >= p.N) continue;
      const T sum = sums[i][j] + bias;
      const int64_t at = partial ? m * p.N + work.n + col : m * p.c_row + n_entries[col].other;
      c[at] = p.relu && !partial && sum < T(0) ? T(0) : sum;
    }
  }
}

template <class T, class Tile, bool kAlongK>
__global__ void __launch_bounds__(Tile::kThreads) conv_kernel(const __grid_constant__ ConvLaunch launch) {
  using Shared = ConvShared<T, Tile>;
  NN_SHARED(Shared, shared_memory, [1]);
  Shared& s = shared_memory[0];
  const int64_t number = blockIdx.x + int64_t{blockIdx.y} * gridDim.x;
  if (number >= launch.work) return;
  const ConvWork work = conv_work<Tile::kM, Tile::kN>(launch, number);
  const int columns = fill_columns<Tile::kN, Tile::kThreads>(launch.p, work, s.n);
  __syncthreads();

  const auto copy = [&](int slab, int stage) {
    T* const a = s.slabs.a[stage];
    T* const b = s.slabs.b[stage];
    copy_slabs<T, Tile::kM, Tile::kN, Tile::kK, Tile::kThreads, kAlongK>(
        launch, work, s.n, columns, slab, [a](int row, int k) { return a + k * slab_pitch(Tile::kM, sizeof(T)) + row; },
        [b](int row, int k) { return b + k * slab_pitch(Tile::kN, sizeof(T)) + row; });
  };
  const int slab_count = (work.depth + Tile::kK - 1) / Tile::kK;
#pragma unroll
  for (int slab = 0; slab < Tile::kStages - 1; ++slab) {
    if (slab < slab_count) copy(slab, slab);
    copy_async_commit();
  }
  T sums[Tile::kRows][Tile::kCols] = {};
  for (int slab = 0; slab < slab_count; ++slab) {
    copy_async_wait<Tile::kStages - 2>();
    __syncthreads();  // everyone's copies of this slab are there, and the slab before it has been used
    const int ahead = slab + Tile::kStages - 1;
    if (ahead < slab_count) copy(ahead, ahead % Tile::kStages);
    copy_async_commit();
    multiply_slab<T, Tile>(s.slabs.a[slab % Tile::kStages], s.slabs.b[slab % Tile::kStages], sums);
  }
  store_tile<T, Tile>(launch, work, s.n, sums);
}

template <class T>
__global__ void sum_parts_kernel(const __grid_constant__ ConvLaunch launch) {
  const ConvProblem& p = launch.p;
  const int64_t total = p.groups * p.M * p.N, step = int64_t{gridDim.x} * blockDim.x;
  const T* const partial = static_cast<const T*>(launch.partial);
  for (int64_t e = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; e < total; e += step) {
    T sum = partial[e];
    for (int i = 1; i < launch.parts; ++i) sum += partial[i * total + e];
    const int64_t row = e / p.N, m = row % p.M;
    if (p.bias) sum += static_cast<const T*>(p.bias)[row];
    const T y = p.relu && sum < T(0) ? T(0) : sum;
    static_cast<T*>(p.c)[row / p.M * p.c_group + m * p.c_row + describe(p.n, e % p.N).other] = y;
  }
}

template <class T, class Tile>
void launch_tiles(const ConvProblem& p, DType dtype, const LaunchContext& ctx) {
  const ConvPlan<T> plan(p, Tile::kM, Tile::kN, Tile::kK, ctx);
  if (p.reduces) {
    NN_LAUNCH((conv_kernel<T, Tile, true>), plan.grid(), Tile::kThreads, 0, ctx, plan.launch());
  } else {
    NN_LAUNCH((conv_kernel<T, Tile, false>), plan.grid(), Tile::kThreads, 0, ctx, plan.launch());
  }
  sum_conv_parts(plan.launch(), dtype, ctx);
}

}  // namespace

void sum_conv_parts(const ConvLaunch& launch, DType dtype, const LaunchContext& ctx) {
  if (launch.parts == 1) return;
  constexpr int64_t kThreads = 256, kMost = 4096;
  const int64_t blocks = ceil_div(launch.p.groups * launch.p.M * launch.p.N, kThreads);
  const dim3 grid(static_cast<unsigned>(blocks < kMost ? blocks : kMost));
  if (dtype == DType::float32) {
    NN_LAUNCH(sum_parts_kernel<float>, grid, kThreads, 0, ctx, launch);
  } else {
    NN_LAUNCH(sum_parts_kernel<double>, grid, kThreads, 0, ctx, launch);
  }
}

void conv_tiled(const ConvProblem& p, DType dtype, const LaunchContext& ctx) {
  if (dtype == DType::float64) return launch_tiles<double, SimtDoubleTile>(p, dtype, ctx);
  constexpr int64_t kEnough = 128;  // large tiles that fill a large GPU, parts of K included
  const int64_t tiles = ceil_div(p.M, int64_t{128}) * ceil_div(p.N, int64_t{128}) * p.groups;
  const bool large = p.M > 64 && p.N > 64 && tiles * (p.K < 8192 ? 1 : p.K / 4096) >= kEnough;
  large ? launch_tiles<float, SimtLargeTile>(p, dtype, ctx) : launch_tiles<float, SimtSmallTile>(p, dtype, ctx);
}

}  // namespace nn::cuda
