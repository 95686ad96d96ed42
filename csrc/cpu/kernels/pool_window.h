// Where the windows of a pooling lie: a table for each axis, so that no kernel divides in its loops.
#pragma once

#include "core/kernels/pool.h"
#include "core/scratch.h"
#include "math/pool_window.h"

namespace nn::NN_ISA {

using Window = PoolWindow<int64_t>;

class Windows {
 public:
  explicit Windows(const PoolGeometry& g) : memory_((g.out[0] + g.out[1] + g.out[2]) * sizeof(Window)) {
    Window* next = static_cast<Window*>(memory_.data);
    for (int i = 0; i < 3; ++i) {
      axis[i] = next;
      const PoolAxis<int64_t> along{g.in[i], g.out[i], g.kernel[i], g.stride[i], g.pad[i], g.dilation[i], g.adaptive};
      for (int64_t o = 0; o < g.out[i]; ++o) *next++ = pool_window(along, o);
    }
  }

  const Window* axis[3];

 private:
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
