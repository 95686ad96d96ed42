// Average pooling. A row of outputs is made in two steps: the rows of the input under it are added, a register of
// columns at a time, into one row of sums; then each window adds its few sums, again by registers where the windows lie
// 1 or 2 apart. Backward goes the same way back: the gradients of a row, each divided, are spread over the columns
// once, and that row is added to every row of the input under it. A plane belongs to one thread, so the order is fixed.
// Both directions read and write each array about once; what is read again comes from L1.
#include "core/parallel.h"
#include "cpu/kernels/pool_kernels.h"
#include "cpu/kernels/pool_window.h"
#include "cpu/simd/pairs.h"

namespace nn::NN_ISA {
namespace {

// f(place, how many lanes) for registers that cover [0, count).
template <class T, class F>
NN_FN void by_registers(int64_t count, const F& f) {
  constexpr int V = Vec<T>::size;
  int64_t i = 0;
  for (; i + V <= count; i += V) f(i, V);
  if (i < count) f(i, static_cast<int>(count - i));
}
template <class T>
NN_FN Vec<T> load(const T* p, int n) {
  return n == Vec<T>::size ? Vec<T>::load(p) : Vec<T>::load(p, n);
}
template <class T>
NN_FN void store(T* p, Vec<T> x, int n) {
  n == Vec<T>::size ? x.store(p) : x.store(p, n);
}

template <class T>
NN_FN T sum_of(const T* x, int64_t count) {
  constexpr int V = Vec<T>::size;
  Vec<T> a[4] = {T(0), T(0), T(0), T(0)};
  int64_t i = 0;
  for (; i + 4 * V <= count; i += 4 * V)
    for (int k = 0; k < 4; ++k) a[k] = a[k] + Vec<T>::load(x + i + k * V);
  by_registers<T>(count - i, [&](int64_t at, int n) NN_LAMBDA { a[1] = a[1] + load(x + i + at, n); });
  return sum((a[0] + a[1]) + (a[2] + a[3]));
}

template <class T>
struct Average {
  const AvgPoolArgs& a;
  const PoolGeometry& g = a.geometry;
  Windows windows{g};
  WindowRange inside = outputs_with_whole_windows(g);
  int64_t in_plane = plane_size(g.in), out_plane = plane_size(g.out);

  // One window for the whole plane.
  bool global() const {
    for (int i = 0; i < 3; ++i)
      if (g.out[i] != 1 || windows.axis[i][0].begin != 0 || windows.axis[i][0].end != g.in[i]) return false;
    return true;
  }

  // What the sum of a window is divided by.
  T divisor(const Window& d, const Window& h, const Window& w) const {
    if (a.divisor != 0) return static_cast<T>(a.divisor);
    if (a.count_include_pad) return static_cast<T>(d.padded * h.padded * w.padded);
    return static_cast<T>((d.end - d.begin) * (h.end - h.begin) * (w.end - w.begin));
  }
};

// The sum of the rows under one row of outputs.
template <class T>
NN_FN void add_rows(const PoolGeometry& g, const T* x, const Window& d, const Window& h, T* sums) {
  by_registers<T>(g.in[2], [&](int64_t k, int n) NN_LAMBDA {
    Vec<T> total = T(0);
    for (int64_t i = d.begin; i < d.end; ++i)
      for (int64_t j = h.begin; j < h.end; ++j) total = total + load(x + (i * g.in[1] + j) * g.in[2] + k, n);
    store(sums + k, total, n);
  });
}

template <class T, int stride>
NN_FN void average_inside(const Average<T>& f, const T* sums, T divisor, T* y) {
  const int64_t first = f.windows.axis[2][f.inside.begin].begin;
  by_registers<T>(f.inside.end - f.inside.begin, [&](int64_t o, int n) NN_LAMBDA {
    Vec<T> total = T(0);
    each_tap<stride>(sums + first + o * stride, f.g.kernel[2], 1, n,
                     [&](Vec<T> tap, int64_t) NN_LAMBDA { total = total + tap; });
    store(y + f.inside.begin + o, total / Vec<T>(divisor), n);
  });
}

template <class T>
void average_row(const Average<T>& f, const T* x, const Window& d, const Window& h, T* y, T* sums) {
  const Window* w = f.windows.axis[2];
  const auto average_each = [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      T total = 0;
      for (int64_t k = w[o].begin; k < w[o].end; ++k) total += sums[k];
      y[o] = total / f.divisor(d, h, w[o]);
    }
  };
  add_rows(f.g, x, d, h, sums);
  average_each(0, f.inside.begin);
  if (f.inside.begin < f.inside.end) {
    const T divisor = f.divisor(d, h, w[f.inside.begin]);
    f.g.stride[2] == 1 ? average_inside<T, 1>(f, sums, divisor, y) : average_inside<T, 2>(f, sums, divisor, y);
  }
  average_each(f.inside.end, f.g.out[2]);
}

template <class T>
void avg_forward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  const Average<T> f{a};
  const PoolGeometry& g = f.g;
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  const int64_t rows = g.out[0] * g.out[1];
  const bool global = f.global();
  parallel_for(ctx, g.planes * rows, pool_grain(f.in_plane / (rows > 0 ? rows : 1)), [&](int64_t begin, int64_t end) {
    if (global) {
      const T divisor = f.divisor(f.windows.axis[0][0], f.windows.axis[1][0], f.windows.axis[2][0]);
      for (int64_t p = begin; p < end; ++p) y[p] = sum_of(x + p * f.in_plane, f.in_plane) / divisor;
      return;
    }
    const Scratch sums(g.in[2] * sizeof(T));
    each_output_row(g, begin, end, [&](int64_t row, int64_t plane, int64_t i, int64_t j) {
      average_row(f, x + plane * f.in_plane, f.windows.axis[0][i], f.windows.axis[1][j], y + row * g.out[2],
                  static_cast<T*>(sums.data));
    });
  });
}

