// Matrix multiplication on the tensor cores of compute capability 9.0: wgmma, which reads its operands from shared
// memory, fed by the tensor memory accelerator (TMA). TF32, bfloat16 and float16, and float32 as six products of
// bfloat16. This file is compiled for 9.0a; nothing here runs on anything else.
//
// The idea: a block of three warpgroups computes 128 x 256 elements of C (128 x 128 for small problems). One thread of
// the first asks the TMA for slabs of A and B, 128 bytes along K; the other two warpgroups multiply, 64 rows each, a
// product of 64 x 256 at a time, whose sums fill 128 registers of every thread; so the first gives them its registers
// (setmaxnreg). Slabs wait in a ring. `full` of a place completes when the TMA has written all its bytes, `empty` when
// the eight warps have no product under way that reads it; one product is always left running while the next is begun.
//
// Parallel: as many blocks as the GPU has multiprocessors, each taking every so many-th tile, in bands for the sake of
// L2 (tile_place), so that the copies for the next tile begin while the last one's sums are stored.
//
// Operands whose k is not adjacent, or that are not aligned to 16 bytes, are copied first (gemm_pack.cu). TF32 that is
// not copied is not rounded either: the tensor cores leave out the low 13 bits.
//
// float32 by bfloat16 (bf16x6), after Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence
// Datatype For Higher-Precision Computations" (2019): x = x0 + x1 + x2, each a bfloat16 (gemm_pack.cu), and of the nine
// products of such sums the six with i + j < 3. The tensor cores' sums drop bits, so every 128 of K they are added to
// sums of the ordinary units, for which the tile is 128 x 128.
//
// Bound: the tensor cores, 989 TFLOP/s for 16 bits and 494 for TF32 on an H100. An operand is read by the slab:
// (128 + 256) * 128 bytes for 2 * 128 * 256 * 64 operations, 85 a byte from L2.
#include <stdexcept>
#include <type_traits>

#include "cuda/gemm_epilogue.cuh"
#include "cuda/gemm_ring.h"
#include "cuda/primitives.cuh"
#include "cuda/tensor_map.h"

