// How a convolution reads its input: every tap becomes one contiguous run of values.
//
// A thread works on a box of output positions of a few images. It first copies what the box reads into a strip of
// scratch memory that fits the level-2 cache: padding is written out as zeros, and a stride is undone by dealing the
// positions out to `slots`, one for each residue that some tap needs. In the strip, one step of the output is one step
// in memory, for every tap, stride and dilation, and tap (r0, r1, r2) of channel c starts at
// c * channel + tap_offset[r0, r1, r2]. An unpadded convolution of stride 1 needs no strip and reads the input itself.
// The copy moves each value of the input about once, against R*S*K multiplications done with it.
#pragma once

#include "core/kernels/conv.h"
#include "cpu/simd/transpose.h"
#include "math/conv_window.h"

namespace nn::NN_ISA {

static constexpr int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
static constexpr int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }
static constexpr int64_t gcd_of(int64_t a, int64_t b) { return b == 0 ? a : gcd_of(b, a % b); }

// One spatial axis. Tap j of output position o reads position o * stride + first + j * step; step > 0.
struct ConvAxis {
  int64_t in, out, stride, taps, first, step;

  int64_t slots() const { return stride == 1 ? 1 : min_of(taps, stride / gcd_of(step, stride)); }
  int64_t slot(int64_t j) const { return stride == 1 ? 0 : j % slots(); }
  int64_t shift(int64_t j) const { return stride == 1 ? j * step : j / slots() * (slots() * step / stride); }
  int64_t reach() const { return shift(taps - 1); }
  bool pointwise() const { return taps == 1 && stride == 1 && first == 0 && in == out; }
  bool inside() const { return stride == 1 && first >= 0 && first + out - 1 + (taps - 1) * step < in; }
};

namespace {

// An axis that reads and writes position for position joins the next one, so that a 1x1 convolution sees one long row.
inline void merge_pointwise_axes(ConvAxis (&axis)[3]) {
  for (int i = 1; i >= 0; --i) {
    if (!axis[i].pointwise() || !axis[i + 1].pointwise()) return;
    axis[i + 1].in = axis[i + 1].out = axis[i].in * axis[i + 1].in;
    axis[i].in = axis[i].out = 1;
  }
}

// A range of output positions of consecutive images.
struct ConvBox {
  int64_t image, images;
  int64_t begin[3], count[3];
};

// Where the strip of a box of at most `most` positions keeps what it holds, in elements.
struct StripLayout {
  bool copied;
  int64_t length[3];    // positions held per slot
  int64_t position[3];  // from one output position to the next
  int64_t slot[3];
  int64_t channel, image;

