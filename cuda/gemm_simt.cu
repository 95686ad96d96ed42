// Matrix multiplication on the ordinary arithmetic units: float32 exact (every product and sum an FFMA), float64,
// the integer types, and those of 16 bits for devices without tensor cores for them. The tensor cores have kernels of
// their own (gemm_mma.cu, gemm_sm90.cu); this one takes everything, and is what they are compared with.
//
// The idea: a block of 256 threads computes a tile of C, 128 x 128 for large problems; each thread keeps 8 x 8 elements
// in registers, so that 16 values read from shared memory feed 64 multiply-adds. A and B come in slabs of 16 along K,
// both with K as the slow axis in shared memory, the next slab on its way (cp.async) while one is used.
//
// Parallel: tiles, products of a batch, and parts of K where there are few tiles (choose_split; the parts are added in
// their order by a second kernel). Tiles are taken in bands for the sake of L2 (tile_place).
//
// Copies: 16 bytes each where the elements along M, or N, are adjacent and aligned; else one element each, with any
// strides, the lanes of a warp along K or along M as the operand lies. One instruction then fills a row of four words
// by eight: for 128 x 128 x 16 that is 16 copies beside 1024 multiply-adds a thread.
//
// Bound: the FFMA rate from about 1024 cubed on (2 M N K / 67 TFLOP/s on an H100; 45-50 are reached by the best known);
// below that the latency of one slab after another.
#include <stdexcept>
#include <type_traits>

#include "cuda/gemm_epilogue.cuh"
#include "cuda/gemm_tiles.cuh"
#include "cuda/primitives.cuh"
#include "cuda/simt_tile.cuh"

namespace nn::cuda {
namespace {

struct SimtLaunch {
  TiledLaunch tiled;
  bool a_along_k, b_along_k;
};

// The copies of one operand, slab after slab: the elements [k, row] with `row` below `rows` and k below `depth` lie at
// data[row * row_stride + k * k_stride]; what lies outside is zero.
template <class T, class Tile, int kExtent, bool kWide>
class SlabCopy {
 public:
  static constexpr int kWidth = kWide ? 16 / sizeof(T) : 1;
  static constexpr int kCopies = kExtent * Tile::kK / kWidth / Tile::kThreads;
  static constexpr int kPitch = slab_pitch(kExtent, sizeof(T));

  __device__ SlabCopy(const T* data, int64_t row_stride, int64_t k_stride, int64_t rows, int depth, bool along_k) {
    const CopyPlan plan = kWide ? wide_copies(threadIdx.x, Tile::kThreads, kExtent, kWidth)
                                : single_copies(threadIdx.x, Tile::kThreads, kExtent, Tile::kK, along_k);
    from_ = data + plan.row * row_stride + plan.k * k_stride;
    step_ = plan.row_step * row_stride + plan.k_step * k_stride;
    slab_ = Tile::kK * k_stride;
    to_ = plan.k * kPitch + plan.row;
    to_step_ = plan.k_step * kPitch + plan.row_step;
    const int left = static_cast<int>(rows < kExtent ? rows : kExtent) - plan.row;
    width_ = left < 0 ? 0 : left < kWidth ? left : kWidth;
    rows_inside_ = left <= 0 ? 0 : plan.row_step == 0 ? kCopies : (left + plan.row_step - 1) / plan.row_step;
    depth_ = depth - plan.k;
    k_step_ = plan.k_step;
  }

  // Starts the copies of the next slab.
  __device__ void next(T* slab) {
    const T* from = from_;
    T* to = slab + to_;
    // Copies go along one axis, so that the first so many of them are inside.
    int inside = depth_ <= 0 ? 0 : rows_inside_;
    if (k_step_ != 0 && (inside - 1) * k_step_ >= depth_) inside = (depth_ + k_step_ - 1) / k_step_;
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      copy_async<kWidth * sizeof(T)>(to, from, i < inside ? width_ * static_cast<int>(sizeof(T)) : 0);
      from += step_;
      to += to_step_;
    }
    from_ += slab_;
    depth_ -= Tile::kK;
  }

