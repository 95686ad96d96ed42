// Max pooling.
//
// The idea: forward, a thread for each output goes through its window in order and keeps the best element and its
// place. Backward, a thread for each input asks the windows that hold it, in order, whether it was their best, and adds
// up their gradients: nothing is added from several threads, so the order is fixed. Windows that pave the plane
// have kernels of their own (cuda/pool_paving.cuh): forward those of 2 x 2, backward all. Parallel: all elements.
// Bound: memory bandwidth; the windows' overlap is read from the first-level cache.
#include "cuda/pool_kernels.h"
#include "cuda/pool_paving.cuh"
#include "cuda/pool_plane.cuh"
#include "cuda/stored.cuh"

namespace nn::cuda {
namespace {

template <class A, class I, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads) max_kernel(A as, PoolPlane<I> p, const X* x, X* y, int32_t* index) {
  using T = typename A::Value;
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.out_plane(), [&](I o) {
    const Position<I> at = position(o, depth.out, height.out, width.out);
    const PoolWindow<I> d = pool_window(depth, at.d), h = pool_window(height, at.h), w = pool_window(width, at.w);
    const X* const plane = x + at.plane * p.in_plane();
    T best = static_cast<T>(-__builtin_inf());
    I place = (d.begin * height.in + h.begin) * width.in + w.begin;
    for (I i = d.begin; i < d.end; i += depth.dilation)
      for (I j = h.begin; j < h.end; j += height.dilation)
        for (I k = w.begin; k < w.end; k += width.dilation) {
          const I here = (i * height.in + j) * width.in + k;
          const T v = as.value(plane[here]);
          const bool wins = v > best || v != v;
          best = wins ? v : best;
          place = wins ? here : place;
        }
    y[o] = as.stored(best);
    if (index != nullptr) index[o] = static_cast<int32_t>(place);
  });
}

template <class A, class I, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads)
    max_backward_kernel(A as, PoolPlane<I> p, X* gx, const X* gy, const int32_t* index) {
  using T = typename A::Value;
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.in_plane(), [&](I i) {
    const Position<I> at = position(i, depth.in, height.in, width.in);
    const int32_t place = static_cast<int32_t>(i - at.plane * p.in_plane());
    const PoolOutputs<I> d = pool_outputs(depth, at.d), h = pool_outputs(height, at.h), w = pool_outputs(width, at.w);
    const I first = at.plane * p.out_plane();
    T sum = T(0);
    for (I a = d.begin; a < d.end; ++a)
      for (I b = h.begin; b < h.end; ++b)
        for (I c = w.begin; c < w.end; ++c) {
          const I o = first + (a * height.out + b) * width.out + c;
          if (index[o] == place) sum += as.value(gy[o]);
        }
    gx[i] = as.stored(sum);
  });
}

template <class X>
__global__ void __launch_bounds__(kThreads)
    max_gather_kernel(int64_t count, int64_t in_plane, int64_t out_plane, const X* gx, X* gy, const int32_t* index) {
  each_element<int64_t>(count, [&](int64_t o) { gy[o] = gx[o / out_plane * in_plane + index[o]]; });
}

template <int kOutputs, class A, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads)
    max_square_kernel(A as, Paving p, bool aligned, const X* x, X* y, int32_t* index) {
  each_square<kOutputs>(as, p, aligned, x, [&](uint32_t o, uint32_t first, const auto& upper, const auto& lower) {
    Pack<float, kOutputs> best;
    Pack<int32_t, kOutputs> place;
#pragma unroll
    for (int k = 0; k < kOutputs; ++k) {
      const auto here = static_cast<int32_t>(first) + 2 * k, below = here + static_cast<int32_t>(p.in_width.number);
      best.at[k] = -__builtin_inff(), place.at[k] = here;
      const auto meet = [&](float v, int32_t at) {
        const bool wins = v > best.at[k] || v != v;
        best.at[k] = wins ? v : best.at[k];
        place.at[k] = wins ? at : place.at[k];
      };
      meet(upper.at[2 * k], here), meet(upper.at[2 * k + 1], here + 1);
      meet(lower.at[2 * k], below), meet(lower.at[2 * k + 1], below + 1);
    }
    store_values<kOutputs>(as, y + o, best, true);
    if (index != nullptr) *reinterpret_cast<Pack<int32_t, kOutputs>*>(index + o) = place;
  });
}