  int64_t tap_offset(const ConvAxis (&axis)[3], const int64_t (&j)[3]) const {
    int64_t offset = 0;
    for (int i = 0; i < 3; ++i) {
      if (copied)
        offset += axis[i].slot(j[i]) * slot[i] + axis[i].shift(j[i]) * position[i];
      else
        offset += (axis[i].first + j[i] * axis[i].step) * position[i];
    }
    return offset;
  }
};

// Rows of a power-of-two distance would all land in the same few sets of the cache.
inline int64_t avoid_aliasing(int64_t elements, int64_t element_size) {
  const int64_t rounded = (elements + 15) / 16 * 16;
  return rounded * element_size % 1024 == 0 ? rounded + 16 : rounded;
}

inline StripLayout strip_layout(const ConvAxis (&axis)[3], const int64_t (&most)[3], int64_t channels,
                                int64_t element_size) {
  StripLayout s{};
  s.copied = true;
  int64_t size = 1;
  for (int i = 2; i >= 0; --i) {
    s.length[i] = most[i] + axis[i].reach();
    if (i == 2) {
      s.position[i] = 1;
      s.slot[i] = s.length[i];
    } else {
      s.position[i] = size;
      s.slot[i] = s.length[i] * size;
    }
    size = s.slot[i] * axis[i].slots();
  }
  s.channel = avoid_aliasing(size, element_size);
  s.image = s.channel * channels;
  return s;
}

// The input as it lies, where that will do.
inline StripLayout direct_layout(const ConvAxis (&axis)[3], int64_t all_channels) {
  StripLayout s{};
  s.copied = false;
  s.position[2] = 1;
  s.position[1] = axis[2].in;
  s.position[0] = axis[2].in * axis[1].in;
  s.channel = s.position[0] * axis[0].in;
  s.image = s.channel * all_channels;
  return s;
}

inline bool reads_inside(const ConvAxis (&axis)[3]) { return axis[0].inside() && axis[1].inside() && axis[2].inside(); }

template <class T>
inline void clear_row(int64_t count, T* dst) {
  constexpr int L = Vec<T>::size;
  for (; count >= L; count -= L, dst += L) Vec<T>(T(0)).store(dst);
  if (count > 0) Vec<T>(T(0)).store(dst, static_cast<int>(count));
}

// dst[i] = src[stride * i]
template <class T>
inline void copy_row(const T* src, int64_t stride, int64_t count, T* dst) {
  constexpr int L = Vec<T>::size;
  if (stride == 1) {
    for (; count >= L; count -= L, src += L, dst += L) Vec<T>::load(src).store(dst);
    if (count > 0) Vec<T>::load(src, static_cast<int>(count)).store(dst, static_cast<int>(count));
  } else if (stride == 2) {
    for (; count > L; count -= L, src += 2 * L, dst += L)
      even_lanes<T>(Vec<T>::load(src), Vec<T>::load(src + L)).store(dst);
    if (count <= 0) return;
    const int n = static_cast<int>(count), span = 2 * n - 1;
    const Vec<T> low = span < L ? Vec<T>::load(src, span) : Vec<T>::load(src);
    const Vec<T> high = span > L ? Vec<T>::load(src + L, span - L) : Vec<T>(T(0));
    even_lanes<T>(low, high).store(dst, n);
  } else {
    for (int64_t i = 0; i < count; ++i) dst[i] = src[stride * i];
  }
}

// What one slot of an axis holds: `length` positions, of which those in `held` come from source + position * stride.
struct SlotRange {
  int64_t length, source;
  WindowRange held;

  SlotRange(const ConvAxis& axis, int64_t slot, int64_t begin, int64_t count)
      : length(count + axis.reach()),
        source(axis.first + slot * axis.step + begin * axis.stride),
        held(outputs_inside(source, axis.stride, axis.in, length)) {}
  bool holds(int64_t position) const { return position >= held.begin && position < held.end; }
};

// One channel of one image: src is its plane.
template <class T>
void fill_strip_channel(const ConvAxis (&axis)[3], const StripLayout& layout, const ConvBox& box, const T* src,
                        T* dst) {
  const int64_t slots[3] = {axis[0].slots(), axis[1].slots(), axis[2].slots()}, stride = axis[2].stride;
  for (int64_t s0 = 0; s0 < slots[0]; ++s0)
    for (int64_t s1 = 0; s1 < slots[1]; ++s1)
      for (int64_t s2 = 0; s2 < slots[2]; ++s2) {
        const SlotRange deep(axis[0], s0, box.begin[0], box.count[0]), high(axis[1], s1, box.begin[1], box.count[1]),
            wide(axis[2], s2, box.begin[2], box.count[2]);
        const int64_t from = wide.held.begin, count = wide.held.end - from, length = wide.length;
        T* slot = dst + s0 * layout.slot[0] + s1 * layout.slot[1] + s2 * layout.slot[2];
        for (int64_t d = 0; d < deep.length; ++d)
          for (int64_t h = 0; h < high.length; ++h) {
            T* to = slot + d * layout.position[0] + h * layout.position[1];
            if (count == 0 || !deep.holds(d) || !high.holds(h)) {
              clear_row(length, to);
              continue;
            }
            const int64_t row = (deep.source + d * axis[0].stride) * axis[1].in + high.source + h * axis[1].stride;
            clear_row(from, to);
            copy_row(src + (row * axis[2].in + wide.source + from * stride), stride, count, to + from);
            clear_row(length - from - count, to + from + count);
          }
      }
}

}  // namespace
}  // namespace nn::NN_ISA
