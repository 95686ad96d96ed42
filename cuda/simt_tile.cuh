// The main loop of products on the ordinary arithmetic units: slabs in shared memory, and what a thread makes of them.
// Matrix products and convolutions differ in how slabs are filled and where sums go.
#pragma once

#include "cuda/gemm_epilogue.cuh"
#include "cuda/gemm_index.h"

namespace nn::cuda {

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

}  // namespace nn::cuda
