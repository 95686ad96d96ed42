// Walking over strided arrays: which elements a thread has, and where they lie.
#pragma once

#include <stdexcept>

#include "cuda/half.h"
#include "cuda/kernel.cuh"

namespace nn::cuda {

// Of loops over elements. The grid strides, so that it may be shorter than the work: eight blocks of 256 threads fill
// a multiprocessor, twice that evens out the end.
inline constexpr int kThreads = 256;
inline constexpr int64_t kMaxBlocks = 132 * 16;

inline unsigned blocks_for(int64_t threads) {
  const int64_t blocks = ceil_div(threads, int64_t{kThreads});
  return static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

// What a thread loads at once: as many elements of the widest operand as 16 bytes hold.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T at[kCount];
};

template <int N>
__host__ __device__ int64_t count_of(const StridedLoop<N>& loop) {
  int64_t count = 1;
  for (int d = 0; d < loop.ndim; ++d) count *= loop.shape[d];
  return count;
}

// Whether `count` elements can be numbered by 32 bits, of which divisions are faster.
inline bool is_narrow(int64_t count) { return count < (int64_t{1} << 31) - kMaxBlocks * kThreads; }

// A loop cut in two along its longest dimension. bytes: of an element of each operand. What is too long for kernels
// that count in 32 bits is halved until it is short enough.
template <int N>
struct Halves {
  StridedLoop<N> first, rest;

  Halves(const StridedLoop<N>& loop, const int (&bytes)[N]) : first(loop), rest(loop) {
    int longest = 0;
    for (int d = 1; d < loop.ndim; ++d)
      if (loop.shape[d] > loop.shape[longest]) longest = d;
    const int64_t half = loop.shape[longest] / 2;
    first.shape[longest] = half, rest.shape[longest] -= half;
    for (int n = 0; n < N; ++n)
      if (loop.data[n] != nullptr)
        rest.data[n] = static_cast<char*>(loop.data[n]) + half * loop.stride[n][longest] * bytes[n];
  }
};

// Whether the elements of each operand lie side by side, in the loop's order.
template <int N>
bool is_adjacent(const StridedLoop<N>& loop) {
  if (loop.ndim != 1) return false;
  for (int n = 0; n < N; ++n)
    if (loop.stride[n][0] != 1) return false;
  return true;
}

// Whether all operands are adjacent (or absent, where a number stands) and begin at a multiple of 16 bytes.
template <int N>
bool is_packed(const StridedLoop<N>& loop) {
  if (loop.ndim != 1) return false;
  for (int n = 0; n < N; ++n)
    if (loop.data[n] != nullptr && (loop.stride[n][0] != 1 || reinterpret_cast<uintptr_t>(loop.data[n]) % 16 != 0))
      return false;
  return true;
}

// Where element `i` of the loop lies in each operand.
template <class Index, int N>
__device__ __forceinline__ void locate(const StridedLoop<N>& loop, Index i, int64_t (&place)[N]) {
  for (int n = 0; n < N; ++n) place[n] = 0;
  for (int d = loop.ndim - 1; d > 0; --d) {
    const Index extent = static_cast<Index>(loop.shape[d]), rest = i / extent, at = i - rest * extent;
    for (int n = 0; n < N; ++n) place[n] += static_cast<int64_t>(at) * loop.stride[n][d];
    i = rest;
  }
  for (int n = 0; n < N; ++n) place[n] += static_cast<int64_t>(i) * loop.stride[n][0];
}

// body(T{}) for the type of the dtype: for the floating ones that are computed with, for all that are, and for those of
// 16 bits too, which are only moved and converted.
template <class Body>
void with_floating(DType dtype, const Body& body) {
  if (dtype == DType::float32) return body(float{});
  if (dtype == DType::float64) return body(double{});
  throw std::invalid_argument("a dtype without CUDA kernels here: not floating");
}

template <class Body>
void with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::float32:
      return body(float{});
    case DType::float64:
      return body(double{});
    case DType::int32:
      return body(int32_t{});
    case DType::int64:
      return body(int64_t{});
    case DType::uint8:
      return body(uint8_t{});
    case DType::boolean:
      return body(bool{});
    default:
      throw std::invalid_argument("a dtype without CUDA kernels here: float16 and bfloat16 are computed in float32");
  }
}

template <class Body>
void with_any_type(DType dtype, const Body& body) {
  if (dtype == DType::float16) return body(float16{});
  if (dtype == DType::bfloat16) return body(bfloat16{});
  with_type(dtype, body);
}

}  // namespace nn::cuda
