// Average pooling. A row of outputs is made in two steps: the rows of the input under it are added, a register of
// columns at a time, into one row of sums; then each window adds its few sums. Backward goes the same way back: the
// gradients of a row, each divided, are spread over the columns once, and that row is added to every row of the input
// under it. A plane belongs to one thread, so the order is fixed.
#include "core/parallel.h"
#include "cpu/kernels/pool_kernels.h"
#include "cpu/kernels/pool_window.h"
#include "cpu/simd/simd.h"

namespace nn::NN_ISA {
namespace {

template <class T>
NN_FN void add_to(T* sums, const T* x, int64_t count) {
  constexpr int V = Vec<T>::size;
  int64_t i = 0;
  for (; i + V <= count; i += V) (Vec<T>::load(sums + i) + Vec<T>::load(x + i)).store(sums + i);
  for (; i < count; ++i) sums[i] += x[i];
}

template <class T>
NN_FN T sum_of(const T* x, int64_t count) {
  constexpr int V = Vec<T>::size;
  int64_t i = 0;
  T total = 0;
  if (count >= V) {
    Vec<T> a[4] = {T(0), T(0), T(0), T(0)};
    for (; i + 4 * V <= count; i += 4 * V)
      for (int k = 0; k < 4; ++k) a[k] = a[k] + Vec<T>::load(x + i + k * V);
    for (; i + V <= count; i += V) a[0] = a[0] + Vec<T>::load(x + i);
    total = sum((a[0] + a[1]) + (a[2] + a[3]));
  }
  for (; i < count; ++i) total += x[i];
  return total;
}

// What the sum of a window is divided by.
template <class T>
NN_FN T divisor(const AvgPoolArgs& a, const Window& d, const Window& h, const Window& w) {
  if (a.divisor != 0) return static_cast<T>(a.divisor);
  if (a.count_include_pad) return static_cast<T>(d.padded * h.padded * w.padded);
  return static_cast<T>((d.end - d.begin) * (h.end - h.begin) * (w.end - w.begin));
}

// Windows that span whole rows are one run of memory for each depth.
template <class T>
NN_FN T sum_of_rows(const PoolGeometry& g, const T* x, const Window& d, const Window& h) {
  T total = 0;
  for (int64_t i = d.begin; i < d.end; ++i)
    total += sum_of(x + (i * g.in[1] + h.begin) * g.in[2], (h.end - h.begin) * g.in[2]);
  return total;
}

template <class T>
void avg_row(const AvgPoolArgs& a, const T* x, const Window& d, const Window& h, const Window* w, T* y, T* sums) {
  const PoolGeometry& g = a.geometry;
  if (g.out[2] == 1 && w[0].begin == 0 && w[0].end == g.in[2]) {
    y[0] = sum_of_rows(g, x, d, h) / divisor<T>(a, d, h, w[0]);
    return;
  }
  bool first = true;
  for (int64_t i = d.begin; i < d.end; ++i)
    for (int64_t j = h.begin; j < h.end; ++j) {
      const T* from = x + (i * g.in[1] + j) * g.in[2];
      if (first)
        __builtin_memcpy(sums, from, g.in[2] * sizeof(T));
      else
        add_to(sums, from, g.in[2]);
      first = false;
    }
  for (int64_t o = 0; o < g.out[2]; ++o) {
    T total = 0;
    for (int64_t k = w[o].begin; k < w[o].end; ++k) total += sums[k];
    y[o] = total / divisor<T>(a, d, h, w[o]);
  }
}

template <class T>
void avg_forward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  const PoolGeometry& g = a.geometry;
  const Windows windows(g);
  const int64_t in_plane = plane_size(g.in), rows = g.out[0] * g.out[1];
  parallel_for(ctx, g.planes * rows, pool_grain(in_plane / (rows > 0 ? rows : 1)), [&](int64_t begin, int64_t end) {
    const Scratch sums(g.in[2] * sizeof(T));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t plane = r / rows, i = r % rows / g.out[1], j = r % g.out[1];
      avg_row(a, static_cast<const T*>(a.x) + plane * in_plane, windows.axis[0][i], windows.axis[1][j], windows.axis[2],
              static_cast<T*>(a.y) + r * g.out[2], static_cast<T*>(sums.data));
    }
  });
}

template <class T>
void avg_row_backward(const AvgPoolArgs& a, T* x, const Window& d, const Window& h, const Window* w, const T* y,
                      T* spread) {
  const PoolGeometry& g = a.geometry;
  for (int64_t k = 0; k < g.in[2]; ++k) spread[k] = T(0);
  for (int64_t o = 0; o < g.out[2]; ++o) {
    const T gradient = y[o] / divisor<T>(a, d, h, w[o]);
    for (int64_t k = w[o].begin; k < w[o].end; ++k) spread[k] += gradient;
  }
  for (int64_t i = d.begin; i < d.end; ++i)
    for (int64_t j = h.begin; j < h.end; ++j) add_to(x + (i * g.in[1] + j) * g.in[2], spread, g.in[2]);
}

template <class T>
void avg_backward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  const PoolGeometry& g = a.geometry;
  const Windows windows(g);
  const int64_t in_plane = plane_size(g.in);
  parallel_for(ctx, g.planes, pool_grain(2 * in_plane), [&](int64_t begin, int64_t end) {
    const Scratch spread(g.in[2] * sizeof(T));
    for (int64_t plane = begin; plane < end; ++plane) {
      T* x = static_cast<T*>(a.x) + plane * in_plane;
      const T* y = static_cast<const T*>(a.y) + plane * plane_size(g.out);
      for (int64_t i = 0; i < in_plane; ++i) x[i] = T(0);
      for (int64_t i = 0; i < g.out[0]; ++i)
        for (int64_t j = 0; j < g.out[1]; ++j, y += g.out[2])
          avg_row_backward(a, x, windows.axis[0][i], windows.axis[1][j], windows.axis[2], y,
                           static_cast<T*>(spread.data));
    }
  });
}

}  // namespace

void run_avg_forward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? avg_forward<float>(a, ctx) : avg_forward<double>(a, ctx);
}
void run_avg_backward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? avg_backward<float>(a, ctx) : avg_backward<double>(a, ctx);
}

}  // namespace nn::NN_ISA
