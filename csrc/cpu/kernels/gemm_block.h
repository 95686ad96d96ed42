// One product on one thread: the loops over cache blocks around the register tile, after Goto and van de Geijn,
// "Anatomy of High-Performance Matrix Multiplication" (2008), and BLIS.
//
// B is cut into blocks of KC rows and packed into panels as wide as a tile; a panel streams from the second-level cache
// past the rows of A. A is cut into blocks of MC x KC that stay in that cache while every panel passes. A panel is
// packed right before its first use, from lines that were asked for while the panel before it was multiplied. Where an
// operand is used by few tiles, or lies well, packing costs more than it saves: the tile reads it in place.
#pragma once

#include "cpu/kernels/gemm_pack.h"

namespace nn::NN_ISA {
namespace {

inline int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }
inline int64_t min(int64_t x, int64_t y) { return x < y ? x : y; }

// C = relu(A B (+ C) + row_bias[m] + col_bias[n]) as gemm_tile.h has it, for matrices of any size.
template <class T>
struct Product {
  int64_t M, N, K;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  T* c;
  int64_t c_row;
  const T *row_bias, *col_bias;
  bool relu, accumulate;

  // The same for rows m0 to m1 and columns n0 to n1 of C.
  Product block(int64_t m0, int64_t m1, int64_t n0, int64_t n1) const {
    Product p = *this;
    p.M = m1 - m0, p.N = n1 - n0;
    p.a += m0 * a_row, p.b += n0 * b_col, p.c += m0 * c_row + n0;
    if (row_bias) p.row_bias += m0;
    if (col_bias) p.col_bias += n0;
    return p;
  }
};

// With no more steps than this, C costs more than A and B.
inline constexpr int64_t kShort = 64;

// Extents of the cache blocks; which operands are packed.
struct Blocking {
  int64_t MC, NC, KC;
  bool pack_a, pack_b;
};

template <class T>
Blocking choose_blocking(const Product<T>& p) {
  constexpr int MR = TileSize<T>::MR, NR = TileSize<T>::NR;
  constexpr int64_t kPage = 4096 / sizeof(T);
  Blocking x;
  constexpr int64_t KC = 2048 / sizeof(T), MC = 256 / MR * MR;  // a block of A: 512 KiB
  x.KC = p.K > 0 ? ceil_div(p.K, ceil_div(p.K, KC)) : 1;
  x.MC = MC, x.NC = 128 * NR;
  // In place, every step of k reads another row of B.
  x.pack_b = p.b_col != 1 || (p.M > MR && p.K > kShort && p.K * p.N > 32768);
  // In place, rows a multiple of the page apart share one set of the first-level cache, which holds fewer lines than
  // the tile has rows.
  x.pack_a = p.N > 4 * NR && (p.a_col != 1 || p.a_row % kPage == 0) && p.K * p.M > 32768;
  if (p.a_col != 1 && p.a_row != 1 && p.N > NR) x.pack_a = true;
  return x;
}

// Elements of scratch for an M x N part of the product.
template <class T>
int64_t packed_a_size(const Blocking& x, int64_t M) {
  constexpr int MR = TileSize<T>::MR;
  return x.pack_a ? ceil_div(min(x.MC, M), 1) * packed_row_length<T>(x.KC) + MR * packed_row_length<T>(x.KC) : 0;
}
template <class T>
int64_t packed_b_size(const Blocking& x, int64_t N) {
  constexpr int NR = TileSize<T>::NR;
  return x.pack_b ? ceil_div(min(x.NC, N), NR) * NR * x.KC : 0;
}

template <class T>
class BlockedProduct {
 public:
  BlockedProduct(const Product<T>& product, const Blocking& blocking, T* work)
      : p(product),
        x(blocking),
        a_work(x.pack_a ? work : nullptr),
        b_work(x.pack_b ? work + packed_a_size<T>(x, p.M) : nullptr) {}