// Working memory of the backward pass. Regular windows: the gradients of a row, `stride` apart with zeros between them
// and around them, so that column k collects kernel neighbours from k on.
template <class T>
struct Spread {
  int64_t stuffed;  // elements of `gradients`; 0 where the windows are adaptive
  Scratch memory;
  T* gradients;
  T* row;

  explicit Spread(const PoolGeometry& g)
      : stuffed(g.adaptive ? 0 : g.in[2] + g.pad[2] + g.stride[2] * g.out[2] + 2 * g.kernel[2]),
        memory((stuffed + g.in[2]) * sizeof(T)),
        gradients(static_cast<T*>(memory.data)),
        row(gradients + stuffed) {
    for (int64_t i = 0; i < stuffed; ++i) gradients[i] = T(0);
  }
};

// s.row = for each column, the sum of the divided gradients of the windows that cover it.
template <class T>
void spread_row(const Average<T>& f, const Window& d, const Window& h, const T* gy, Spread<T>& s) {
  const PoolGeometry& g = f.g;
  const Window* w = f.windows.axis[2];
  if (g.adaptive) {
    for (int64_t k = 0; k < g.in[2]; ++k) s.row[k] = T(0);
    for (int64_t o = 0; o < g.out[2]; ++o) {
      const T gradient = gy[o] / f.divisor(d, h, w[o]);
      for (int64_t k = w[o].begin; k < w[o].end; ++k) s.row[k] += gradient;
    }
    return;
  }
  // Output o touches column k with tap r where o * stride - pad + r = k; tap kernel - 1 comes first.
  T* first = s.gradients + g.kernel[2] - 1;
  const int64_t stride = g.stride[2];
  for (int64_t o = 0; o < f.inside.begin; ++o) first[o * stride] = gy[o] / f.divisor(d, h, w[o]);
  if (f.inside.begin < f.inside.end) {
    const T divisor = f.divisor(d, h, w[f.inside.begin]);
    for (int64_t o = f.inside.begin; o < f.inside.end; ++o) first[o * stride] = gy[o] / divisor;
  }
  for (int64_t o = f.inside.end; o < g.out[2]; ++o) first[o * stride] = gy[o] / f.divisor(d, h, w[o]);
  by_registers<T>(g.in[2], [&](int64_t k, int n) NN_LAMBDA {
    Vec<T> total = T(0);
    for (int64_t r = 0; r < g.kernel[2]; ++r) total = total + load(s.gradients + g.pad[2] + k + r, n);
    store(s.row + k, total, n);
  });
}

template <class T>
void avg_backward_plane(const Average<T>& f, T* gx, const T* gy, Spread<T>& s) {
  const PoolGeometry& g = f.g;
  // Rows below `fresh` hold sums already; the others are written, not added to. With several depths all start from 0.
  int64_t fresh = 0;
  const auto clear_to = [&](int64_t row) {
    for (; fresh < row; ++fresh) __builtin_memset(gx + fresh * g.in[2], 0, g.in[2] * sizeof(T));
  };
  if (g.in[0] > 1) clear_to(g.in[0] * g.in[1]);
  for (int64_t i = 0; i < g.out[0]; ++i)
    for (int64_t j = 0; j < g.out[1]; ++j, gy += g.out[2]) {
      const Window &d = f.windows.axis[0][i], &h = f.windows.axis[1][j];
      spread_row(f, d, h, gy, s);
      for (int64_t di = d.begin; di < d.end; ++di)
        for (int64_t row = di * g.in[1] + h.begin; row < di * g.in[1] + h.end; ++row) {
          T* to = gx + row * g.in[2];
          clear_to(row);
          const bool add = row < fresh;
          if (!add) ++fresh;
          by_registers<T>(g.in[2], [&](int64_t k, int n) NN_LAMBDA {
            const Vec<T> v = load(s.row + k, n);
            store(to + k, add ? load(to + k, n) + v : v, n);
          });
        }
    }
  clear_to(g.in[0] * g.in[1]);
}

template <class T>
void avg_backward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  const Average<T> f{a};
  T* gx = static_cast<T*>(a.x);
  const T* gy = static_cast<const T*>(a.y);
  const bool global = f.global();
  parallel_for(ctx, f.g.planes, pool_grain(2 * f.in_plane), [&](int64_t begin, int64_t end) {
    if (global) {
      const T divisor = f.divisor(f.windows.axis[0][0], f.windows.axis[1][0], f.windows.axis[2][0]);
      for (int64_t p = begin; p < end; ++p) {
        const Vec<T> gradient = gy[p] / divisor;
        T* to = gx + p * f.in_plane;
        by_registers<T>(f.in_plane, [&](int64_t k, int n) NN_LAMBDA { store(to + k, gradient, n); });
      }
      return;
    }
    Spread<T> spread(f.g);
    for (int64_t p = begin; p < end; ++p) avg_backward_plane(f, gx + p * f.in_plane, gy + p * f.out_plane, spread);
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
