// Combining the values of a warp's or a block's threads, always in the same order: by halves, the lanes first, then the
// warps. All threads take part, and all have the result.
#pragma once

#include "cuda/kernel.cuh"

namespace nn::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// The x of the lane whose number differs by `by`: a number of 4 or 8 bytes, or a plain struct, word by word.
template <class T>
__device__ __forceinline__ T exchange(T x, int by, int width) {
  if constexpr (sizeof(T) <= 8) {
    return __shfl_xor_sync(kAllLanes, x, by, width);
  } else {
    struct Words {
      uint32_t at[sizeof(T) / 4];
    };
    Words words = __builtin_bit_cast(Words, x);
    for (uint32_t& word : words.at) word = __shfl_xor_sync(kAllLanes, word, by, width);
    return __builtin_bit_cast(T, words);
  }
}

// op(a, b) of T, associative and commutative but for rounding. Lanes fall into groups of `width`, a power of two.
template <class T, class Op>
__device__ __forceinline__ T warp_reduce(T x, const Op& op, int width = kWarp) {
  for (int by = width / 2; by > 0; by /= 2) x = op(x, exchange(x, by, width));
  return x;
}

// Of kThreads threads, a multiple of 32, each with its `thread`. `shared` has kThreads / 32 places; it may be used
// again at once, for the barrier at the beginning waits for the readers of the last time.
template <int kThreads, class T, class Op>
__device__ __forceinline__ T block_reduce(T x, const Op& op, T* shared, int thread) {
  constexpr int kWarps = kThreads / kWarp;
  static_assert(kThreads % kWarp == 0 && kWarps <= kWarp);
  x = warp_reduce(x, op);
  if constexpr (kWarps == 1) return x;
  __syncthreads();
  if (thread % kWarp == 0) shared[thread / kWarp] = x;
  __syncthreads();
  T result = shared[0];
  for (int warp = 1; warp < kWarps; ++warp) result = op(result, shared[warp]);
  return result;
}

}  // namespace nn::cuda
