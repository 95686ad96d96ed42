// Packed weights: panels of `panel` output channels, [channel][tap][panel], so that a tile reads them front to back.
#pragma once

#include "cpu/kernels/conv_correlate.h"
#include "cpu/simd/transpose.h"

namespace nn::NN_ISA {
namespace {

// Calls body(index, j) for every combination j of taps[0..2], in order.
template <class Body>
void each_tap(const int64_t (&taps)[3], const Body& body) {
  int64_t t = 0;
  for (int64_t r0 = 0; r0 < taps[0]; ++r0)
    for (int64_t r1 = 0; r1 < taps[1]; ++r1)
      for (int64_t r2 = 0; r2 < taps[2]; ++r2, ++t) {
        const int64_t j[3] = {r0, r1, r2};
        body(t, j);
      }
}

// Where each tap of a phase lies in the weights, and whether the taps of a channel lie in order, or in reverse order,
// gapless.
struct WeightTaps {
  int64_t count;
  int64_t* offset;
  bool ascending, descending;
};

// `rows` output channels from w on, for channels [begin, end), into a panel; the rest of the panel is zero.
template <class T>
void pack_panel(const Correlation& p, const WeightTaps& taps, const T* w, int64_t rows, int64_t panel, int64_t begin,
                int64_t end, T* packed) {
  constexpr int L = Vec<T>::size;
  const int64_t n = taps.count, span = n * panel;
  packed += begin * span;
  w += begin * p.w_channel;
  if (rows < panel)
    for (int64_t i = 0; i < (end - begin) * n; ++i)
      for (int64_t m = rows; m < panel; ++m) packed[i * panel + m] = T(0);
  if (p.w_row == 1 || !(taps.ascending || taps.descending)) {
    for (int64_t c = begin; c < end; ++c, w += p.w_channel)
      for (int64_t t = 0; t < n; ++t, packed += panel)
        for (int64_t m = 0; m < rows; ++m) packed[m] = w[taps.offset[t] + m * p.w_row];
    return;
  }
  const bool one_run = taps.ascending && p.w_channel == n;
  for (int64_t m = 0; m < rows; m += L) {
    const int lanes = static_cast<int>(min_of(rows - m, L));
    const T* from = w + m * p.w_row;
    T* to = packed + m;
    if (one_run) {
      transpose_rows(from, p.w_row, lanes, to, panel, (end - begin) * n);
      continue;
    }
    for (int64_t c = begin; c < end; ++c, from += p.w_channel, to += span) {
      // A channel's taps are a few lines far from those of the next one, where no hardware looks ahead.
      const int64_t line = 64 / sizeof(T), ahead = min_of(lanes * p.w_row, 16 * line);
      for (int64_t i = 0; i < ahead; i += line) __builtin_prefetch(from + 3 * p.w_channel + i);
      if (taps.ascending)
        transpose_rows(from, p.w_row, lanes, to, panel, n);
      else
        transpose_rows(from, p.w_row, lanes, to + (n - 1) * panel, -panel, n);
    }
  }
}

}  // namespace
}  // namespace nn::NN_ISA
