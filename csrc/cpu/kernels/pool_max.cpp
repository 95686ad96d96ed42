// Max pooling. Every output is computed on its own, a register of neighbouring outputs at a time where the windows lie
// 1 or 2 apart: tap by tap, the elements under that tap are compared with the best so far, and the place of the winner
// is kept beside it. The input is read about once (overlapping rows come from L1), y and index are written once.
// Backward writes a plane of zeros and adds each gradient at its place: a plane belongs to one thread, so the order is
// fixed.
#include "core/parallel.h"
#include "cpu/kernels/pool_kernels.h"
#include "cpu/kernels/pool_window.h"
#include "cpu/simd/pairs.h"

namespace nn::NN_ISA {
namespace {

// One row of outputs: the rows of the input under it, and what is common to all its windows.
template <class T>
struct MaxRow {
  const T* x;  // the plane
  Window d, h;
  const Window* w;  // for each output of the row
  const PoolGeometry& g;
  T* y;
  int32_t* index;  // may be null

  template <class Body>
  NN_MEMBER void each_input_row(const Body& body) const {
    for (int64_t i = d.begin; i < d.end; i += g.dilation[0])
      for (int64_t j = h.begin; j < h.end; j += g.dilation[1]) body((i * g.in[1] + j) * g.in[2]);
  }
};

template <class T>
void max_one(const MaxRow<T>& row, int64_t o) {
  const Window w = row.w[o];
  T best = static_cast<T>(-__builtin_inf());
  int64_t at = (row.d.begin * row.g.in[1] + row.h.begin) * row.g.in[2] + w.begin;
  row.each_input_row([&](int64_t begin) {
    for (int64_t k = w.begin; k < w.end; k += row.g.dilation[2]) {
      const T v = row.x[begin + k];
      const bool wins = (v > best) | (v != v);  // no branch: nothing can predict it
      best = wins ? v : best;
      at = wins ? begin + k : at;
    }
  });
  row.y[o] = best;
  if (row.index) row.index[o] = static_cast<int32_t>(at);
}

// The best element so far in each lane, and the place of its tap less that of the lane's first.
template <class T, bool indexed>
struct Best {
  using Lane = Lanes<T>;
  using Places = typename Lane::Bits;
  using Place = typename Lane::BitsOfOne;

  Vec<T> value = Vec<T>(static_cast<T>(-__builtin_inf()));
  Places place;

  NN_MEMBER explicit Best(int64_t first) : place(Places{} + static_cast<Place>(first)) {}

  NN_MEMBER void offer(Vec<T> x, int64_t at) {
    const Mask<T> m = (x > value) | isnan(x);
    value = select(m, x, value);
    if constexpr (indexed) {
      const Places here = Places{} + static_cast<Place>(at);
      place = (Places)Lane::select(m.v, (typename Lane::Values)here, (typename Lane::Values)place);
    }
  }

