// Where the windows of a pooling lie: a table for each axis, so that no kernel divides in its loops.
#pragma once

#include "core/kernels/pool.h"
#include "core/scratch.h"
#include "math/conv_window.h"

namespace nn::NN_ISA {

// One output position of one axis: the input positions begin, begin + dilation, ... below end, all inside the input,
// and how many positions an average counts when it counts the padding too.
struct Window {
  int64_t begin, end, padded;
};

class Windows {
 public:
  explicit Windows(const PoolGeometry& g) : memory_((g.out[0] + g.out[1] + g.out[2]) * sizeof(Window)) {
    Window* next = static_cast<Window*>(memory_.data);
    for (int i = 0; i < 3; ++i) {
      axis[i] = next;
      for (int64_t o = 0; o < g.out[i]; ++o) *next++ = window(g, i, o);
    }
  }

  const Window* axis[3];

 private:
  static Window window(const PoolGeometry& g, int i, int64_t o) {
    if (g.adaptive) {
      const WindowRange r = adaptive_window(o, g.in[i], g.out[i]);
      return {r.begin, r.end, r.end - r.begin};
    }
    const int64_t start = o * g.stride[i] - g.pad[i], d = g.dilation[i];
    const WindowRange taps = taps_inside(start, g.kernel[i], d, g.in[i]);
    const int64_t stop = start + g.kernel[i], limit = g.in[i] + g.pad[i];
    if (taps.begin == taps.end) {  // dilation can step over a small input: nothing to read, begin is a valid place
      const int64_t place = start < 0 ? 0 : start < g.in[i] ? start : g.in[i] - 1;
      return {place, place, 0};
    }
    return {start + taps.begin * d, start + (taps.end - 1) * d + 1, (stop < limit ? stop : limit) - start};
  }

  Scratch memory_;
};

static inline int64_t plane_size(const int64_t (&extent)[3]) { return extent[0] * extent[1] * extent[2]; }

// The outputs of a row whose windows lie in whole inside the input, where they are 1 or 2 apart so that registers of
// neighbours serve them; none where they are not.
static inline WindowRange outputs_with_whole_windows(const PoolGeometry& g) {
  const int64_t stride = g.stride[2], last = (g.kernel[2] - 1) * g.dilation[2] - g.pad[2];
  if (g.adaptive || stride > 2 || (stride == 2 && g.dilation[2] != 1)) return {0, 0};
  const int64_t begin = outputs_inside(-g.pad[2], stride, g.in[2], g.out[2]).begin;
  const int64_t end = outputs_inside(last, stride, g.in[2], g.out[2]).end;
  return begin < end ? WindowRange{begin, end} : WindowRange{0, 0};
}

// body(row, plane, i, j) for rows [begin, end) of all outputs, the planes one after the other.
template <class Body>
static inline void each_output_row(const PoolGeometry& g, int64_t begin, int64_t end, const Body& body) {
  const int64_t rows = g.out[0] * g.out[1];
  int64_t plane = begin / rows, i = begin % rows / g.out[1], j = begin % g.out[1];
  for (int64_t row = begin; row < end; ++row) {
    body(row, plane, i, j);
    if (++j < g.out[1]) continue;
    j = 0;
    if (++i < g.out[0]) continue;
    i = 0;
    ++plane;
  }
}

// How many outputs one thread takes at least, when each costs about `reads` elements.
static inline int64_t pool_grain(int64_t reads) { return 1 + (int64_t{1} << 14) / (reads > 0 ? reads : 1); }

}  // namespace nn::NN_ISA
