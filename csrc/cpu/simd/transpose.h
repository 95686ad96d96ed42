// Rearranging lanes. Transposition through registers: log2(width) rounds, each of which interleaves row i with row i +
// width / 2. Bound: the one port that permutes; width * log2(width) permutations for width * width elements.
#pragma once

#include "cpu/simd/pairs.h"
#include "cpu/simd/wide.h"

namespace nn::NN_ISA {
namespace transpose_detail {

// Indices first, first + 1, ... of a and b by turns.
template <int kFirst, class R, int... I>
static inline R interleave(const R& a, const R& b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (kFirst + I / 2 + (I % 2 ? int{sizeof...(I)} : 0))...);
}

}  // namespace transpose_detail

// dst[j * dst_stride + i] = src[i * src_stride + j] for i < rows <= width and j < cols <= width.
// Reads and writes nothing else.
template <class T>
static inline void transpose_tile(const T* src, int64_t src_stride, int rows, T* dst, int64_t dst_stride, int cols) {
  using namespace transpose_detail;
  constexpr int L = Vec<T>::size;
  using All = Places<L>;
  typename Vec<T>::Values a[L], b[L];
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i) {
    if (i >= rows)
      a[i] = typename Vec<T>::Values{};
    else
      a[i] = cols >= L ? Vec<T>::load(src + i * src_stride).v : Vec<T>::load(src + i * src_stride, cols).v;
  }
#pragma GCC unroll 4
  for (int round = 1; round < L; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < L / 2; ++i) {
      b[2 * i] = interleave<0>(a[i], a[i + L / 2], All{});
      b[2 * i + 1] = interleave<L / 2>(a[i], a[i + L / 2], All{});
    }
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) a[i] = b[i];
  }
#pragma GCC unroll 16
  for (int j = 0; j < L; ++j) {
    if (j >= cols) break;
    if (rows >= L)
      Vec<T>(a[j]).store(dst + j * dst_stride);
    else
      Vec<T>(a[j]).store(dst + j * dst_stride, rows);
  }
}

// The same for any number of columns.
template <class T>
static inline void transpose_rows(const T* src, int64_t src_stride, int rows, T* dst, int64_t dst_stride,
                                  int64_t cols) {
  constexpr int L = Vec<T>::size;
  for (int64_t j = 0; j < cols; j += L)
    transpose_tile(src + j, src_stride, rows, dst + j * dst_stride, dst_stride,
                   static_cast<int>(cols - j < L ? cols - j : L));
}

}  // namespace nn::NN_ISA
