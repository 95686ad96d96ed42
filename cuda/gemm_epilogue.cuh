// How finished sums reach C: several of a row at once, or by way of shared memory.
#pragma once

#include "cuda/gemm_finish.cuh"
#include "cuda/mma_index.h"

namespace nn::cuda {

// `kWidth` adjacent elements that are moved at once.
template <class T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T v[kWidth];
};

// Stores kWidth elements of row m from column n on. `wide`: C's rows are adjacent elements, and aligned to a pack.
template <int kWidth, class T>
__device__ __forceinline__ void store_row(const GemmProblem& p, T* c, const typename GemmTypes<T>::Sum* sums, int64_t m,
                                          int64_t n, bool wide) {
  if (m >= p.M || n >= p.N) return;
  T* const row = c + m * p.c_row;
  if (wide && n + kWidth <= p.N) {
    auto* const place = reinterpret_cast<Pack<T, kWidth>*>(row + n);
    Pack<T, kWidth> out{};
    if (p.accumulate) out = *place;
#pragma unroll
    for (int j = 0; j < kWidth; ++j) out.v[j] = finish<T>(p, sums[j], out.v[j], m, n + j);
    *place = out;
    return;
  }
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    if (n + j >= p.N) return;
    T& place = row[(n + j) * p.c_col];
    place = finish<T>(p, sums[j], p.accumulate ? place : T{}, m, n + j);
  }
}

// The sums of tensor cores reach C by way of shared memory: a warp's fragments, 16 rows by 32 columns at a time, so
// that the loop that stores is short code, its lanes adjacent, and its accesses 16 bytes wide. kStageWords: of each
// warp.
inline constexpr int kStageRows = 16, kStageCols = 32, kStagePitch = 40, kStageWords = kStageRows * kStagePitch;

// Writes fragment number `tile`, eight columns wide, of the warp's stage.
__device__ __forceinline__ void stage_fragment(float* stage, int tile, const float* d) {
#pragma unroll
  for (int r = 0; r < 4; r += 2) {
    const Place at = mma_c_place(threadIdx.x % 32, r);
    *reinterpret_cast<float2*>(stage + at.row * kStagePitch + tile * 8 + at.col) = make_float2(d[r], d[r + 1]);
  }
}

// Stores the warp's stage as rows m and columns n of C and on. `wide`: C takes packs of four elements.
template <class T>
__device__ __forceinline__ void store_stage(const GemmProblem& p, T* c, const float* stage, int64_t m, int64_t n,
                                            bool wide) {
  const int lane = threadIdx.x % 32;
  __syncwarp();
  if (wide) {
#pragma unroll 1
    for (int row = lane / 8; row < kStageRows; row += 4) {
      const Pack<float, 4> sums = *reinterpret_cast<const Pack<float, 4>*>(stage + row * kStagePitch + lane % 8 * 4);
      store_row<4>(p, c, sums.v, m + row, n + lane % 8 * 4, true);
    }
  } else {
#pragma unroll 1
    for (int row = 0; row < kStageRows; ++row)
      store_row<1>(p, c, stage + row * kStagePitch + lane, m + row, n + lane, false);
  }
  __syncwarp();
}

}  // namespace nn::cuda
