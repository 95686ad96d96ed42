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
#include "cuda/conv_kernels.h"
#include "cuda/gemm_problem.h"
#include "cuda/primitives.cuh"
#include "cuda/simt_tile.cuh"

namespace nn::cuda {
namespace {

struct ConvLaunch {
  ConvProblem p;
  const ConvEntry* k_entries;
  int64_t k_period;  // entries in the table; further ones differ by the outer strides of the axis
  void* partial;     // [parts, groups, M, N], or null
  int64_t tile_rows, tile_cols, work, k_size;
  int parts;
};

__device__ __forceinline__ ConvEntry k_entry(const ConvLaunch& launch, int64_t k) {
  if (!launch.p.reduces) return launch.k_entries[k];
  const int64_t outer = k / launch.k_period;
  ConvEntry e = launch.k_entries[k - outer * launch.k_period];
  e.gathered += outer * launch.p.k.outer;
  e.other += outer * launch.p.k.other_outer;
  return e;
}

// What a block works on.
struct ConvWork {
  int64_t m, n, group, part, k_begin;
  int depth;
};

template <class Tile>
__device__ ConvWork conv_work(const ConvLaunch& launch, int64_t work) {
  const int64_t tiles = launch.tile_rows * launch.tile_cols, part = work / tiles % launch.parts;
  const MatrixPlace tile = tile_place(work % tiles, launch.tile_rows, launch.tile_cols);
  const int64_t begin = part * launch.k_size, left = launch.p.K - begin;
  return {tile.row * Tile::kM,
          tile.col * Tile::kN,
          work / tiles / launch.parts,
          part,
          begin,
          static_cast<int>(left < launch.k_size ? left : launch.k_size)};
}

template <class T, class Tile>
struct ConvShared {
  Slabs<T, Tile> slabs;
  ConvEntry n[Tile::kN];
};

// Starts the copies of a slab of A, which lies along k.
template <class T, class Tile>
__device__ __forceinline__ void copy_a(const ConvProblem& p, const T* a, int64_t rows, const ConvEntry& k,
                                       bool k_inside, T* slab) {
  constexpr int kPitch = slab_pitch(Tile::kM, sizeof(T)), kCopies = Tile::kM * Tile::kK / Tile::kThreads;
  const CopyPlan plan = single_copies(threadIdx.x, Tile::kThreads, Tile::kM, Tile::kK, true);
  const T* from = a + plan.row * p.a_row + k.other;
  T* to = slab + plan.k * kPitch + plan.row;
#pragma unroll
  for (int i = 0; i < kCopies; ++i) {
    const bool valid = k_inside && plan.row + i * plan.row_step < rows;
    copy_async<sizeof(T)>(to, from, valid ? sizeof(T) : 0);
    from += plan.row_step * p.a_row;
    to += plan.row_step;
  }
}

// The same of B, gathered. `k` is the entry of this thread's k where lanes go along k, and not used otherwise.
template <class T, class Tile, bool kAlongK>
__device__ __forceinline__ void copy_b(const ConvLaunch& launch, const T* b, const ConvEntry* n_entries, int columns,
                                       int64_t k_first, int k_left, const ConvEntry& k, T* slab) {
  constexpr int kPitch = slab_pitch(Tile::kN, sizeof(T)), kCopies = Tile::kN * Tile::kK / Tile::kThreads;
  const CopyPlan plan = single_copies(threadIdx.x, Tile::kThreads, Tile::kN, Tile::kK, kAlongK);
#pragma unroll
  for (int i = 0; i < kCopies; ++i) {
    const int row = plan.row + i * plan.row_step, depth = plan.k + i * plan.k_step;
    const bool exists = row < columns && depth < k_left;
    int64_t offset = 0;
    bool valid = false;
    if (exists) {
      const ConvEntry n = n_entries[row];
      const ConvEntry at = kAlongK ? k : launch.k_entries[k_first + depth];
      valid = inside(n, at, launch.p.bound);
      offset = n.gathered + at.gathered;
    }
    copy_async<sizeof(T)>(slab + depth * kPitch + row, b + offset, valid ? sizeof(T) : 0);
  }
}

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
      c[partial ? m * p.N + work.n + col : m * p.c_row + n_entries[col].other] = sums[i][j] + bias;
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
  const ConvProblem& p = launch.p;
  const ConvWork work = conv_work<Tile>(launch, number);
  const T* const a = static_cast<const T*>(p.a) + work.group * p.a_group + work.m * p.a_row;
  const T* const b = static_cast<const T*>(p.b) + work.group * p.b_group;
  const int columns = static_cast<int>(p.N - work.n < Tile::kN ? p.N - work.n : Tile::kN);
  for (int i = threadIdx.x; i < columns; i += Tile::kThreads) s.n[i] = describe(p.n, work.n + i);
  __syncthreads();

