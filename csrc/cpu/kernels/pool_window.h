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

// How many outputs one thread takes at least, when each costs about `reads` elements.
static inline int64_t pool_grain(int64_t reads) { return 1 + (int64_t{1} << 14) / (reads > 0 ? reads : 1); }

}  // namespace nn::NN_ISA
