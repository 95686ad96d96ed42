// Packing: copies of a block of A or B in the order in which the tile of gemm_tile.h walks it, so that it streams from
// the caches without touching a new page, or the same cache sets, at every step. Panels are not padded with zeros: the
// tile reads only what is valid.
#pragma once

#include "cpu/kernels/gemm_tile.h"

namespace nn::NN_ISA {
namespace {

// Asks for cache lines of `rows` rows of `length` adjacent elements, for the second-level cache.
template <class T>
inline void prefetch_rows(const T* p, int64_t rows, int64_t stride, int64_t length) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < length; j += 64 / sizeof(T)) __builtin_prefetch(p + i * stride + j, 0, 2);
    __builtin_prefetch(p + i * stride + length - 1, 0, 2);
  }
}

// Copies, and asks for the elements `ahead` of them: rows lie on different pages, where the hardware's own prefetching
// starts anew.
template <class T>
inline void copy(T* to, const T* from, int64_t count, int64_t ahead) {
  constexpr int W = Vec<T>::size;
  int64_t i = 0;
  for (; i + W <= count; i += W) {
    __builtin_prefetch(from + i + ahead);
    Vec<T>::load(from + i).store(to + i);
  }
  const int rest = static_cast<int>(count - i);
  if (rest > 0) Vec<T>::load(from + i, rest).store(to + i, rest);
}

// to[k * to_row + j] = from[j * from_row + k] for j, k < 4.
template <class T>
inline __attribute__((always_inline)) void transpose_4x4(T* to, int64_t to_row, const T* from, int64_t from_row) {
  typedef T Four __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));
  const Four r0 = *reinterpret_cast<const Four*>(from), r1 = *reinterpret_cast<const Four*>(from + from_row);
  const Four r2 = *reinterpret_cast<const Four*>(from + 2 * from_row);
  const Four r3 = *reinterpret_cast<const Four*>(from + 3 * from_row);
  const Four a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), b = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
  const Four c = __builtin_shufflevector(r0, r1, 2, 6, 3, 7), d = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
  *reinterpret_cast<Four*>(to) = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  *reinterpret_cast<Four*>(to + to_row) = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  *reinterpret_cast<Four*>(to + 2 * to_row) = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  *reinterpret_cast<Four*>(to + 3 * to_row) = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

// to[k * Width + j] = b[j * b_col + k] for k < K and j < cols, both multiples of 4. Not inlined: the loops need every
// register there is.
template <int Width, class T>
__attribute__((noinline)) void pack_transposed(T* to, int64_t K, int64_t cols, const T* b, int64_t b_col) {
  // By one cache line of each row at a time: the lines written stay in the first-level cache until they are full.
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t line = 0; line < K; line += kLine) {
    const int64_t end = line + kLine < K ? line + kLine : K;
    for (int64_t j = 0; j < cols; j += 4) {
      const T* from = b + j * b_col;
      for (int64_t k = line; k < end; k += 4) transpose_4x4(to + k * Width + j, Width, from + k, b_col);
    }
  }
}

// Rows of A that are contiguous along k are packed as they are, row i at to + i * packed_row_length(K): a tile repeats
// single elements of A and does not mind where they lie. One cache line more than K keeps them out of the same sets.
template <class T>
inline int64_t packed_row_length(int64_t K) {
  constexpr int64_t line = 64 / sizeof(T);
  return (K + line - 1) / line * line + line;
}

template <class T>
inline void pack_rows(T* to, int64_t rows, int64_t K, const T* a, int64_t a_row) {
  const int64_t length = packed_row_length<T>(K);
  for (int64_t i = 0; i < rows; ++i) copy(to + i * length, a + i * a_row, K, a_row);
}

// Packs one panel of B, to[k * Width + j] = b[k * b_row + j * b_col] for k < K, j < cols <= Width. The same, with rows
// and columns exchanged, packs a panel of Width rows of A.
template <int Width, class T>
inline void pack_panel(T* to, int64_t K, int64_t cols, const T* b, int64_t b_row, int64_t b_col) {
  if (b_col == 1) {
    for (int64_t k = 0; k < K; ++k) copy(to + k * Width, b + k * b_row, cols, 8 * b_row);
    return;
  }
  const int64_t K4 = b_row == 1 ? K / 4 * 4 : 0, cols4 = b_row == 1 ? cols / 4 * 4 : 0;
  pack_transposed<Width>(to, K4, cols4, b, b_col);
  for (int64_t j = 0; j < cols; ++j) {
    for (int64_t k = j < cols4 ? K4 : 0; k < K; ++k) to[k * Width + j] = b[k * b_row + j * b_col];
  }
}

}  // namespace
}  // namespace nn::NN_ISA
