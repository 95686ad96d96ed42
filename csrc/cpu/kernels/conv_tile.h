// The innermost loops of convolution: register tiles that read taps straight from the strip (conv_gather.h).
//
//   channel_tile   outputs of MR neighbouring positions x NV vectors of output channels. Each step of the sum (one
//                  input channel, one tap) loads NV vectors of packed weights, broadcasts MR inputs, multiplies MR *
//                  NV.
//   pixel_tile     outputs of MR output channels x NV vectors of neighbouring positions: the other way round, for few
//                  output channels or short sums, because its results need no transposition.
//   weight_tile    gradient of MR (channel, tap) pairs x NV vectors of output channels, summed over output positions.
//
// Each output is one chain of fused multiply-adds in the order of the sum, so its bits do not depend on the tile it
// falls into. Bound: two multiply-adds per cycle; with AVX-512 a 14 x 2 tile loads 16 times for 28 multiply-adds.
#pragma once

#include "cpu/simd/transpose.h"

namespace nn::NN_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kPixels = 14;  // most positions of a channel_tile: (14 + 1) * 2 + 1 of 32 registers
constexpr int kMaxRows = 8;  // most output channels of a pixel_tile: (8 + 1) * 3 + 1
#else
constexpr int kPixels = 6;  // (6 + 1) * 2 + 1 of 16 registers
constexpr int kMaxRows = 6;
#endif

template <class T>
constexpr int kPanel = 2 * Vec<T>::size;  // output channels in one packed panel

// Steps that packed weights are fetched ahead: a panel is longer than the level-1 cache, and is read front to back.
constexpr int kAhead = 12;

// What a tile sums over: channels `channel` apart, and the taps of each.
struct TileSum {
  int64_t channels, channel;
  int64_t taps;
  const int64_t* tap;
  bool relu;  // of each sum
};

// The sums of a tile, finished.
template <class V, int MR, int NV>
NN_FN void finish(const TileSum& sum, V (&acc)[MR][NV]) {
  if (!sum.relu) return;
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) acc[m][v] = select(acc[m][v] < V(0), V(0), acc[m][v]);
}

// buf[m][v] = bias + sum of x * w for position m; w is [channels][taps][kPanel]. The positions are neighbours, or,
// where kScattered, lie offset[m] from x: one more load for each, but rows too short to fill a tile can share one.
template <class T, int MR, int NV, bool kScattered>
void channel_tile(const T* x, const int64_t* offset, const TileSum& sum, const T* w, const T* bias, T* buf) {
  using V = Vec<T>;
  constexpr int L = V::size;
  V acc[MR][NV];
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) acc[m][v] = V::load(bias + v * L);
  for (int64_t c = 0; c < sum.channels; ++c, x += sum.channel)
    for (int64_t t = 0; t < sum.taps; ++t, w += kPanel<T>) {
      const T* px = x + sum.tap[t];
      V b[NV];
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) {
        b[v] = V::load(w + v * L);
        __builtin_prefetch(w + kAhead * kPanel<T> + v * L);
      }
#pragma GCC unroll 16
      for (int m = 0; m < MR; ++m) {
        const V a = V(px[kScattered ? offset[m] : m]);
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) acc[m][v] = fma(a, b[v], acc[m][v]);
      }
    }
  finish(sum, acc);
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) acc[m][v].store(buf + (m * NV + v) * L);
}

// Which positions a pixel_tile computes: NV vectors of one row or, with kRows, one vector of each of NV rows; of the
// last vector of a row `last` positions. Results go to y[m * y_channel + ...] for the `rows` output channels there are.
template <class T>
struct PixelSpan {
  int last;
  int64_t x_row, y_row;  // from one row to the next
  T* y;
  int64_t y_channel, channels;
};

// y = bias + sum of x * w; w is [channels][taps][MR]. Only with kRows is anything read past `last`.
template <class T, int MR, int NV, bool kRows>
void pixel_tile(const T* x, const TileSum& sum, const T* w, const T* bias, const PixelSpan<T>& span) {
  using V = Vec<T>;
  constexpr int L = V::size;
  V acc[MR][NV];
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) acc[m][v] = V(bias[m]);
  const int last = span.last;
  const int64_t x_row = span.x_row;
  for (int64_t c = 0; c < sum.channels; ++c, x += sum.channel)
    for (int64_t t = 0; t < sum.taps; ++t, w += MR) {
      const T* px = x + sum.tap[t];
      V b[NV];
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) {
        if (kRows)
          b[v] = V::load(px + v * x_row);
        else
          b[v] = v < NV - 1 ? V::load(px + v * L) : V::load(px + v * L, last);
      }
