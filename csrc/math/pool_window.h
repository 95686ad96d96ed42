// Where the windows of a pooling lie along one axis, shared by C++ and CUDA. I is the type that positions are counted
// in.
#pragma once

#include "math/conv_window.h"

namespace nn::NN_ISA {

template <class I>
struct PoolAxis {
  I in, out, kernel, stride, pad, dilation;
  bool adaptive;  // the last four are not used
};

// One output position: the input positions begin, begin + dilation, ... below end, all inside the input, and how many
// positions an average counts when it counts the padding too.
template <class I>
struct PoolWindow {
  I begin, end, padded;
};

template <class I>
NN_FN constexpr PoolWindow<I> pool_window(const PoolAxis<I>& a, I o) {
  if (a.adaptive) {
    const I begin = o * a.in / a.out, end = ((o + 1) * a.in + a.out - 1) / a.out;
    return {begin, end, end - begin};
  }
  const I start = o * a.stride - a.pad, stop = start + a.kernel, limit = a.in + a.pad;
  I begin = start < 0 ? 0 : start, end = stop < a.in ? stop : a.in;
  if (a.dilation != 1) {
    const WindowRange taps = taps_inside(start, a.kernel, a.dilation, a.in);
    if (taps.begin == taps.end) {  // it can step over a small input: nothing to read, begin is a valid place
      const I place = begin < a.in ? begin : a.in - 1;
      return {place, place, 0};
    }
    begin = start + static_cast<I>(taps.begin) * a.dilation;
    end = start + static_cast<I>(taps.end - 1) * a.dilation + 1;
  }
  return {begin, end, (stop < limit ? stop : limit) - start};
}

// The outputs [begin, end) among which are all whose windows hold input position i, and, without dilation, no others.
template <class I>
struct PoolOutputs {
  I begin, end;
};

template <class I>
NN_FN constexpr PoolOutputs<I> pool_outputs(const PoolAxis<I>& a, I i) {
  if (a.adaptive) return {i * a.out / a.in, ((i + 1) * a.out + a.in - 1) / a.in};  // the same from both sides
  const I last = (i + a.pad) / a.stride + 1, reach = i + a.pad - (a.kernel - 1) * a.dilation;
  return {reach > 0 ? (reach + a.stride - 1) / a.stride : 0, last < a.out ? last : a.out};
}

}  // namespace nn::NN_ISA