  void run() {
    if (p.M == 0 || p.N == 0) return;  // there are more threads than rows
    // Tiles of equal height: 11 + 11 + 10 rows keep the multiply-add unit busier than 14 + 14 + 4.
    height = ceil_div(p.M, ceil_div(p.M, MR));
    const int64_t tiles = ceil_div(p.M, height), blocks = ceil_div(p.M, x.MC);
    const int64_t rows = ceil_div(tiles, blocks) * height;
    for (int64_t n = 0; n < p.N; n += x.NC) {
      for (int64_t k = 0; k == 0 || k < p.K; k += x.KC) {
        for (int64_t m = 0; m < p.M; m += rows) {
          block(m, min(rows, p.M - m), n, min(x.NC, p.N - n), k, min(x.KC, p.K - k));
        }
      }
    }
  }

 private:
  static constexpr int MR = TileSize<T>::MR, NR = TileSize<T>::NR;

  const Product<T>& p;
  const Blocking& x;
  T *const a_work, *const b_work;
  int64_t height;

  // M x N elements of C from (m, n) on, and K steps from k on.
  void block(int64_t m, int64_t M, int64_t n, int64_t N, int64_t k, int64_t K) {
    Tile<T> t{};
    t.K = K, t.c_row = p.c_row;
    t.accumulate = p.accumulate || k > 0;
    const bool last = k + K == p.K;
    t.relu = last && p.relu;
    const auto tile = [&](int64_t i, int64_t j) {
      t.rows = static_cast<int>(min(height, M - i)), t.cols = static_cast<int>(min(NR, N - j));
      t.c = p.c + (m + i) * p.c_row + n + j;
      t.row_bias = last && p.row_bias ? p.row_bias + m + i : nullptr;
      t.col_bias = last && p.col_bias ? p.col_bias + n + j : nullptr;
      place_a(t, m + i, i, k, j == 0);
      t.b = b_work ? b_work + j * K : p.b + k * p.b_row + (n + j) * p.b_col;
      t.b_row = b_work ? NR : p.b_row;
      run_tile(t);
    };
    if (!b_work && K <= kShort) {
      // Few steps for each element of C: its rows are written as they lie, and B stays in the caches.
      for (int64_t i = 0; i < M; i += height) {
        for (int64_t j = 0; j < N; j += NR) tile(i, j);
      }
      return;
    }
    const int64_t share = ceil_div(K, ceil_div(M, height));  // of the next panel, asked for with each tile
    const bool pack_b = b_work && m == 0;
    for (int64_t j = 0; j < N; j += NR) {
      const T* const b = p.b + k * p.b_row + (n + j) * p.b_col;
      if (pack_b) pack_panel<NR>(b_work + j * K, K, min(NR, N - j), b, p.b_row, p.b_col);
      for (int64_t i = 0; i < M; i += height) {
        if (pack_b && j + 2 * NR <= N) prefetch_b(b + NR * p.b_col, i / height * share, share, K);
        tile(i, j);
      }
    }
  }

  // Points the tile to its rows of A, from row m on, which are packed at the place of row i the first time.
  void place_a(Tile<T>& t, int64_t m, int64_t i, int64_t k, bool first) {
    const T* const a = p.a + m * p.a_row + k * p.a_col;
    if (!a_work) {
      t.a = a, t.a_row = p.a_row, t.a_col = p.a_col;
    } else if (p.a_col == 1) {
      T* const to = a_work + i * packed_row_length<T>(t.K);
      if (first) pack_rows(to, t.rows, t.K, a, p.a_row);
      t.a = to, t.a_row = packed_row_length<T>(t.K), t.a_col = 1;
    } else {
      T* const to = a_work + i / height * MR * t.K;
      if (first) pack_panel<MR>(to, t.K, t.rows, a, p.a_col, p.a_row);
      t.a = to, t.a_row = 1, t.a_col = MR;
    }
  }

  void prefetch_b(const T* b, int64_t from, int64_t count, int64_t K) {
    if (p.b_col == 1) {
      if (from < K) prefetch_rows(b + from * p.b_row, min(count, K - from), p.b_row, NR);
    } else if (p.b_row == 1) {
      if (from < K) prefetch_rows(b + from, NR, p.b_col, min(count, K - from));
    }
  }
};

}  // namespace
}  // namespace nn::NN_ISA
