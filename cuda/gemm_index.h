// Where things lie in the matrix products: which tile a block takes, which elements a thread computes, which it copies
// and where they lie in shared memory. Integers only, the same on the host, where tests/cuda_on_cpu/gemm_index_test.cpp
// goes through every one of them: each element exactly once, inside its bounds, without bank conflicts.
#pragma once

#include <cstdint>

// Functions of host and device; NN_INDEX: of the compiler too.
#ifdef __CUDACC__
#define NN_BOTH __host__ __device__ __forceinline__
#else
#define NN_BOTH inline
#endif
#define NN_INDEX NN_BOTH constexpr

namespace nn::cuda {

struct MatrixPlace {
  int64_t row, col;
};

// Tile number `tile` of a grid of rows x cols tiles. Tiles are taken in bands of kBand rows, column after column inside
// a band, so that the blocks that run at one time read few rows of A and few columns of B, which then stay in L2.
inline constexpr int64_t kBand = 8;

NN_INDEX MatrixPlace tile_place(int64_t tile, int64_t rows, int64_t cols) {
  const int64_t band = tile / (kBand * cols), inside = tile - band * kBand * cols;
  const int64_t left = rows - band * kBand, height = left < kBand ? left : kBand;
  return {band * kBand + inside % height, inside / height};
}

// The SIMT tile: kM x kN elements of C for a block of kThreads threads, kM x kK of A and kK x kN of B at a time in
// shared memory, kStages such slabs. A warp computes a rectangle as 8 x 4 lanes; a lane computes kRows x kCols
// elements, in groups of kGroup adjacent ones, so that it reads shared memory 16 bytes at a time and its warp reads it
// without conflicts.
template <int M, int N, int Rows, int Cols, int Group, int Stages>
struct SimtTile {
  static constexpr int kM = M, kN = N, kK = 16, kRows = Rows, kCols = Cols, kGroup = Group, kStages = Stages;
  static constexpr int kLanesM = 8, kLanesN = 4;
  static constexpr int kWarpM = kLanesM * Rows, kWarpN = kLanesN * Cols;
  static constexpr int kWarpsN = N / kWarpN, kThreads = M / kWarpM * kWarpsN * 32;
  static_assert(M % kWarpM == 0 && N % kWarpN == 0 && Rows % Group == 0 && Cols % Group == 0);
};
using SimtLargeTile = SimtTile<128, 128, 8, 8, 4, 2>;
using SimtSmallTile = SimtTile<64, 64, 4, 4, 4, 3>;
using SimtDoubleTile = SimtTile<64, 64, 4, 4, 2, 2>;  // for elements of 8 bytes

// Row, inside the tile, of element `i` < kRows of a thread; and the column of its element `j` < kCols.
template <class Tile>
NN_INDEX int simt_row(int thread, int i) {
  const int lane = thread % 32 / Tile::kLanesN, warp = thread / 32 / Tile::kWarpsN;
  return warp * Tile::kWarpM + (i / Tile::kGroup * Tile::kLanesM + lane) * Tile::kGroup + i % Tile::kGroup;
}
template <class Tile>
NN_INDEX int simt_col(int thread, int j) {
  const int lane = thread % 32 % Tile::kLanesN, warp = thread / 32 % Tile::kWarpsN;
  return warp * Tile::kWarpN + (j / Tile::kGroup * Tile::kLanesN + lane) * Tile::kGroup + j % Tile::kGroup;
}

// What one thread copies of a slab of `extent` (the rows of A, or the columns of B) times kK elements: copy number i
// starts at row + i * row_step along the extent, and at k + i * k_step.
struct CopyPlan {
  int row, k, row_step, k_step;
};

// Copies of `width` elements adjacent along the extent.
NN_INDEX CopyPlan wide_copies(int thread, int threads, int extent, int width) {
  const int across = extent / width;
  return {thread % across * width, thread / across, 0, threads / across};
}

// Copies of one element. `along_k`: the lanes of a warp take 8 elements along k of 4 rows, so that operands whose
// elements are adjacent along k are read by whole sectors, and the four-byte writes, a row of the slab being four words
// more than a multiple of the banks, meet no bank twice. Otherwise lanes follow the extent.
NN_INDEX CopyPlan single_copies(int thread, int threads, int extent, int depth, bool along_k) {
  if (!along_k) return {thread % extent, thread / extent, 0, threads / extent};
  const int outer = thread / 32;
  return {outer / (depth / 8) * 4 + thread % 32 / 8, outer % (depth / 8) * 8 + thread % 8, threads / depth, 0};
}

// Length, in elements, of a row of a slab in shared memory: the extent and 16 bytes.
NN_INDEX int slab_pitch(int extent, int element_size) { return extent + 16 / element_size; }

}  // namespace nn::cuda
