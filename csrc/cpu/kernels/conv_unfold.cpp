// Windows as columns (unfold, "im2col") and their sum back into images (fold): copies of rows, one row for each tap and
// each row of outputs, between the edges that the padding takes.
//
// Parallel over planes [n, c]: fold adds, and the order of its sums is that of the taps. Bytes: unfold reads x about
// once and writes y, which is as many times larger as a window has taps; fold the other way round. Bound: memory.
#include "cpu/kernels/conv_unfold.h"

#include "core/parallel.h"
#include "math/conv_window.h"

namespace nn::NN_ISA {
namespace {

// The row of outputs (i, j) that tap (r0, r1, r2) of a plane belongs to: where it lies in the columns, and in the
// image. `row` is null where the padding is all that it reads.
template <class T>
struct TapRow {
  T* column;
  T* row;              // the image position of output 0, which may lie before the row's first element
  WindowRange inside;  // outputs whose position lies inside the row
};

// body(TapRow) for every tap and every row of outputs of plane number `plane`.
template <class T, class Body>
void each_tap_row(const UnfoldArgs& a, int64_t plane, const Body& body) {
  const ConvGeometry& g = a.geometry;
  T* x = static_cast<T*>(a.x) + plane * g.in[0] * g.in[1] * g.in[2];
  T* y = static_cast<T*>(a.y) + plane * g.kernel[0] * g.kernel[1] * g.kernel[2] * g.out[0] * g.out[1] * g.out[2];
  for (int64_t r0 = 0; r0 < g.kernel[0]; ++r0)
    for (int64_t r1 = 0; r1 < g.kernel[1]; ++r1)
      for (int64_t r2 = 0; r2 < g.kernel[2]; ++r2) {
        const int64_t offset = r2 * g.dilation[2] - g.pad[2];
        const WindowRange inside = outputs_inside(offset, g.stride[2], g.in[2], g.out[2]);
        for (int64_t i = 0; i < g.out[0]; ++i)
          for (int64_t j = 0; j < g.out[1]; ++j, y += g.out[2]) {
            const int64_t d = i * g.stride[0] - g.pad[0] + r0 * g.dilation[0];
            const int64_t h = j * g.stride[1] - g.pad[1] + r1 * g.dilation[1];
            const bool within = 0 <= d && d < g.in[0] && 0 <= h && h < g.in[1];
            body(TapRow<T>{y, within ? x + (d * g.in[1] + h) * g.in[2] + offset : nullptr, inside});
          }
      }
}

template <class T>
void unfold_plane(const UnfoldArgs& a, int64_t plane) {
  const int64_t out = a.geometry.out[2], stride = a.geometry.stride[2];
  each_tap_row<T>(a, plane, [&](const TapRow<T>& t) {
    const int64_t begin = t.row ? t.inside.begin : out, end = t.row ? t.inside.end : out;
    for (int64_t o = 0; o < begin; ++o) t.column[o] = T(0);
    if (stride == 1)
      for (int64_t o = begin; o < end; ++o) t.column[o] = t.row[o];
    else
      for (int64_t o = begin; o < end; ++o) t.column[o] = t.row[o * stride];
    for (int64_t o = end; o < out; ++o) t.column[o] = T(0);
  });
}

template <class T>
void fold_plane(const UnfoldArgs& a, int64_t plane) {
  const ConvGeometry& g = a.geometry;
  const int64_t size = g.in[0] * g.in[1] * g.in[2], stride = g.stride[2];
  T* x = static_cast<T*>(a.x) + plane * size;
  bool apart = true;  // no position lies in two windows: copies, which keep even the sign of a zero
  for (int i = 0; i < 3; ++i) apart = apart && (g.kernel[i] - 1) * g.dilation[i] < g.stride[i];
  for (int64_t i = 0; i < size; ++i) x[i] = T(0);
  each_tap_row<T>(a, plane, [&](const TapRow<T>& t) {
    if (!t.row) return;
    if (apart)
      for (int64_t o = t.inside.begin; o < t.inside.end; ++o) t.row[o * stride] = t.column[o];
    else if (stride == 1)
      for (int64_t o = t.inside.begin; o < t.inside.end; ++o) t.row[o] += t.column[o];
    else
      for (int64_t o = t.inside.begin; o < t.inside.end; ++o) t.row[o * stride] += t.column[o];
  });
}

int64_t plane_grain(const ConvGeometry& g) {
  const int64_t moved = g.kernel[0] * g.kernel[1] * g.kernel[2] * g.out[0] * g.out[1] * g.out[2];
  return 1 + 32768 / (moved + g.in[0] * g.in[1] * g.in[2] + 1);
}

}  // namespace

void run_unfold(const UnfoldArgs& a, const LaunchContext& ctx) {
  parallel_for(ctx, a.geometry.N * a.geometry.C, plane_grain(a.geometry), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      a.dtype == DType::float32 ? unfold_plane<float>(a, p) : unfold_plane<double>(a, p);
  });
}

void run_fold(const UnfoldArgs& a, const LaunchContext& ctx) {
  parallel_for(ctx, a.geometry.N * a.geometry.C, plane_grain(a.geometry), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      a.dtype == DType::float32 ? fold_plane<float>(a, p) : fold_plane<double>(a, p);
  });
}

}  // namespace nn::NN_ISA
