// Average pooling.
//
// The idea: forward, a thread for each output adds up its window; where one window is the whole plane, a team of
// threads (cuda/teams.cuh) does. Backward, the gradients are divided first, into working memory; then a thread for each
// input adds up those of the windows that hold it, so nothing is added from several threads and the order is fixed.
// Windows that pave the plane, of which the divisor is a power of 2, have kernels of their own
// (cuda/pool_paving.cuh): forward those of 2 x 2, backward all, in one pass. Parallel: all elements. Bound: memory
// bandwidth; the windows' overlap is read from the first-level cache.
#include "cuda/pool_kernels.h"
#include "cuda/pool_paving.cuh"
#include "cuda/pool_plane.cuh"
#include "cuda/stored.cuh"

namespace nn::cuda {
namespace {

// What the sum of a window is divided by.
struct WindowDivisor {
  int64_t fixed;
  bool padding;
  template <class T, class I>
  __device__ __forceinline__ T of(const PoolWindow<I>& d, const PoolWindow<I>& h, const PoolWindow<I>& w) const {
    if (fixed != 0) return static_cast<T>(fixed);
    if (padding) return static_cast<T>(int64_t{d.padded} * h.padded * w.padded);
    return static_cast<T>(int64_t{d.end - d.begin} * (h.end - h.begin) * (w.end - w.begin));
  }
};

template <class A, class I, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads) avg_kernel(A as, PoolPlane<I> p, WindowDivisor divisor, const X* x, X* y) {
  using T = typename A::Value;
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.out_plane(), [&](I o) {
    const Position<I> at = position(o, depth.out, height.out, width.out);
    const PoolWindow<I> d = pool_window(depth, at.d), h = pool_window(height, at.h), w = pool_window(width, at.w);
    const X* const plane = x + at.plane * p.in_plane();
    T total = T(0);
    for (I i = d.begin; i < d.end; ++i)
      for (I j = h.begin; j < h.end; ++j) {
        T row = T(0);
        for (I k = w.begin; k < w.end; ++k) row += as.value(plane[(i * height.in + j) * width.in + k]);
        total += row;
      }
    y[o] = as.stored(total / divisor.of<T>(d, h, w));
  });
}

template <class A, class I, class T = typename A::Value>
__global__ void __launch_bounds__(kThreads)
    divide_kernel(A as, PoolPlane<I> p, WindowDivisor divisor, const typename A::Stored* gy, T* divided) {
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.out_plane(), [&](I o) {
    const Position<I> at = position(o, depth.out, height.out, width.out);
    const PoolWindow<I> d = pool_window(depth, at.d), h = pool_window(height, at.h), w = pool_window(width, at.w);
    divided[o] = as.value(gy[o]) / divisor.of<T>(d, h, w);
  });
}

template <class A, class I, class T = typename A::Value>
__global__ void __launch_bounds__(kThreads)
    spread_kernel(A as, PoolPlane<I> p, typename A::Stored* gx, const T* divided) {
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.in_plane(), [&](I i) {
    const Position<I> at = position(i, depth.in, height.in, width.in);
    const PoolOutputs<I> d = pool_outputs(depth, at.d), h = pool_outputs(height, at.h), w = pool_outputs(width, at.w);
    const T* const plane = divided + at.plane * p.out_plane();
    T total = T(0);
    for (I a = d.begin; a < d.end; ++a)
      for (I b = h.begin; b < h.end; ++b)
        for (I c = w.begin; c < w.end; ++c) total += plane[(a * height.out + b) * width.out + c];
    gx[i] = as.stored(total);
  });
}

struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

template <class Team, class A, class X = typename A::Stored, class T = typename A::Value>
__global__ void __launch_bounds__(kThreads)
    avg_plane_kernel(Team team, A as, Rows rows, T divisor, bool aligned, const X* x, X* y) {
  each_row(team, rows, [&](const Row& row) {
    T sum = T(0);
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      const Pack<T, kCount> v = load_values<kCount>(as, x + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k) sum += v.at[k];
    });
    const T total = team.reduce(sum, Add{});
    if (row.live && team.rank() == 0) y[row.index] = as.stored(total / divisor);
  });
}

template <int kOutputs, class A, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads)
    avg_square_kernel(A as, Paving p, float scale, bool aligned, const X* x, X* y) {
  each_square<kOutputs>(as, p, aligned, x, [&](uint32_t o, uint32_t, const auto& upper, const auto& lower) {
    Pack<float, kOutputs> mean;
#pragma unroll
    for (int k = 0; k < kOutputs; ++k) {
      const float above = 0.0f + upper.at[2 * k] + upper.at[2 * k + 1];
      const float below = 0.0f + lower.at[2 * k] + lower.at[2 * k + 1];
      mean.at[k] = (0.0f + above + below) * scale;
    }
    store_values<kOutputs>(as, y + o, mean, true);
  });
}

template <class A, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads) avg_pave_kernel(A as, Paving p, float scale, X* gx, const X* gy) {
  pave(as, p, gx, [&](uint32_t o, uint32_t) { return 0.0f + as.value(gy[o]) * scale; });
}

