// Average pooling.
//
// The idea: forward, a thread for each output adds up its window; where one window is the whole plane, a team of
// threads (cuda/teams.cuh) does. Backward, the gradients are divided first, into working memory; then a thread for each
// input adds up those of the windows that hold it, so nothing is added from several threads and the order is fixed.
// Windows of float32 that pave the plane, of which the divisor is a power of 2, have kernels of their own
// (cuda/pool_paving.cuh): forward those of 2 x 2, backward all, in one pass. Parallel: all elements. Bound: memory
// bandwidth; the windows' overlap is read from the first-level cache.
#include "cuda/pool_kernels.h"
#include "cuda/pool_paving.cuh"
#include "cuda/pool_plane.cuh"
#include "cuda/teams.cuh"

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

template <class T, class I>
__global__ void __launch_bounds__(kThreads) avg_kernel(PoolPlane<I> p, WindowDivisor divisor, const T* x, T* y) {
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.out_plane(), [&](I o) {
    const Position<I> at = position(o, depth.out, height.out, width.out);
    const PoolWindow<I> d = pool_window(depth, at.d), h = pool_window(height, at.h), w = pool_window(width, at.w);
    const T* const plane = x + at.plane * p.in_plane();
    T total = T(0);
    for (I i = d.begin; i < d.end; ++i)
      for (I j = h.begin; j < h.end; ++j) {
        T row = T(0);
        for (I k = w.begin; k < w.end; ++k) row += plane[(i * height.in + j) * width.in + k];
        total += row;
      }
    y[o] = total / divisor.of<T>(d, h, w);
  });
}

template <class T, class I>
__global__ void __launch_bounds__(kThreads)
    divide_kernel(PoolPlane<I> p, WindowDivisor divisor, const T* gy, T* divided) {
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.out_plane(), [&](I o) {
    const Position<I> at = position(o, depth.out, height.out, width.out);
    divided[o] = gy[o] / divisor.of<T>(pool_window(depth, at.d), pool_window(height, at.h), pool_window(width, at.w));
  });
}

template <class T, class I>
__global__ void __launch_bounds__(kThreads) spread_kernel(PoolPlane<I> p, T* gx, const T* divided) {
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.in_plane(), [&](I i) {
    const Position<I> at = position(i, depth.in, height.in, width.in);
    const PoolOutputs<I> d = pool_outputs(depth, at.d), h = pool_outputs(height, at.h), w = pool_outputs(width, at.w);
    const T* const plane = divided + at.plane * p.out_plane();
    T total = T(0);
    for (I a = d.begin; a < d.end; ++a)
      for (I b = h.begin; b < h.end; ++b)
        for (I c = w.begin; c < w.end; ++c) total += plane[(a * height.out + b) * width.out + c];
    gx[i] = total;
  });
}

struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

template <class Team, class T>
__global__ void __launch_bounds__(kThreads)
    avg_plane_kernel(Team team, Rows rows, T divisor, bool aligned, const T* x, T* y) {
  each_row(team, rows, [&](const Row& row) {
    T sum = T(0);
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      const Pack<T, kCount> v = load_pack<kCount>(x + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k) sum += v.at[k];
    });
    const T total = team.reduce(sum, Add{});
    if (row.live && team.rank() == 0) y[row.index] = total / divisor;
  });
}

template <int kOutputs>
__global__ void __launch_bounds__(kThreads)
    avg_square_kernel(Paving p, float scale, bool aligned, const float* x, float* y) {
  each_square<kOutputs>(p, aligned, x, [&](uint32_t o, uint32_t, const auto& upper, const auto& lower) {
    Pack<float, kOutputs> mean;
#pragma unroll
    for (int k = 0; k < kOutputs; ++k) {
      const float above = 0.0f + upper.at[2 * k] + upper.at[2 * k + 1];
      const float below = 0.0f + lower.at[2 * k] + lower.at[2 * k + 1];
      mean.at[k] = (0.0f + above + below) * scale;
    }
    *reinterpret_cast<Pack<float, kOutputs>*>(y + o) = mean;
  });
}

__global__ void __launch_bounds__(kThreads) avg_pave_kernel(Paving p, float scale, float* gx, const float* gy) {
  pave(p, gx, [&](uint32_t o, uint32_t) { return 0.0f + gy[o] * scale; });
}

// What sums are multiplied by where windows pave the plane, if that is exact: 1 over a power of 2. 0 otherwise.
float paving_scale(const AvgPoolArgs& a) {
  if (a.dtype != DType::float32 || !is_paving(a.geometry)) return 0.0f;
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

}  // namespace

void run_avg_forward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.out);
  if (count == 0) return;
  const WindowDivisor divisor{a.divisor, a.count_include_pad};
  with_floating(a.dtype, [&]<class T>(T) {
    if (is_global(a.geometry)) {
      const Rows rows{a.geometry.planes, volume(a.geometry.in), 1};
      const T whole = static_cast<T>(a.divisor != 0 ? a.divisor : rows.n);
      return with_team<T>(rows, [&]<class Team>(const Team& team, unsigned blocks) {
        const auto kernel = avg_plane_kernel<Team, T>;
        NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, rows, whole, are_aligned(a.x), static_cast<const T*>(a.x),
                  static_cast<T*>(a.y));
      });
    }
    const float scale = paving_scale(a);
    if (scale != 0 && is_paving_by_2(a.geometry)) {
      const bool pairs = takes_pairs(a.geometry, are_aligned(a.x, a.y));
      const auto kernel = pairs ? avg_square_kernel<2> : avg_square_kernel<1>;
      NN_LAUNCH(kernel, blocks_for(pairs ? count / 2 : count), kThreads, 0, ctx, Paving(a.geometry), scale,
                are_aligned(a.x) && a.geometry.in[2] % 2 == 0, static_cast<const float*>(a.x),
                static_cast<float*>(a.y));
      return;
    }
    with_counter(a.geometry, [&]<class I>(I) {
      const auto kernel = avg_kernel<T, I>;
      NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, PoolPlane<I>(a.geometry), divisor,
                static_cast<const T*>(a.x), static_cast<T*>(a.y));
    });
  });
}

void run_avg_backward(const AvgPoolArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.in);
  if (count == 0) return;
  const float scale = paving_scale(a);
  if (scale != 0 && are_aligned(a.x)) {
    NN_LAUNCH(avg_pave_kernel, blocks_for(ceil_div(count, int64_t{4})), kThreads, 0, ctx, Paving(a.geometry), scale,
              static_cast<float*>(a.x), static_cast<const float*>(a.y));
    return;
  }
  const WindowDivisor divisor{a.divisor, a.count_include_pad};
  with_floating(a.dtype, [&]<class T>(T) {
    const int64_t out = a.geometry.planes * volume(a.geometry.out);
    const Workspace memory(static_cast<size_t>(out) * sizeof(T), ctx);
    T* const divided = static_cast<T*>(memory.data);
    with_counter(a.geometry, [&]<class I>(I) {
      const PoolPlane<I> plane(a.geometry);
      const auto divide = divide_kernel<T, I>;
      if (out > 0)
        NN_LAUNCH(divide, blocks_for(out), kThreads, 0, ctx, plane, divisor, static_cast<const T*>(a.y), divided);
      const auto spread = spread_kernel<T, I>;
      NN_LAUNCH(spread, blocks_for(count), kThreads, 0, ctx, plane, static_cast<T*>(a.x), divided);
    });
  });
}

}  // namespace nn::cuda
