// How a product is cut into tiles of C and parts of K, one for each block: what the tiled kernels share.
#pragma once

#include "cuda/gemm_problem.h"
#include "cuda/kernel.cuh"

namespace nn::cuda {

// What a tiled kernel gets. Where K is in several parts, p.c is the partial sums, [parts, batch, M, N] contiguous, and
// p has neither bias nor activation nor anything to accumulate: sum_parts does that.
struct TiledLaunch {
  GemmProblem p;
  int64_t tile_rows, tile_cols, work;  // work: tiles times parts times products, one block each
  int64_t k_size;                      // of a part of K
  int parts;
  bool wide_store;  // rows of C may be stored in packs
};

// What block number `work` computes: a tile of one product over one part of K.
struct BlockWork {
  int64_t m, n;  // first row and column
  int64_t product, part, k_begin;
  int depth;
};

template <int kM, int kN>
NN_INDEX BlockWork block_work(const TiledLaunch& launch, int64_t work) {
  const int64_t tiles = launch.tile_rows * launch.tile_cols, part = work / tiles % launch.parts;
  const MatrixPlace tile = tile_place(work % tiles, launch.tile_rows, launch.tile_cols);
  const int64_t begin = part * launch.k_size, left = launch.p.K - begin;
  return {tile.row * kM, tile.col * kN, work / tiles / launch.parts,
          part,          begin,         static_cast<int>(left < launch.k_size ? left : launch.k_size)};
}

// Offset of the block's part in C, in elements: of its product, or of its partial sums.
NN_INDEX int64_t part_offset(const TiledLaunch& launch, const BlockWork& at) {
  return at.part * launch.p.batch_count * launch.p.M * launch.p.N;
}

// The launch of `problem` in tiles of tile_m x tile_n, parts of K in multiples of `unit`, without partial sums yet.
inline TiledLaunch plan_tiles(const GemmProblem& problem, int64_t tile_m, int64_t tile_n, int64_t unit) {
  TiledLaunch launch{};
  launch.p = problem;
  launch.tile_rows = ceil_div(problem.M, tile_m);
  launch.tile_cols = ceil_div(problem.N, tile_n);
  const int64_t tiles = launch.tile_rows * launch.tile_cols * problem.batch_count;
  const KSplit split = choose_split(problem.K, tiles, unit);
  launch.k_size = split.size, launch.parts = split.count;
  launch.work = tiles * split.count;
  return launch;
}

inline dim3 tile_grid(const TiledLaunch& launch) {
  constexpr int64_t kMost = INT32_MAX;  // of a grid along x
  return dim3(static_cast<unsigned>(launch.work < kMost ? launch.work : kMost),
              static_cast<unsigned>(ceil_div(launch.work, kMost)));
}

// The partial sums of a launch whose K is in parts: while this lives, the launch writes there. Sum: their type.
template <class Sum>
class Partial {
 public:
  Partial(TiledLaunch& launch, const LaunchContext& ctx)
      : workspace_(launch.parts == 1 ? 0 : static_cast<size_t>(launch.parts) * size(launch) * sizeof(Sum), ctx) {
    if (launch.parts == 1) return;
    GemmProblem& p = launch.p;
    p.c = workspace_.data, p.c_row = p.N, p.c_col = 1;
    int64_t stride = p.M * p.N;
    for (int d = p.batch_ndim - 1; d >= 0; --d) p.batch[d].c = stride, stride *= p.batch_shape[d];
    p.bias = nullptr, p.relu = p.accumulate = false;
  }
  const void* data() const { return workspace_.data; }

 private:
  static size_t size(const TiledLaunch& launch) {
    return static_cast<size_t>(launch.p.batch_count * launch.p.M * launch.p.N);
  }
  const Workspace workspace_;
};

// The number of this block among launch.work.
__device__ __forceinline__ int64_t block_number() { return blockIdx.x + int64_t{blockIdx.y} * gridDim.x; }

}  // namespace nn::cuda