template <class A, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads) max_pave_kernel(A as, Paving p, X* gx, const X* gy, const int32_t* index) {
  pave(as, p, gx, [&](uint32_t o, uint32_t place) {
    const float g = as.value(gy[o]);
    return index[o] == static_cast<int32_t>(place) ? 0.0f + g : 0.0f;  // a sum from 0: no -0
  });
}

}  // namespace

void run_max_forward(const MaxPoolArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.out);
  if (count == 0) return;
  if (is_half(a.dtype) && !is_narrow(a.geometry)) {
    const FloatCopy x(a.dtype, a.x, a.geometry.planes * volume(a.geometry.in), ctx), y(a.dtype, a.y, count, ctx);
    x.read(a.x);
    run_max_forward({DType::float32, a.geometry, x.memory.data, y.memory.data, a.index}, ctx);
    return y.write(a.y);
  }
  with_stored(a.dtype, [&]<class A>(const A& as) {
    using X = typename A::Stored;
    const X* const x = static_cast<const X*>(a.x);
    X* const y = static_cast<X*>(a.y);
    if constexpr (sizeof(X) <= sizeof(float)) {
      if (is_paving_by_2(a.geometry)) {
        const bool pairs = takes_pairs(a.geometry, are_aligned(a.x, a.y, a.index));
        const auto kernel = pairs ? max_square_kernel<2, A> : max_square_kernel<1, A>;
        NN_LAUNCH(kernel, blocks_for(pairs ? count / 2 : count), kThreads, 0, ctx, as, Paving(a.geometry),
                  are_aligned(a.x) && a.geometry.in[2] % 2 == 0, x, y, a.index);
        return;
      }
    }
    with_counter<X>(a.geometry, [&]<class I>(I) {
      const auto kernel = max_kernel<A, I>;
      NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, as, PoolPlane<I>(a.geometry), x, y, a.index);
    });
  });
}

void run_max_backward(const MaxPoolIndexArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.in);
  if (count == 0) return;
  if (is_half(a.dtype) && !is_narrow(a.geometry)) {
    const FloatCopy gx(a.dtype, a.gx, count, ctx), gy(a.dtype, a.gy, a.geometry.planes * volume(a.geometry.out), ctx);
    gy.read(a.gy);
    run_max_backward({DType::float32, a.geometry, gx.memory.data, gy.memory.data, a.index}, ctx);
    return gx.write(a.gx);
  }
  with_stored(a.dtype, [&]<class A>(const A& as) {
    using X = typename A::Stored;
    X* const gx = static_cast<X*>(a.gx);
    const X* const gy = static_cast<const X*>(a.gy);
    if constexpr (sizeof(X) <= sizeof(float)) {
      if (is_paving(a.geometry) && are_aligned(a.gx)) {
        const auto kernel = max_pave_kernel<A>;
        const unsigned blocks = blocks_for(ceil_div(count, int64_t{4}));
        NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, as, Paving(a.geometry), gx, gy, a.index);
        return;
      }
    }
    with_counter<X>(a.geometry, [&]<class I>(I) {
      const auto kernel = max_backward_kernel<A, I>;
      NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, as, PoolPlane<I>(a.geometry), gx, gy, a.index);
    });
  });
}

// What only moves bits is made for sizes of elements.
void run_max_gather(const MaxPoolIndexArgs& a, const LaunchContext& ctx) {
  const int64_t out_plane = volume(a.geometry.out), count = a.geometry.planes * out_plane;
  if (count == 0) return;
  with_stored(a.dtype, [&]<class A>(const A&) {
    using X = typename A::Stored;
    const auto kernel = max_gather_kernel<X>;
    NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, count, volume(a.geometry.in), out_plane,
              static_cast<const X*>(a.gx), static_cast<X*>(a.gy), a.index);
  });
}

}  // namespace nn::cuda
