// Packing: copies of a block of A or B in the order in which the tile of gemm_tile.h walks it, so that it streams from
// the second-level cache without touching a new page or a conflicting cache set at every step. No panel is padded with
// zeros: the tile reads only what is valid.
#pragma once

#include "cpu/kernels/gemm_tile.h"

namespace nn::NN_ISA {

namespace {

// Rows of A that are contiguous along k are copied as they are: a tile repeats single elements of A and does not mind
// where they lie. The copies start one cache line further apart than K, so that they do not fall into the same sets.
template <class T>
inline int64_t packed_row_length(int64_t K) {
  constexpr int64_t line = 64 / sizeof(T);
  return (K + line - 1) / line * line + line;
}

template <class T>
inline void copy(T* to, const T* from, int64_t count) {
  constexpr int W = Vec<T>::size;
  int64_t i = 0;
  for (; i + W <= count; i += W) Vec<T>::load(from + i).store(to + i);
  if (i < count) Vec<T>::load(from + i, static_cast<int>(count - i)).store(to + i, static_cast<int>(count - i));
}

// Packs rows of A that are contiguous along k: row i at to + i * packed_row_length(K).
template <class T>
inline void pack_rows(T* to, int64_t rows, int64_t K, const T* a, int64_t a_row) {
  const int64_t length = packed_row_length<T>(K);
  for (int64_t i = 0; i < rows; ++i) copy(to + i * length, a + i * a_row, K);
}

// Packs one panel of B, to[k * NR + j] = b[k * b_row + j * b_col] for k < K, j < cols <= NR. Also packs a panel of A
// with the roles of rows and columns exchanged.
template <int NR, class T>
inline void pack_panel(T* to, int64_t K, int64_t cols, const T* b, int64_t b_row, int64_t b_col) {
  if (b_col == 1) {
    for (int64_t k = 0; k < K; ++k) copy(to + k * NR, b + k * b_row, cols);
  } else {
    for (int64_t j = 0; j < cols; ++j) {
      for (int64_t k = 0; k < K; ++k) to[k * NR + j] = b[k * b_row + j * b_col];
    }
  }
}

}  // namespace
}  // namespace nn::NN_ISA