  NN_MEMBER void store(T* y, int32_t* index, int n, int stride) const {
    n == Vec<T>::size ? value.store(y) : value.store(y, n);
    if constexpr (indexed) {
      alignas(64) Place out[Vec<T>::size];
      __builtin_memcpy(out, &place, sizeof out);
      if (n == Vec<T>::size)
        for (int i = 0; i < Vec<T>::size; ++i) index[i] = static_cast<int32_t>(out[i] + i * stride);
      else
        for (int i = 0; i < n; ++i) index[i] = static_cast<int32_t>(out[i] + i * stride);
    }
  }
};

// The n outputs from o on (n at most a register), whose windows lie inside the input and `stride` apart.
template <class T, int stride, bool indexed>
NN_FN void max_register(const MaxRow<T>& row, int64_t o, int n) {
  const int64_t first = row.w[o].begin, kernel = row.g.kernel[2], dilation = row.g.dilation[2];
  Best<T, indexed> best((row.d.begin * row.g.in[1] + row.h.begin) * row.g.in[2] + first);
  row.each_input_row([&](int64_t begin) NN_LAMBDA {
    const int64_t at = begin + first;
    each_tap<stride>(row.x + at, kernel, dilation, n,
                     [&](Vec<T> tap, int64_t r) NN_LAMBDA { best.offer(tap, at + r * dilation); });
  });
  best.store(row.y + o, row.index + o, n, stride);
}

// Outputs [begin, end), whose windows lie inside the input.
template <class T, int stride, bool indexed>
void max_inside(const MaxRow<T>& row, int64_t begin, int64_t end) {
  constexpr int V = Vec<T>::size;
  int64_t o = begin;
  for (; o + V <= end; o += V) max_register<T, stride, indexed>(row, o, V);
  if (o < end) max_register<T, stride, indexed>(row, o, static_cast<int>(end - o));
}

template <class T>
void max_forward(const MaxPoolArgs& a, const LaunchContext& ctx) {
  const PoolGeometry& g = a.geometry;
  const Windows windows(g);
  const int64_t stride = g.stride[2], in_plane = plane_size(g.in), rows = g.out[0] * g.out[1];
  const WindowRange inside = outputs_with_whole_windows(g);
  const auto vector = stride == 1 ? (a.index ? max_inside<T, 1, true> : max_inside<T, 1, false>)
                                  : (a.index ? max_inside<T, 2, true> : max_inside<T, 2, false>);
  const int64_t reads = in_plane / (rows > 0 ? rows : 1);
  parallel_for(ctx, g.planes * rows, pool_grain(reads), [&](int64_t begin, int64_t end) {
    each_output_row(g, begin, end, [&](int64_t r, int64_t plane, int64_t i, int64_t j) {
      const MaxRow<T> row = {static_cast<const T*>(a.x) + plane * in_plane,
                             windows.axis[0][i],
                             windows.axis[1][j],
                             windows.axis[2],
                             g,
                             static_cast<T*>(a.y) + r * g.out[2],
                             a.index ? a.index + r * g.out[2] : nullptr};
      for (int64_t o = 0; o < inside.begin; ++o) max_one(row, o);
      if (inside.begin < inside.end) vector(row, inside.begin, inside.end);
      for (int64_t o = inside.end; o < g.out[2]; ++o) max_one(row, o);
    });
  });
}

template <class T>
void max_backward(const MaxPoolIndexArgs& a, const LaunchContext& ctx) {
  const int64_t in_plane = plane_size(a.geometry.in), out_plane = plane_size(a.geometry.out);
  parallel_for(ctx, a.geometry.planes, pool_grain(in_plane + out_plane), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      T* gx = static_cast<T*>(a.gx) + plane * in_plane;
      const T* gy = static_cast<const T*>(a.gy) + plane * out_plane;
      const int32_t* index = a.index + plane * out_plane;
      for (int64_t i = 0; i < in_plane; ++i) gx[i] = T(0);
      for (int64_t o = 0; o < out_plane; ++o) gx[index[o]] += gy[o];
    }
  });
}

template <class T>
void max_gather(const MaxPoolIndexArgs& a, const LaunchContext& ctx) {
  const int64_t in_plane = plane_size(a.geometry.in), out_plane = plane_size(a.geometry.out);
  parallel_for(ctx, a.geometry.planes, pool_grain(2 * out_plane), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* gx = static_cast<const T*>(a.gx) + plane * in_plane;
      T* gy = static_cast<T*>(a.gy) + plane * out_plane;
      const int32_t* index = a.index + plane * out_plane;
      for (int64_t o = 0; o < out_plane; ++o) gy[o] = gx[index[o]];
    }
  });
}

}  // namespace

void run_max_forward(const MaxPoolArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? max_forward<float>(a, ctx) : max_forward<double>(a, ctx);
}
void run_max_backward(const MaxPoolIndexArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? max_backward<float>(a, ctx) : max_backward<double>(a, ctx);
}
void run_max_gather(const MaxPoolIndexArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? max_gather<float>(a, ctx) : max_gather<double>(a, ctx);
}

}  // namespace nn::NN_ISA