#pragma GCC unroll 16
      for (int m = 0; m < MR; ++m) {
        const V a = V(w[m]);
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) acc[m][v] = fma(a, b[v], acc[m][v]);
      }
    }
  finish(sum, acc);
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) {
    if (m >= span.channels) break;
    T* y = span.y + m * span.y_channel;
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      if (kRows)
        acc[m][v].store(y + v * span.y_row, last);
      else if (v < NV - 1)
        acc[m][v].store(y + v * L);
      else
        acc[m][v].store(y + v * L, last);
    }
  }
}

// Positions of a weight_tile: `outer` groups of rows of `cols` neighbouring positions.
struct TilePositions {
  int64_t rows, cols;
  const int64_t* row;  // where each row begins in the strip
};

// gw[m][v] += sum over positions of x[offset[m] + position] * gy[position][v]; gy is packed [position][kPanel], gw is
// [MR][kPanel].
template <class T, int MR, int NV>
void weight_tile(const T* x, const int64_t* offset, const T* gy, const TilePositions& at, T* gw) {
  using V = Vec<T>;
  constexpr int L = V::size;
  V acc[MR][NV];
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[m][v] = V::load(gw + m * kPanel<T> + v * L);
  for (int64_t r = 0; r < at.rows; ++r) {
    const T* px = x + at.row[r];
    for (int64_t q = 0; q < at.cols; ++q, ++px, gy += kPanel<T>) {
      V b[NV];
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) b[v] = V::load(gy + v * L);
#pragma GCC unroll 16
      for (int m = 0; m < MR; ++m) {
        const V a = V(px[offset[m]]);
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) acc[m][v] = fma(a, b[v], acc[m][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[m][v].store(gw + m * kPanel<T> + v * L);
}

// ---- tiles by size ----

template <class T>
using ChannelTile = void (*)(const T*, const int64_t*, const TileSum&, const T*, const T*, T*);
template <class T>
using PixelTile = void (*)(const T*, const TileSum&, const T*, const T*, const PixelSpan<T>&);
template <class T>
using WeightTile = void (*)(const T*, const int64_t*, const T*, const TilePositions&, T*);

// One entry for each count from 1 to N.
template <class T, int NV, bool kScattered, int... I>
ChannelTile<T> pick_channel_tile(int64_t positions, Indices<I...>) {
  constexpr ChannelTile<T> tiles[] = {channel_tile<T, I + 1, NV, kScattered>...};
  return tiles[positions - 1];
}
template <class T, int NV, int... I>
WeightTile<T> pick_weight_tile(int64_t taps, Indices<I...>) {
  constexpr WeightTile<T> tiles[] = {weight_tile<T, I + 1, NV>...};
  return tiles[taps - 1];
}
template <class T, int MR, bool kRows, int... I>
PixelTile<T> pick_pixel_tile(int64_t vectors, Indices<I...>) {
  constexpr PixelTile<T> tiles[] = {pixel_tile<T, MR, I + 1, kRows>...};
  return tiles[vectors - 1];
}

template <class T, bool kScattered>
ChannelTile<T> channel_tile_for(int64_t vectors, int64_t positions) {
  using Counts = CountIndices<kPixels>::type;
  return vectors == 2 ? pick_channel_tile<T, 2, kScattered>(positions, Counts{})
                      : pick_channel_tile<T, 1, kScattered>(positions, Counts{});
}

template <class T>
WeightTile<T> weight_tile_for(int64_t vectors, int64_t taps) {
  if (vectors == 2) return pick_weight_tile<T, 2>(taps, CountIndices<kPixels>::type{});
  return pick_weight_tile<T, 1>(taps, CountIndices<kPixels>::type{});
}

// Vectors of positions in a pixel_tile of so many rows, as many as the registers hold.
constexpr int pixel_vectors(int64_t rows) {
  if (kMaxRows == 8) return rows == 8 ? 3 : rows == 6 ? 4 : rows == 4 ? 6 : rows == 3 ? 7 : 8;
  return rows == 6 ? 2 : rows >= 3 ? 3 : rows == 2 ? 4 : 8;
}

template <class T, int MR>
PixelTile<T> pixel_tile_for(int64_t vectors, bool rows) {
  using Counts = typename CountIndices<pixel_vectors(MR)>::type;
  return rows ? pick_pixel_tile<T, MR, true>(vectors, Counts{}) : pick_pixel_tile<T, MR, false>(vectors, Counts{});
}
// rows: whether each vector belongs to a row of its own.
template <class T>
PixelTile<T> pixel_tile_for(int64_t channels, int64_t vectors, bool rows) {
  switch (channels) {
    case 1:
      return pixel_tile_for<T, 1>(vectors, rows);
    case 2:
      return pixel_tile_for<T, 2>(vectors, rows);
    case 3:
      return pixel_tile_for<T, 3>(vectors, rows);
    case 4:
      return pixel_tile_for<T, 4>(vectors, rows);
    case 6:
      return pixel_tile_for<T, 6>(vectors, rows);
    default:
      return pixel_tile_for<T, kMaxRows>(vectors, rows);
  }
}

}  // namespace
}  // namespace nn::NN_ISA