// What sums are multiplied by where windows pave the plane, if that is exact: 1 over a power of 2. 0 otherwise.
float paving_scale(const AvgPoolArgs& a) {
  if (a.dtype == DType::float64 || !is_paving(a.geometry)) return 0.0f;
  const int64_t divisor = a.divisor != 0 ? a.divisor : a.geometry.kernel[1] * a.geometry.kernel[2];
  const bool exact = 0 < divisor && divisor < (int64_t{1} << 30) && (divisor & (divisor - 1)) == 0;
  return exact ? 1.0f / static_cast<float>(divisor) : 0.0f;
}

// Whether one window is the whole plane, without padding.
bool is_global(const PoolGeometry& g) {
  bool global = true;
  for (int i = 0; i < 3; ++i) global &= g.out[i] == 1 && (g.adaptive || (g.pad[i] == 0 && g.kernel[i] >= g.in[i]));
  return global;
}

// Elements of 16 bits by way of float32: forward x is read and y written, backward the other way round.
void by_float32(const AvgPoolArgs& a, void (*run)(const AvgPoolArgs&, const LaunchContext&), const LaunchContext& ctx) {
  const FloatCopy x(a.dtype, a.x, a.geometry.planes * volume(a.geometry.in), ctx);
  const FloatCopy y(a.dtype, a.y, a.geometry.planes * volume(a.geometry.out), ctx);
  AvgPoolArgs wide = a;
  wide.dtype = DType::float32;
  wide.x = x.memory.data, wide.y = y.memory.data;
  run == run_avg_forward ? x.read(a.x) : y.read(a.y);
  run(wide, ctx);
  run == run_avg_forward ? y.write(a.y) : x.write(a.x);
}

}  // namespace

void run_avg_forward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.out);
  if (count == 0) return;
  if (is_half(a.dtype) && !is_narrow(a.geometry)) return by_float32(a, run_avg_forward, ctx);
  const WindowDivisor divisor{a.divisor, a.count_include_pad};
  with_stored(a.dtype, [&]<class A>(const A& as) {
    using X = typename A::Stored;
    using T = typename A::Value;
    const X* const x = static_cast<const X*>(a.x);
    X* const y = static_cast<X*>(a.y);
    if (is_global(a.geometry)) {
      const Rows rows{a.geometry.planes, volume(a.geometry.in), 1};
      const T whole = static_cast<T>(a.divisor != 0 ? a.divisor : rows.n);
      return with_team<T>(rows, [&]<class Team>(const Team& team, unsigned blocks) {
        if constexpr (Team::adjacent) {
          const auto kernel = avg_plane_kernel<Team, A>;
          NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, as, rows, whole, are_aligned(a.x), x, y);
        }
      });
    }
    if constexpr (sizeof(X) <= sizeof(float)) {
      const float scale = paving_scale(a);
      if (scale != 0 && is_paving_by_2(a.geometry)) {
        const bool pairs = takes_pairs(a.geometry, are_aligned(a.x, a.y));
        const auto kernel = pairs ? avg_square_kernel<2, A> : avg_square_kernel<1, A>;
        NN_LAUNCH(kernel, blocks_for(pairs ? count / 2 : count), kThreads, 0, ctx, as, Paving(a.geometry), scale,
                  are_aligned(a.x) && a.geometry.in[2] % 2 == 0, x, y);
        return;
      }
    }
    with_counter<X>(a.geometry, [&]<class I>(I) {
      const auto kernel = avg_kernel<A, I>;
      NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, as, PoolPlane<I>(a.geometry), divisor, x, y);
    });
  });
}

void run_avg_backward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.in);
  if (count == 0) return;
  if (is_half(a.dtype) && !is_narrow(a.geometry)) return by_float32(a, run_avg_backward, ctx);
  const WindowDivisor divisor{a.divisor, a.count_include_pad};
  with_stored(a.dtype, [&]<class A>(const A& as) {
    using X = typename A::Stored;
    using T = typename A::Value;
    X* const gx = static_cast<X*>(a.x);
    const X* const gy = static_cast<const X*>(a.y);
    if constexpr (sizeof(X) <= sizeof(float)) {
      const float scale = paving_scale(a);
      if (scale != 0 && are_aligned(a.x)) {
        const auto kernel = avg_pave_kernel<A>;
        const unsigned blocks = blocks_for(ceil_div(count, int64_t{4}));
        NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, as, Paving(a.geometry), scale, gx, gy);
        return;
      }
    }
    const int64_t out = a.geometry.planes * volume(a.geometry.out);
    const Workspace memory(static_cast<size_t>(out) * sizeof(T), ctx);
    T* const divided = static_cast<T*>(memory.data);
    with_counter<X>(a.geometry, [&]<class I>(I) {
      const PoolPlane<I> plane(a.geometry);
      const auto divide = divide_kernel<A, I>;
      if (out > 0) NN_LAUNCH(divide, blocks_for(out), kThreads, 0, ctx, as, plane, divisor, gy, divided);
      const auto spread = spread_kernel<A, I>;
      NN_LAUNCH(spread, blocks_for(count), kThreads, 0, ctx, as, plane, gx, divided);
    });
  });
}

}  // namespace nn::cuda
