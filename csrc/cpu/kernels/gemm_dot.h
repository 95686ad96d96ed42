// Products of few rows with a matrix that is contiguous along k: matrix times vector, dot products, a linear layer on a
// small batch. Packing would read and write the matrix once more for a handful of uses, so the lanes run along k, and
// each element of C is the sum of one vector of partial sums. The bound is reading the matrix once.
#pragma once

#include "cpu/kernels/gemm_block.h"

namespace nn::NN_ISA {
namespace {

// Products with at most this many rows or columns are taken this way.
inline constexpr int64_t kFewRows = 8;

template <class T>
bool is_dot(const Product<T>& p) {
  return p.a_col == 1 && p.b_row == 1 && (p.M <= kFewRows || p.N <= kFewRows) && p.K >= 2 * Vec<T>::size;
}

// Rows m to m + R of A with columns n to n + S of B. Each element is one chain in the order of k, whatever R and S.
template <int R, int S, class T>
void dot_tile(const Product<T>& p, int64_t m, int64_t n) {
  using V = Vec<T>;
  V sums[R][S];
  for (int i = 0; i < R; ++i) {
    for (int j = 0; j < S; ++j) sums[i][j] = V(T(0));
  }
  const T* const a = p.a + m * p.a_row;
  const T* const b = p.b + n * p.b_col;
  const auto step = [&](auto load, int64_t k) {
    V column[S];
#pragma GCC unroll 4
    for (int j = 0; j < S; ++j) column[j] = load(b + j * p.b_col + k);
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      const V row = load(a + i * p.a_row + k);
#pragma GCC unroll 4
      for (int j = 0; j < S; ++j) sums[i][j] = fma(row, column[j], sums[i][j]);
    }
  };
  int64_t k = 0;
  for (; k + V::size <= p.K; k += V::size) step([](const T* x) { return V::load(x); }, k);
  const int rest = static_cast<int>(p.K - k);
  if (rest > 0) step([rest](const T* x) { return V::load(x, rest); }, k);
  for (int i = 0; i < R; ++i) {
    for (int j = 0; j < S; ++j) {
      T& c = p.c[(m + i) * p.c_row + n + j];
      T x = sum(sums[i][j]);
      if (p.accumulate) x += c;
      if (p.row_bias) x += p.row_bias[m + i];
      if (p.col_bias) x += p.col_bias[n + j];
      c = p.relu && x < T(0) ? T(0) : x;
    }
  }
}

template <int R, class T>
void dot_rows(const Product<T>& p, int64_t m) {
  int64_t n = 0;
  for (; n + 4 <= p.N; n += 4) dot_tile<R, 4>(p, m, n);
  for (; n < p.N; ++n) dot_tile<R, 1>(p, m, n);
}

// One product on one thread.
template <class T>
void run_dots(const Product<T>& p) {
  constexpr int kRows = TileSize<T>::MR >= 14 ? 4 : 2;  // times 4 columns fit the registers
  int64_t m = 0;
  if (p.N >= 4) {
    for (; m + kRows <= p.M; m += kRows) dot_rows<kRows>(p, m);
    for (; m < p.M; ++m) dot_rows<1>(p, m);
  } else {
    for (; m + 4 <= p.M; m += 4) dot_rows<4>(p, m);
    for (; m < p.M; ++m) dot_rows<1>(p, m);
  }
}

}  // namespace
}  // namespace nn::NN_ISA