namespace nn::cuda {
namespace {

struct Sm90Launch {
  TensorMap a, b;
  GemmProblem p;
  int64_t tile_rows, tile_cols;
  int steps;  // slabs of a tile
  bool wide_store;
};

#ifdef NN_HAS_WGMMA

template <int kCount>
__device__ __forceinline__ void multiply(float (&d)[kCount], uint64_t a, uint64_t b, bool accumulate, float) {
  wgmma_tf32(d, a, b, accumulate);
}
template <int kCount>
__device__ __forceinline__ void multiply(float (&d)[kCount], uint64_t a, uint64_t b, bool accumulate, bfloat16) {
  wgmma_bf16(d, a, b, accumulate);
}
template <int kCount>
__device__ __forceinline__ void multiply(float (&d)[kCount], uint64_t a, uint64_t b, bool accumulate, float16) {
  wgmma_f16(d, a, b, accumulate);
}

// The one thread that asks for slabs.
template <class T, int kN, class Steps>
__device__ __forceinline__ void produce(const Sm90Launch& launch, Ring<kN>& ring) {
  constexpr int kK = kRingRow / sizeof(T);
  RingPlace<Ring<kN>::kStages> place;
  for (int64_t t = blockIdx.x; t < launch.tile_rows * launch.tile_cols; t += gridDim.x) {
    const MatrixPlace tile = tile_place(t, launch.tile_rows, launch.tile_cols);
    const int m = static_cast<int>(tile.row) * kRingM, n = static_cast<int>(tile.col) * kN;
    for (int step = 0; step < launch.steps; ++step, place.next()) {
      const int k = Steps::slab(step) * kK, i = place.stage;
      mbarrier_wait(&ring.empty[i], place.parity ^ 1);  // in the first round: the phase before the first
      mbarrier_arrive_expect_tx(&ring.full[i], Ring<kN>::kBytes);
      tma_load_2d(ring.a[i], &launch.a, &ring.full[i], k, m + Steps::plane_a(step) * static_cast<int>(launch.p.M));
      tma_load_2d(ring.b[i], &launch.b, &ring.full[i], k, n + Steps::plane_b(step) * static_cast<int>(launch.p.N));
    }
  }
}

// A warpgroup that multiplies: rows `first` to `first` + 63 of every tile of this block.
template <class T, int kN, class Steps>
__device__ __forceinline__ void consume(const Sm90Launch& launch, Ring<kN>& ring, int first) {
  RingPlace<Ring<kN>::kStages> place;
  const bool signals = threadIdx.x % 32 == 0;
  for (int64_t t = blockIdx.x; t < launch.tile_rows * launch.tile_cols; t += gridDim.x) {
    float d[kN / 2], sums[Steps::kPromotes ? kN / 2 : 1] = {};
    int last = -1;  // the place that the product under way reads
    for (int step = 0; step < launch.steps; ++step, place.next()) {
      const int i = place.stage;
      mbarrier_wait(&ring.full[i], place.parity);
      wgmma_fence();
      const uint64_t a = wgmma_descriptor(shared_address(ring.a[i] + first * kRingRow));
      const uint64_t b = wgmma_descriptor(shared_address(ring.b[i]));
      const bool fresh = Steps::begins(step);
#pragma unroll
      for (int k = 0; k < kRingRow / 32; ++k) multiply(d, a + 2 * k, b + 2 * k, !fresh || k > 0, T{});
      wgmma_commit();
      wgmma_wait<1>();
      if (last >= 0 && signals) mbarrier_arrive(&ring.empty[last]);
      last = i;
      if (Steps::kPromotes && Steps::begins(step + 1)) {
        wgmma_wait<0>();
        wgmma_touch(d);
#pragma unroll
        for (int r = 0; r < kN / 2; ++r) sums[Steps::kPromotes ? r : 0] += d[r];
      }
    }
    wgmma_wait<0>();
    wgmma_touch(d);
    if (signals) mbarrier_arrive(&ring.empty[last]);

    const MatrixPlace tile = tile_place(t, launch.tile_rows, launch.tile_cols);
    const int64_t m = tile.row * kRingM + first, n = tile.col * kN;
    auto* const c = static_cast<std::conditional_t<Steps::kPromotes, float, T>*>(launch.p.c);
    const int warp = threadIdx.x / 32 - 4;
#pragma unroll
    for (int col = 0; col < kN; col += kStageCols) {
#pragma unroll
      for (int j = 0; j < kStageCols / 8; ++j)
        stage_fragment(ring.stage[warp], j,
                       Steps::kPromotes ? sums + (Steps::kPromotes ? (col / 8 + j) * 4 : 0) : d + (col / 8 + j) * 4);
      store_stage(launch.p, c, ring.stage[warp], m + warp % 4 * 16, n + col, launch.wide_store);
    }
  }
}

#endif  // NN_HAS_WGMMA

template <class T, int kN, class Steps>
__global__ void __launch_bounds__(kRingThreads, 1) sm90_kernel(const __grid_constant__ Sm90Launch launch) {
#ifdef NN_HAS_WGMMA
  NN_SHARED_DYNAMIC(Ring<kN>, ring);
  if (threadIdx.x == 0) {
    for (int i = 0; i < Ring<kN>::kStages; ++i) {
      mbarrier_init(&ring->full[i], 1);
      mbarrier_init(&ring->empty[i], kRingWarps);
    }
    fence_mbarrier_init();
    tma_prefetch(&launch.a);
    tma_prefetch(&launch.b);
  }
  __syncthreads();
  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == 0) {
    setmaxnreg_dec<40>();
    if (threadIdx.x == 0) produce<T, kN, Steps>(launch, *ring);
  } else {
    setmaxnreg_inc<232>();
    consume<T, kN, Steps>(launch, *ring, (warpgroup - 1) * 64);
  }
#endif
}

template <class T, int kN, class Steps>
void launch_tiles(Sm90Launch& launch, const LaunchContext& ctx) {
  launch.tile_rows = ceil_div(launch.p.M, int64_t{kRingM});
  launch.tile_cols = ceil_div(launch.p.N, int64_t{kN});
  const int64_t tiles = launch.tile_rows * launch.tile_cols, blocks = multiprocessors();
  allow_shared(sm90_kernel<T, kN, Steps>, sizeof(Ring<kN>));
  NN_LAUNCH((sm90_kernel<T, kN, Steps>), dim3(static_cast<unsigned>(tiles < blocks ? tiles : blocks)), kRingThreads,
            sizeof(Ring<kN>), ctx, launch);
}

// An operand [rows, K] as the TMA reads it: where it lies, or in a copy.
class Operand {
 public:
  Operand(const void* data, int64_t rows, int64_t K, int64_t row, int64_t col, int element_bytes, PackKind kind,
          const LaunchContext& ctx)
      : packs_(kind == PackKind::planes || !fits(data, K, row, col, element_bytes)),
        planes_(kind == PackKind::planes ? 3 : 1),
        bytes_(element_bytes),
        pitch_(packs_ ? ceil_div(K, int64_t{64}) * 64 : row),
        rows_(rows),
        cols_(K),
        copy_(packs_ ? static_cast<size_t>(planes_ * rows * pitch_ * bytes_) : 0, ctx),
        data_(packs_ ? copy_.data : data) {
    if (packs_) pack({copy_.data, rows, K, pitch_}, kind, data, row, col, ctx);
  }

