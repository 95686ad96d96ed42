// Pooling with windows that pave the plane: two dimensions, as far apart as they are large, without padding, dilation
// or a window over the edge; of float32 and 16 bits. (Nearly every pooling of a network of convolutions is 2 x 2 of
// this kind.)
//
// Each input lies in one window or, after the last, in none. So backward, where a window's gradient goes follows from
// the input's place alone: a thread writes four inputs that are neighbours in memory, be it across the ends of rows, as
// one store of 16 bytes. Forward, 2 x 2: a thread reads two rows of two windows, 16 bytes each, or of one.
// Places are found by multiplications (cuda/divisor.cuh), for there are fewer than 2^31 elements.
#pragma once

#include "cuda/divisor.cuh"
#include "cuda/pool_plane.cuh"
#include "cuda/stored.cuh"

namespace nn::cuda {

struct Paving {
  uint32_t inputs, outputs;  // of all planes
  NarrowDivisor in_height, in_width, out_height, out_width, high, wide;

  explicit Paving(const PoolGeometry& g)
      : inputs(static_cast<uint32_t>(g.planes * volume(g.in))),
        outputs(static_cast<uint32_t>(g.planes * volume(g.out))),
        in_height(g.in[1]),
        in_width(g.in[2]),
        out_height(g.out[1]),
        out_width(g.out[2]),
        high(g.kernel[1]),
        wide(g.kernel[2]) {}
};

inline bool is_paving(const PoolGeometry& g) {
  if (g.adaptive || g.in[0] != 1 || g.out[0] != 1 || g.kernel[0] != 1 || g.pad[0] != 0) return false;
  for (int i = 1; i < 3; ++i)
    if (g.kernel[i] != g.stride[i] || g.pad[i] != 0 || g.dilation[i] != 1 || g.out[i] * g.kernel[i] > g.in[i])
      return false;
  return is_narrow(g.planes * volume(g.in));
}
inline bool is_paving_by_2(const PoolGeometry& g) { return is_paving(g) && g.kernel[1] == 2 && g.kernel[2] == 2; }

// Whether two windows of two outputs are read and written together: all rows begin at multiples of 16 bytes.
inline bool takes_pairs(const PoolGeometry& g, bool aligned) {
  return aligned && g.in[2] % 4 == 0 && g.out[2] * 2 == g.in[2];
}

// body(o, first, upper, lower) for this thread's outputs o to o + kOutputs of windows of 2 x 2: the two rows of their
// inputs, and where in the plane the first lies. `aligned`: whether the rows of one window begin at multiples of 8
// bytes.
template <int kOutputs, class A, class Body>
__device__ __forceinline__ void each_square(const A& as, const Paving& p, bool aligned, const typename A::Stored* x,
                                            const Body& body) {
  each_element<uint32_t>(p.outputs / kOutputs, [&](uint32_t i) {
    const uint32_t o = i * kOutputs, row = o / p.out_width, plane = row / p.out_height;
    const uint32_t h = 2 * (row - plane * p.out_height.number), w = 2 * (o - row * p.out_width.number);
    const uint32_t first = h * p.in_width.number + w;
    const typename A::Stored* const from = x + (plane * p.in_height.number * p.in_width.number + first);
    const auto upper = load_values<2 * kOutputs>(as, from, kOutputs > 1 || aligned);
    const auto lower = load_values<2 * kOutputs>(as, from + p.in_width.number, kOutputs > 1 || aligned);
    body(o, first, upper, lower);
  });
}

// gx = value(o, place) for each input, at `place` of its plane, in the window of output o; 0 where there is none.
template <class A, class Value>
__device__ __forceinline__ void pave(const A& as, const Paving& p, typename A::Stored* gx, const Value& value) {
  constexpr uint32_t kCount = 4;
  each_element<uint32_t>(ceil_div(p.inputs, kCount), [&](uint32_t pack) {
    const uint32_t i = pack * kCount, row = i / p.in_width;
    uint32_t plane = row / p.in_height, h = row - plane * p.in_height.number, w = i - row * p.in_width.number;
    Pack<float, kCount> result;
#pragma unroll
    for (uint32_t k = 0; k < kCount; ++k) {
      const uint32_t a = h / p.high, b = w / p.wide;
      const bool covered = a < p.out_height.number && b < p.out_width.number && i + k < p.inputs;
      const uint32_t o = (plane * p.out_height.number + a) * p.out_width.number + b;
      result.at[k] = covered ? value(o, h * p.in_width.number + w) : 0.0f;
      if (++w < p.in_width.number) continue;
      w = 0;
      if (++h < p.in_height.number) continue;
      h = 0, ++plane;
    }
    if (i + kCount <= p.inputs) {
      store_values<kCount>(as, gx + i, result, true);
      return;
    }
#pragma unroll
    for (uint32_t k = 0; k < kCount; ++k)
      if (i + k < p.inputs) gx[i + k] = as.stored(result.at[k]);
  });
}

}  // namespace nn::cuda
