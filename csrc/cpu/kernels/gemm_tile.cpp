// The micro-kernels behind gemm_tile.h: one function for each number of rows, of vectors in a row, and for a whole or a
// masked last vector, so that every loop but the one over k is unrolled and every accumulator is a register.
#include "cpu/kernels/gemm_tile.h"

namespace nn::NN_ISA {
namespace {

template <bool Masked, class T>
inline Vec<T> load_columns(const T* p, int count) {
  if constexpr (Masked) return Vec<T>::load(p, count);
  return Vec<T>::load(p);
}

template <bool Masked, class T>
inline void store_columns(Vec<T> x, T* p, int count) {
  if constexpr (Masked) {
    x.store(p, count);
  } else {
    x.store(p);
  }
}

// The tail of a tile where anything but plain storing is asked for.
template <class T, int R, int NV, bool Masked>
inline void finish(const Tile<T>& t, Vec<T> (&acc)[R][NV], int last) {
  constexpr int W = Vec<T>::size;
#pragma GCC unroll 2
  for (int v = 0; v < NV; ++v) {
    const bool masked = Masked && v == NV - 1;
    const auto load = [&](const T* p) { return masked ? load_columns<Masked>(p, last) : Vec<T>::load(p); };
    const Vec<T> column = t.col_bias ? load(t.col_bias + v * W) : Vec<T>(T(0));
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      Vec<T> x = acc[i][v];
      if (t.row_bias) x = x + Vec<T>(t.row_bias[i]);
      if (t.col_bias) x = x + column;
      if (t.relu) x = select(x < Vec<T>(T(0)), Vec<T>(T(0)), x);
      acc[i][v] = x;
    }
  }
}

template <class T, int R, int NV, bool Masked>
void tile_kernel(const Tile<T>& t) {
  constexpr int W = Vec<T>::size;
  const int last = t.cols - (NV - 1) * W;
  Vec<T> acc[R][NV];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) acc[i][v] = Vec<T>(T(0));
  }
  if (t.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const T* c = t.c + i * t.c_row;
#pragma GCC unroll 2
      for (int v = 0; v < NV - 1; ++v) acc[i][v] = Vec<T>::load(c + v * W);
      acc[i][NV - 1] = load_columns<Masked>(c + (NV - 1) * W, last);
    }
  }
  // Rows are addressed in groups of three from one pointer each (p, p + row, p + 2 row): R pointers would not fit the
  // general registers. Strides in bytes: with a scaled stride GCC makes a second copy of the loop for a_col = 1.
  constexpr int G = (R + 2) / 3;
  const char* group[G];
  const int64_t a_row = t.a_row * int64_t{sizeof(T)}, a_col = t.a_col * int64_t{sizeof(T)}, b_row = t.b_row;
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) group[g] = reinterpret_cast<const char*>(t.a) + 3 * g * a_row;
  const T* b = t.b;
  for (int64_t k = t.K; k > 0; --k) {
    Vec<T> row[NV];
#pragma GCC unroll 2
    for (int v = 0; v < NV - 1; ++v) row[v] = Vec<T>::load(b + v * W);
    row[NV - 1] = load_columns<Masked>(b + (NV - 1) * W, last);
    b += b_row;
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Vec<T> x(*reinterpret_cast<const T*>(group[i / 3] + (i % 3) * a_row));
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) acc[i][v] = fma(x, row[v], acc[i][v]);
    }
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) group[g] += a_col;
  }
  if (t.relu || t.row_bias || t.col_bias) finish<T, R, NV, Masked>(t, acc, last);
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
    T* c = t.c + i * t.c_row;
#pragma GCC unroll 2
    for (int v = 0; v < NV - 1; ++v) acc[i][v].store(c + v * W);
    store_columns<Masked>(acc[i][NV - 1], c + (NV - 1) * W, last);
  }
}

template <class T>
using TileKernel = void (*)(const Tile<T>&);

// [vectors - 1][masked][rows - 1]
template <class T>
struct TileTable {
  TileKernel<T> kernel[2][2][TileSize<T>::MR];

  constexpr TileTable() : kernel{} { fill<TileSize<T>::MR>(); }

  template <int R>
  constexpr void fill() {
    kernel[0][0][R - 1] = tile_kernel<T, R, 1, false>;
    kernel[0][1][R - 1] = tile_kernel<T, R, 1, true>;
    kernel[1][0][R - 1] = tile_kernel<T, R, 2, false>;
    kernel[1][1][R - 1] = tile_kernel<T, R, 2, true>;
    if constexpr (R > 1) fill<R - 1>();
  }
};

template <class T>
constexpr TileTable<T> tile_table;

}  // namespace

template <class T>
void run_tile(const Tile<T>& tile) {
  constexpr int W = Vec<T>::size;
  tile_table<T>.kernel[tile.cols > W][tile.cols % W != 0][tile.rows - 1](tile);
}

template void run_tile(const Tile<float>&);
template void run_tile(const Tile<double>&);

}  // namespace nn::NN_ISA