  const int own_k = single_copies(threadIdx.x, Tile::kThreads, Tile::kM, Tile::kK, true).k;
  const auto copy = [&](int slab, int stage) {
    const int first = slab * Tile::kK;
    const bool k_inside = first + own_k < work.depth;
    ConvEntry k{};
    if (k_inside) k = k_entry(launch, work.k_begin + first + own_k);
    copy_a<T, Tile>(p, a, p.M - work.m, k, k_inside, s.slabs.a[stage]);
    copy_b<T, Tile, kAlongK>(launch, b, s.n, columns, work.k_begin + first, work.depth - first, k, s.slabs.b[stage]);
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
    static_cast<T*>(p.c)[row / p.M * p.c_group + m * p.c_row + describe(p.n, e % p.N).other] = sum;
  }
}

template <class T, class Tile>
void launch_tiles(const ConvProblem& p, const LaunchContext& ctx) {
  ConvLaunch launch{};
  launch.p = p;
  launch.tile_rows = ceil_div(p.M, int64_t{Tile::kM});
  launch.tile_cols = ceil_div(p.N, int64_t{Tile::kN});
  const int64_t tiles = launch.tile_rows * launch.tile_cols * p.groups;
  const KSplit split = choose_split(p.K, tiles, Tile::kK);
  launch.k_size = split.size, launch.parts = split.count, launch.work = tiles * split.count;
  launch.k_period = p.reduces ? p.k.extent[0] * p.k.extent[1] * p.k.extent[2] : p.K;
  const Workspace entries(static_cast<size_t>(launch.k_period) * sizeof(ConvEntry), ctx);
  launch.k_entries = static_cast<const ConvEntry*>(entries.data);
  fill_entries(p.k, launch.k_period, static_cast<ConvEntry*>(entries.data), ctx);
  const int64_t size = p.groups * p.M * p.N;
  const Workspace partial(split.count > 1 ? static_cast<size_t>(split.count * size) * sizeof(T) : 0, ctx);
  launch.partial = split.count > 1 ? partial.data : nullptr;

  constexpr int64_t kMost = INT32_MAX, kSumThreads = 256, kSumBlocks = 4096;
  const dim3 grid(static_cast<unsigned>(launch.work < kMost ? launch.work : kMost),
                  static_cast<unsigned>(ceil_div(launch.work, kMost)));
  if (p.reduces)
    NN_LAUNCH((conv_kernel<T, Tile, true>), grid, Tile::kThreads, 0, ctx, launch);
  else
    NN_LAUNCH((conv_kernel<T, Tile, false>), grid, Tile::kThreads, 0, ctx, launch);
  if (split.count == 1) return;
  const int64_t blocks = ceil_div(size, kSumThreads);
  NN_LAUNCH(sum_parts_kernel<T>, dim3(static_cast<unsigned>(blocks < kSumBlocks ? blocks : kSumBlocks)), kSumThreads, 0,
            ctx, launch);
}

}  // namespace

void conv_tiled(const ConvProblem& p, DType dtype, const LaunchContext& ctx) {
  if (dtype == DType::float64) return launch_tiles<double, SimtDoubleTile>(p, ctx);
  constexpr int64_t kEnough = 128;  // large tiles that fill a large GPU, parts of K included
  const int64_t tiles = ceil_div(p.M, int64_t{128}) * ceil_div(p.N, int64_t{128}) * p.groups;
  const bool large = p.M > 64 && p.N > 64 && tiles * (p.K < 8192 ? 1 : p.K / 4096) >= kEnough;
  large ? launch_tiles<float, SimtLargeTile>(p, ctx) : launch_tiles<float, SimtSmallTile>(p, ctx);
}

}  // namespace nn::cuda
