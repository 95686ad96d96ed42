// Matrix multiplication on the ordinary arithmetic units: float32 exact (every product and sum an FFMA), float64, and
// the integer types. The tensor cores have kernels of their own (gemm_mma.cu, gemm_sm90.cu); this one takes everything,
// and is what they are compared with.
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
#include "cuda/gemm_epilogue.cuh"
#include "cuda/primitives.cuh"

namespace nn::cuda {
namespace {

struct SimtLaunch {
  GemmProblem p;
  int64_t tile_rows, tile_cols, work;
  int64_t k_size;  // of a part of K
  int parts;
  bool a_along_k, b_along_k, wide_store;
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

// The shared memory of a block.
template <class T, class Tile>
struct alignas(16) Slabs {
  T a[Tile::kStages][Tile::kK * slab_pitch(Tile::kM, sizeof(T))];
  T b[Tile::kStages][Tile::kK * slab_pitch(Tile::kN, sizeof(T))];
};

// sums += one slab of A times one of B.
template <class T, class Tile, class Sum>
__device__ __forceinline__ void multiply_slab(const T* a, const T* b, Sum (&sums)[Tile::kRows][Tile::kCols]) {
  constexpr int kPitchA = slab_pitch(Tile::kM, sizeof(T)), kPitchB = slab_pitch(Tile::kN, sizeof(T));
  using Group = Pack<T, Tile::kGroup>;
  const T* const a_at = a + simt_row<Tile>(threadIdx.x, 0);
  const T* const b_at = b + simt_col<Tile>(threadIdx.x, 0);
#pragma unroll
  for (int k = 0; k < Tile::kK; ++k) {
    Group x[Tile::kRows / Tile::kGroup], y[Tile::kCols / Tile::kGroup];
#pragma unroll
    for (int i = 0; i < Tile::kRows / Tile::kGroup; ++i)
      x[i] = *reinterpret_cast<const Group*>(a_at + k * kPitchA + i * Tile::kLanesM * Tile::kGroup);
#pragma unroll
    for (int j = 0; j < Tile::kCols / Tile::kGroup; ++j)
      y[j] = *reinterpret_cast<const Group*>(b_at + k * kPitchB + j * Tile::kLanesN * Tile::kGroup);
#pragma unroll
    for (int i = 0; i < Tile::kRows; ++i)
#pragma unroll
      for (int j = 0; j < Tile::kCols; ++j)
        sums[i][j] += Sum(x[i / Tile::kGroup].v[i % Tile::kGroup]) * Sum(y[j / Tile::kGroup].v[j % Tile::kGroup]);
  }
}

// One tile of one product, over one part of K.
template <class T, class Tile, bool kWideA, bool kWideB>
__device__ __forceinline__ void simt_tile(const SimtLaunch& launch, int64_t work, Slabs<T, Tile>& slabs) {
  using Sum = typename GemmTypes<T>::Sum;
  const GemmProblem& p = launch.p;
  const int64_t tiles = launch.tile_rows * launch.tile_cols, product = work / tiles / launch.parts;
  const MatrixPlace tile = tile_place(work % tiles, launch.tile_rows, launch.tile_cols);
  const int64_t part = work / tiles % launch.parts, k_begin = part * launch.k_size;
  const int64_t left = p.K - k_begin;
  const int depth = static_cast<int>(left < launch.k_size ? left : launch.k_size);
  const int64_t m = tile.row * Tile::kM, n = tile.col * Tile::kN;
  const BatchStrides at = p.offset(product);

  SlabCopy<T, Tile, Tile::kM, kWideA> a(static_cast<const T*>(p.a) + at.a + m * p.a_row + k_begin * p.a_col, p.a_row,
                                        p.a_col, p.M - m, depth, launch.a_along_k);
  SlabCopy<T, Tile, Tile::kN, kWideB> b(static_cast<const T*>(p.b) + at.b + n * p.b_col + k_begin * p.b_row, p.b_col,
                                        p.b_row, p.N - n, depth, launch.b_along_k);
  const int slab_count = (depth + Tile::kK - 1) / Tile::kK;
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
  T* const c = static_cast<T*>(p.c) + at.c + part * p.batch_count * p.M * p.N;
#pragma unroll
  for (int i = 0; i < Tile::kRows; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kCols; j += Tile::kGroup)
      store_row<Tile::kGroup>(p, c, &sums[i][j], m + simt_row<Tile>(threadIdx.x, i), n + simt_col<Tile>(threadIdx.x, j),
                              launch.wide_store);
}

template <class T, class Tile, bool kWideA, bool kWideB>
__global__ void __launch_bounds__(Tile::kThreads, 2) simt_kernel(const __grid_constant__ SimtLaunch launch) {
  using TileSlabs = Slabs<T, Tile>;
  NN_SHARED(TileSlabs, slabs, [1]);
  const int64_t work = blockIdx.x + int64_t{blockIdx.y} * gridDim.x;
  if (work < launch.work) simt_tile<T, Tile, kWideA, kWideB>(launch, work, slabs[0]);
}

template <class T, class Tile>
void launch_tiles(const GemmProblem& problem, DType dtype, const LaunchContext& ctx) {
  constexpr int64_t kWidth = 16 / sizeof(T);
  SimtLaunch launch{problem, 0, 0, 0, 0, 1, false, false, false};
  GemmProblem& p = launch.p;
  launch.tile_rows = ceil_div(p.M, int64_t{Tile::kM});
  launch.tile_cols = ceil_div(p.N, int64_t{Tile::kN});
  const int64_t tiles = launch.tile_rows * launch.tile_cols * p.batch_count;
  const KSplit split = choose_split(p, tiles, Tile::kK);
  launch.k_size = split.size, launch.parts = split.count;
  launch.work = tiles * split.count;
  const bool wide_a = p.a_row == 1 && is_wide(p.a, sizeof(T), kWidth, p.a_col, p, &BatchStrides::a);
  const bool wide_b = p.b_col == 1 && is_wide(p.b, sizeof(T), kWidth, p.b_row, p, &BatchStrides::b);
  launch.a_along_k = p.a_col == 1, launch.b_along_k = p.b_row == 1;

  const size_t bytes = split.count > 1 ? static_cast<size_t>(split.count * p.batch_count * p.M * p.N) * sizeof(T) : 0;
  const Workspace partial(bytes, ctx);
  if (split.count > 1) {
    p.c = partial.data, p.c_row = p.N, p.c_col = 1;
    int64_t stride = p.M * p.N;
    for (int d = p.batch_ndim - 1; d >= 0; --d) p.batch[d].c = stride, stride *= p.batch_shape[d];
    p.bias = nullptr, p.relu = p.accumulate = false;
  }
  launch.wide_store = p.c_col == 1 && is_wide(p.c, sizeof(T), Tile::kGroup, p.c_row, p, &BatchStrides::c);
  constexpr int64_t kMost = INT32_MAX;  // of a grid along x
  const dim3 grid(static_cast<unsigned>(launch.work < kMost ? launch.work : kMost),
                  static_cast<unsigned>(ceil_div(launch.work, kMost)));
  constexpr bool kFloats = T(0.5f) != T(0);  // integers have no copies of 16 bytes: no network multiplies them
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
  if (split.count > 1) sum_parts(problem, dtype, partial.data, split.count, ctx);
}

using LargeTile = SimtTile<128, 128, 8, 8, 4, 2>;
using SmallTile = SimtTile<64, 64, 4, 4, 4, 3>;
using DoubleTile = SimtTile<64, 64, 4, 4, 2, 2>;

}  // namespace

void gemm_simt(const GemmProblem& p, DType dtype, const LaunchContext& ctx) {
  switch (dtype) {
    case DType::float32: {
      // Large tiles where they are enough to fill a large GPU; K, which may be split, counts as much as M and N.
      constexpr int64_t kEnough = 128;
      const int64_t tiles = ceil_div(p.M, int64_t{128}) * ceil_div(p.N, int64_t{128}) * p.batch_count;
      const bool large = p.M > 64 && p.N > 64 && tiles * (p.K < 8192 ? 1 : p.K / 4096) >= kEnough;
      return large ? launch_tiles<float, LargeTile>(p, dtype, ctx) : launch_tiles<float, SmallTile>(p, dtype, ctx);
    }
    case DType::float64:
      return launch_tiles<double, DoubleTile>(p, dtype, ctx);
    case DType::int32:
      return launch_tiles<uint32_t, SmallTile>(p, dtype, ctx);
    case DType::int64:
      return launch_tiles<uint64_t, DoubleTile>(p, dtype, ctx);
    default:
      return launch_tiles<uint8_t, SmallTile>(p, dtype, ctx);
  }
}

}  // namespace nn::cuda