  TensorMap map(int box_rows) const {
    return make_tensor_map({data_, bytes_, planes_ * rows_, cols_, pitch_ * bytes_, box_rows});
  }

 private:
  static bool fits(const void* data, int64_t K, int64_t row, int64_t col, int bytes) {
    return col == 1 && row >= K && row * bytes % 16 == 0 && reinterpret_cast<uintptr_t>(data) % 16 == 0 &&
           row * bytes < (int64_t{1} << 40);
  }

  const bool packs_;
  const int64_t planes_;
  const int bytes_;
  const int64_t pitch_, rows_, cols_;
  const Workspace copy_;
  const void* const data_;
};

// T: what is multiplied; C: what is stored.
template <class T, class C, class Steps>
void run(const GemmProblem& p, PackKind kind, const LaunchContext& ctx) {
  constexpr int64_t kK = kRingRow / sizeof(T), kEnough = 96;  // tiles of the large kind that are worth having
  const Operand a(p.a, p.M, p.K, p.a_row, p.a_col, sizeof(T), kind, ctx);
  const Operand b(p.b, p.N, p.K, p.b_col, p.b_row, sizeof(T), kind, ctx);
  const bool large = !Steps::kPromotes && ceil_div(p.M, int64_t{kRingM}) * ceil_div(p.N, int64_t{256}) >= kEnough;
  const int64_t slabs = ceil_div(p.K, kK);
  Sm90Launch launch{a.map(kRingM), b.map(large ? 256 : 128), p, 0, 0, 0, false};
  launch.steps = static_cast<int>(Steps::count(slabs));
  launch.wide_store = p.c_col == 1 && is_wide(p.c, sizeof(C), 4, p.c_row, p, &BatchStrides::c);
  if constexpr (!Steps::kPromotes)
    if (large) return launch_tiles<T, 256, Steps>(launch, ctx);
  launch_tiles<T, 128, Steps>(launch, ctx);
}

}  // namespace

void gemm_sm90(const GemmProblem& p, GemmType type, const LaunchContext& ctx) {
  switch (type) {
    case GemmType::float32:
      return run<float, float, PlainSteps>(p, PackKind::tf32, ctx);
    case GemmType::bfloat16:
      return run<bfloat16, bfloat16, PlainSteps>(p, PackKind::move16, ctx);
    case GemmType::float16:
      return run<float16, float16, PlainSteps>(p, PackKind::move16, ctx);
    default:
      throw std::invalid_argument("gemm_sm90: only float32, bfloat16 and float16 have tensor cores");
  }
}

void gemm_bf16x6(const GemmProblem& p, const LaunchContext& ctx) {
  run<bfloat16, float, SixPlaneSteps>(p, PackKind::planes, ctx);
}

}  // namespace nn::cuda
