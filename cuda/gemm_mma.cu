// Matrix multiplication on the tensor cores by mma.sync, for compute capability 8.0 and newer: float32 with factors
// rounded to TF32, bfloat16 and float16, all with sums in float32.
//
// The idea: a block of 256 threads computes 128 x 128 elements of C, a warp 64 x 32 of them in 4 x 4 fragments of
// 16 x 8. Slabs of A and B, 64 bytes along K, wait in four stages of shared memory; three are on their way (cp.async)
// while one is used. A slab keeps the order of its operand: rows along K, or rows along M (N), in both cases as the
// elements lie in memory, and ldmatrix, plain or transposing, makes fragments of either. There is no transposing load
// for 32 bits, so fragments of TF32 with M adjacent are read element by element.
//
// Parallel: as gemm_simt.cu, tiles in bands, products, parts of K. Operands that are not aligned to 16 bytes, or whose
// elements are not adjacent, are copied element by element to the same places.
//
// Bound: the tensor cores' rate, of which mma.sync reaches 64 % on an H100 (gemm_sm90.cu is for the rest) and nearly
// all on 8.x; for that each slab of 64 bytes must arrive in the time of 64 products of a warp.
#include <stdexcept>

#include "cuda/gemm_tiles.cuh"
#include "cuda/mma_tile.cuh"

namespace nn::cuda {
namespace {

using namespace mma;

struct MmaLaunch {
  TiledLaunch tiled;
  bool a_wide, b_wide;  // copies of 16 bytes
};

// The copies of one operand, slab after slab. kAlongK: rows of the slab go along k, one for each m (or n); otherwise
// along m, one for each k. Rows consist of pieces of 16 bytes, and copies are pieces.
template <class T, bool kAlongK>
class PieceCopy {
 public:
  static constexpr int kK = Fragment<T>::kK, kPiece = 16 / sizeof(T);
  static constexpr int kRows = kAlongK ? kTile : kK, kPieces = (kAlongK ? kK : kTile) / kPiece;
  static constexpr int kRowStep = kThreads / kPieces, kCopies = kRows / kRowStep;

  // Element [m, k] lies at data[m * row + k * col].
  __device__ PieceCopy(const T* data, int64_t row, int64_t col, int64_t rows, int depth, bool wide)
      : inner_(kAlongK ? col : row), wide_(wide), depth_(depth) {
    const int first = threadIdx.x / kPieces, element = threadIdx.x % kPieces * kPiece;
    const int64_t outer = kAlongK ? row : col;
    from_ = data + first * outer + element * inner_;
    step_ = kRowStep * outer;
    slab_ = kK * col;
    rows_ = static_cast<int>(rows < kTile ? rows : kTile);
  }

  __device__ void next(unsigned char* slab) {
    const int first = threadIdx.x / kPieces, element = threadIdx.x % kPieces * kPiece;
    const int row_limit = kAlongK ? rows_ : depth_, element_limit = (kAlongK ? depth_ : rows_) - element;
    const T* from = from_;
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int row = first + i * kRowStep;
      void* const to = slab + place<T, kAlongK>(row, element * sizeof(T));
      const int count = row >= row_limit || element_limit < 0 ? 0 : element_limit < kPiece ? element_limit : kPiece;
      if (wide_)
        copy_async<16>(to, from, count * static_cast<int>(sizeof(T)));
      else
        copy_single(static_cast<T*>(to), from, count);
      from += step_;
    }
    from_ += slab_;
    depth_ -= kK;
  }

 private:
  __device__ void copy_single(T* to, const T* from, int count) const {
#pragma unroll
    for (int e = 0; e < kPiece; ++e)
      copy_async<sizeof(T)>(to + e, from + e * inner_, e < count ? static_cast<int>(sizeof(T)) : 0);
  }

  const T* from_;
  const int64_t inner_;
  int64_t step_, slab_;
  const bool wide_;
  int rows_, depth_;
};

// The warp's elements of C, or, where K is in several parts, of its partial sums. `stage` is the warp's.
template <class T>
__device__ __forceinline__ void store_tile(const TiledLaunch& launch, const BlockWork& block, int64_t offset,
                                           const WarpSums& sums, float* stage) {
  const int warp = threadIdx.x / 32;
  T* const c = static_cast<T*>(launch.p.c) + offset;
#pragma unroll
  for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
    for (int j = 0; j < kColTiles; ++j) stage_fragment(stage, j, sums[i][j]);
    store_stage(launch.p, c, stage, block.m + (warp / 4 * kRowTiles + i) * 16, block.n + warp % 4 * kColTiles * 8,
                launch.wide_store);
  }
}
static_assert(kColTiles * 8 == kStageCols && kThreads / 32 * kStageWords * 4 <= kSharedBytes);

