// The main loop of products by mma.sync: slabs in shared memory, and what a warp makes of them. Matrix products and
// convolutions differ in how slabs are filled and where sums go.
#pragma once

#include "cuda/gemm_epilogue.cuh"
#include "cuda/primitives.cuh"

namespace nn::cuda::mma {

inline constexpr int kTile = 128, kThreads = 256, kStages = 4;
inline constexpr int kSlabRow = 64;                          // bytes along k of a slab
inline constexpr int kSlabBytes = 16 * padded_pitch(kTile);  // the largest of the three layouts
inline constexpr int kSharedBytes = 2 * kStages * kSlabBytes;
inline constexpr int kRowTiles = 4, kColTiles = 4;  // fragments of a warp: 64 x 32

// What the tensor cores make of the stored type T.
template <class T>
struct Fragment {
  static constexpr int kK = kSlabRow / sizeof(T);
  static constexpr bool kTf32 = sizeof(T) == 4;
};

// Where an element's byte lies in a slab. kAlongK: rows of the slab go along k, one for each m (or n), and `byte` along
// k; otherwise along m, one for each k.
template <class T, bool kAlongK>
NN_INDEX int place(int row, int byte) {
  if constexpr (kAlongK) return swizzle64(row, byte);
  if constexpr (Fragment<T>::kTf32) return row * padded_pitch(kTile) + byte;
  return swizzle_pitch(row, byte, kTile * sizeof(T));
}

// A fragment of A, or two adjacent ones of B, from step `step` (32 bytes along k) of a slab, from row `first` on.
template <class T, bool kAlongK, bool kA>
__device__ __forceinline__ void load_fragment(uint32_t (&r)[4], const unsigned char* slab, int first, int step) {
  const int lane = threadIdx.x % 32;
  if constexpr (kAlongK) {
    const Place at = kA ? ldmatrix_a(lane) : ldmatrix_b(lane);
    ldmatrix_x4(r, slab + place<T, kAlongK>(first + at.row, step * 32 + at.col));
  } else if constexpr (!Fragment<T>::kTf32) {
    const Place at = kA ? ldmatrix_a_trans(lane) : ldmatrix_b_trans(lane);
    ldmatrix_x4_trans(r, slab + place<T, kAlongK>(step * 16 + at.row, first * 2 + at.col));
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const Place at = kA ? mma_a_place(lane, i, 0, 1) : mma_b_place(lane, i % 2, 0, 1);
      const int row = first + at.row + (kA ? 0 : i / 2 * 8);
      r[i] = *reinterpret_cast<const uint32_t*>(slab + place<T, kAlongK>(step * 8 + at.col, row * 4));
    }
  }
  if constexpr (Fragment<T>::kTf32) {
#pragma unroll
    for (int i = 0; i < 4; ++i) r[i] = to_tf32(bits_float(r[i]));
  }
}

__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], float) {
  mma_tf32(d, a, b);
}
__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bfloat16) {
  mma_bf16(d, a, b);
}
__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], float16) {
  mma_f16(d, a, b);
}

using WarpSums = float[kRowTiles][kColTiles][4];

template <class T, bool kAlongKA, bool kAlongKB>
__device__ __forceinline__ void multiply_slab(const unsigned char* a, const unsigned char* b, WarpSums& sums) {
  const int warp = threadIdx.x / 32, row = warp / 4 * kRowTiles * 16, col = warp % 4 * kColTiles * 8;
#pragma unroll
  for (int step = 0; step < kSlabRow / 32; ++step) {
    uint32_t y[kColTiles / 2][4];
#pragma unroll
    for (int j = 0; j < kColTiles / 2; ++j) load_fragment<T, kAlongKB, false>(y[j], b, col + j * 16, step);
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
      uint32_t x[4];
      load_fragment<T, kAlongKA, true>(x, a, row + i * 16, step);
#pragma unroll
      for (int j = 0; j < kColTiles; ++j) {
        const uint32_t pair[2] = {y[j / 2][j % 2 * 2], y[j / 2][j % 2 * 2 + 1]};
        multiply(sums[i][j], x, pair, T{});
      }
    }
  }
}

}  // namespace nn::cuda::mma