 private:
  const T* from_;
  int64_t step_, slab_;
  int to_, to_step_, width_, rows_inside_, depth_, k_step_;
};

// The tile's elements of C, or, where K is in several parts, of its partial sums.
template <class T, class Tile, class Sum>
__device__ __forceinline__ void store_tile(const TiledLaunch& launch, const BlockWork& block, int64_t offset,
                                           const Sum (&sums)[Tile::kRows][Tile::kCols]) {
  const int64_t m = block.m, n = block.n;
#pragma unroll
  for (int i = 0; i < Tile::kRows; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kCols; j += Tile::kGroup)
      store_row<Tile::kGroup>(launch.p, static_cast<T*>(launch.p.c) + offset, &sums[i][j],
                              m + simt_row<Tile>(threadIdx.x, i), n + simt_col<Tile>(threadIdx.x, j),
                              launch.wide_store);
}

// One tile of one product, over one part of K.
template <class T, class Tile, bool kWideA, bool kWideB>
__device__ __forceinline__ void simt_tile(const SimtLaunch& launch, int64_t work, Slabs<T, Tile>& slabs) {
  using Sum = typename GemmTypes<T>::Sum;
  const GemmProblem& p = launch.tiled.p;
  const BlockWork block = block_work<Tile::kM, Tile::kN>(launch.tiled, work);
  const BatchStrides at = p.offset(block.product);
  SlabCopy<T, Tile, Tile::kM, kWideA> a(static_cast<const T*>(p.a) + at.a + block.m * p.a_row + block.k_begin * p.a_col,
                                        p.a_row, p.a_col, p.M - block.m, block.depth, launch.a_along_k);
  SlabCopy<T, Tile, Tile::kN, kWideB> b(static_cast<const T*>(p.b) + at.b + block.n * p.b_col + block.k_begin * p.b_row,
                                        p.b_col, p.b_row, p.N - block.n, block.depth, launch.b_along_k);
  const int slab_count = (block.depth + Tile::kK - 1) / Tile::kK;
#pragma unroll
  for (int s = 0; s < Tile::kStages - 1; ++s) {
    if (s < slab_count) a.next(slabs.a[s]), b.next(slabs.b[s]);
    copy_async_commit();
  }
  Sum sums[Tile::kRows][Tile::kCols] = {};
  int stage = 0, ahead = Tile::kStages - 1;
  for (int s = 0; s < slab_count; ++s) {
    copy_async_wait<Tile::kStages - 2>();
    __syncthreads();  // everyone's copies of this slab are there, and the slab before it has been used
    if (s + Tile::kStages - 1 < slab_count) a.next(slabs.a[ahead]), b.next(slabs.b[ahead]);
    copy_async_commit();
    multiply_slab<T, Tile>(slabs.a[stage], slabs.b[stage], sums);
    stage = stage + 1 < Tile::kStages ? stage + 1 : 0;
    ahead = ahead + 1 < Tile::kStages ? ahead + 1 : 0;
  }
  const int64_t offset = at.c + part_offset(launch.tiled, block);
  if (sizeof(T) != sizeof(Sum) && launch.tiled.parts > 1)
    store_tile<Sum, Tile>(launch.tiled, block, offset, sums);
  else
    store_tile<T, Tile>(launch.tiled, block, offset, sums);
}

template <class T, class Tile, bool kWideA, bool kWideB>
__global__ void __launch_bounds__(Tile::kThreads, 2) simt_kernel(const __grid_constant__ SimtLaunch launch) {
  using TileSlabs = Slabs<T, Tile>;
  NN_SHARED(TileSlabs, slabs, [1]);
  if (block_number() < launch.tiled.work) simt_tile<T, Tile, kWideA, kWideB>(launch, block_number(), slabs[0]);
}

template <class T, class Tile>
void launch_tiles(const GemmProblem& problem, GemmType type, const LaunchContext& ctx) {
  constexpr int64_t kWidth = 16 / sizeof(T);
  SimtLaunch launch{plan_tiles(problem, Tile::kM, Tile::kN, Tile::kK), problem.a_col == 1, problem.b_row == 1};
  const Partial<typename GemmTypes<T>::Sum> partial(launch.tiled, ctx);
  const GemmProblem& p = launch.tiled.p;
  launch.tiled.wide_store = p.c_col == 1 && is_wide(p.c, sizeof(T), Tile::kGroup, p.c_row, p, &BatchStrides::c);
  const bool wide_a = p.a_row == 1 && is_wide(p.a, sizeof(T), kWidth, p.a_col, p, &BatchStrides::a);
  const bool wide_b = p.b_col == 1 && is_wide(p.b, sizeof(T), kWidth, p.b_row, p, &BatchStrides::b);
  const dim3 grid = tile_grid(launch.tiled);
  constexpr bool kFloats =
      std::is_floating_point_v<T>;  // others have no copies of 16 bytes: networks have no need of them
  if constexpr (!kFloats) {
    NN_LAUNCH((simt_kernel<T, Tile, false, false>), grid, Tile::kThreads, 0, ctx, launch);
  } else if (wide_a && wide_b) {
    NN_LAUNCH((simt_kernel<T, Tile, true, true>), grid, Tile::kThreads, 0, ctx, launch);
  } else if (wide_a) {
    NN_LAUNCH((simt_kernel<T, Tile, true, false>), grid, Tile::kThreads, 0, ctx, launch);
  } else if (wide_b) {
    NN_LAUNCH((simt_kernel<T, Tile, false, true>), grid, Tile::kThreads, 0, ctx, launch);
  } else {
    NN_LAUNCH((simt_kernel<T, Tile, false, false>), grid, Tile::kThreads, 0, ctx, launch);
  }
  if (launch.tiled.parts > 1) sum_parts(problem, type, partial.data(), launch.tiled.parts, ctx);
}

}  // namespace

void gemm_simt(const GemmProblem& p, GemmType type, const LaunchContext& ctx) {
  switch (type) {
    case GemmType::float32: {
      // Large tiles where they are enough to fill a large GPU; K, which may be split, counts as much as M and N.
      constexpr int64_t kEnough = 128;
      const int64_t tiles = ceil_div(p.M, int64_t{128}) * ceil_div(p.N, int64_t{128}) * p.batch_count;
      const bool large = p.M > 64 && p.N > 64 && tiles * (p.K < 8192 ? 1 : p.K / 4096) >= kEnough;
      return large ? launch_tiles<float, SimtLargeTile>(p, type, ctx)
                   : launch_tiles<float, SimtSmallTile>(p, type, ctx);
    }
    case GemmType::float64:
      return launch_tiles<double, SimtDoubleTile>(p, type, ctx);
    case GemmType::int32:
      return launch_tiles<uint32_t, SimtSmallTile>(p, type, ctx);
    case GemmType::int64:
      return launch_tiles<uint64_t, SimtDoubleTile>(p, type, ctx);
    case GemmType::uint8:
      return launch_tiles<uint8_t, SimtSmallTile>(p, type, ctx);
    case GemmType::bfloat16:
      return launch_tiles<bfloat16, SimtSmallTile>(p, type, ctx);
    case GemmType::float16:
      return launch_tiles<float16, SimtSmallTile>(p, type, ctx);
  }
}

}  // namespace nn::cuda