template <class T, bool kAlongKA, bool kAlongKB>
__global__ void __launch_bounds__(kThreads, 2) mma_kernel(const __grid_constant__ MmaLaunch launch) {
  NN_SHARED_DYNAMIC(unsigned char, slabs);
  if (block_number() >= launch.tiled.work) return;
  const GemmProblem& p = launch.tiled.p;
  const BlockWork block = block_work<kTile, kTile>(launch.tiled, block_number());
  const BatchStrides at = p.offset(block.product);
  PieceCopy<T, kAlongKA> a(static_cast<const T*>(p.a) + at.a + block.m * p.a_row + block.k_begin * p.a_col, p.a_row,
                           p.a_col, p.M - block.m, block.depth, launch.a_wide);
  PieceCopy<T, kAlongKB> b(static_cast<const T*>(p.b) + at.b + block.n * p.b_col + block.k_begin * p.b_row, p.b_col,
                           p.b_row, p.N - block.n, block.depth, launch.b_wide);
  const int slab_count = (block.depth + Fragment<T>::kK - 1) / Fragment<T>::kK;
  const auto slab_a = [&](int stage) { return slabs + 2 * stage * kSlabBytes; };
  const auto slab_b = [&](int stage) { return slabs + (2 * stage + 1) * kSlabBytes; };
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < slab_count) a.next(slab_a(s)), b.next(slab_b(s));
    copy_async_commit();
  }
  WarpSums sums = {};
  for (int s = 0; s < slab_count; ++s) {
    copy_async_wait<kStages - 2>();
    __syncthreads();  // everyone's copies of this slab are there, and the slab before it has been used
    if (s + kStages - 1 < slab_count) {
      const int ahead = (s + kStages - 1) % kStages;
      a.next(slab_a(ahead)), b.next(slab_b(ahead));
    }
    copy_async_commit();
    multiply_slab<T, kAlongKA, kAlongKB>(slab_a(s % kStages), slab_b(s % kStages), sums);
  }
  __syncthreads();  // the slabs are used for other things from here on
  float* const stage = reinterpret_cast<float*>(slabs) + threadIdx.x / 32 * kStageWords;
  const int64_t offset = at.c + part_offset(launch.tiled, block);
  if (sizeof(T) != sizeof(float) && launch.tiled.parts > 1)
    store_tile<float>(launch.tiled, block, offset, sums, stage);
  else
    store_tile<T>(launch.tiled, block, offset, sums, stage);
}

template <class T, bool kAlongKA, bool kAlongKB>
void launch_layout(const MmaLaunch& launch, const LaunchContext& ctx) {
  allow_shared(mma_kernel<T, kAlongKA, kAlongKB>, kSharedBytes);
  NN_LAUNCH((mma_kernel<T, kAlongKA, kAlongKB>), tile_grid(launch.tiled), kThreads, kSharedBytes, ctx, launch);
}

template <class T>
void launch_mma(const GemmProblem& problem, GemmType type, const LaunchContext& ctx) {
  constexpr int64_t kPiece = 16 / sizeof(T);
  MmaLaunch launch{plan_tiles(problem, kTile, kTile, Fragment<T>::kK), false, false};
  const Partial<float> partial(launch.tiled, ctx);
  const GemmProblem& p = launch.tiled.p;
  launch.tiled.wide_store = p.c_col == 1 && is_wide(p.c, sizeof(T), 4, p.c_row, p, &BatchStrides::c);
  // Rows along k, unless it is the other axis that is adjacent.
  const bool a_along_k = p.a_row != 1 || p.a_col == 1, b_along_k = p.b_col != 1 || p.b_row == 1;
  launch.a_wide = (p.a_row == 1 || p.a_col == 1) &&
                  is_wide(p.a, sizeof(T), kPiece, a_along_k ? p.a_row : p.a_col, p, &BatchStrides::a);
  launch.b_wide = (p.b_row == 1 || p.b_col == 1) &&
                  is_wide(p.b, sizeof(T), kPiece, b_along_k ? p.b_col : p.b_row, p, &BatchStrides::b);
  if (a_along_k)
    b_along_k ? launch_layout<T, true, true>(launch, ctx) : launch_layout<T, true, false>(launch, ctx);
  else
    b_along_k ? launch_layout<T, false, true>(launch, ctx) : launch_layout<T, false, false>(launch, ctx);
  if (launch.tiled.parts > 1) sum_parts(problem, type, partial.data(), launch.tiled.parts, ctx);
}

}  // namespace

void gemm_mma(const GemmProblem& p, GemmType type, const LaunchContext& ctx) {
  switch (type) {
    case GemmType::float32:
      return launch_mma<float>(p, type, ctx);
    case GemmType::bfloat16:
      return launch_mma<bfloat16>(p, type, ctx);
    case GemmType::float16:
      return launch_mma<float16>(p, type, ctx);
    default:
      throw std::invalid_argument("gemm_mma: only float32, bfloat16 and float16 have tensor cores");
  }
}

}  // namespace nn::cuda
