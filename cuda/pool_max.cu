// Max pooling.
//
// The idea: forward, a thread for each output goes through its window in order and keeps the best element and its
// place. Backward, a thread for each input asks the windows that hold it, in order, whether it was their best, and adds
// up their gradients: nothing is added from several threads, so the order is fixed. Windows of float32 that pave the
// plane have kernels of their own (cuda/pool_paving.cuh): forward those of 2 x 2, backward all. Parallel: all elements.
// Bound: memory bandwidth; the windows' overlap is read from the first-level cache.
#include "cuda/pool_kernels.h"
#include "cuda/pool_paving.cuh"
#include "cuda/pool_plane.cuh"

namespace nn::cuda {
namespace {

template <class T, class I>
__global__ void __launch_bounds__(kThreads) max_kernel(PoolPlane<I> p, const T* x, T* y, int32_t* index) {
  const PoolAxis<I>&depth = p.axis[0], &height = p.axis[1], &width = p.axis[2];
  each_element<I>(p.planes * p.out_plane(), [&](I o) {
    const Position<I> at = position(o, depth.out, height.out, width.out);
    const PoolWindow<I> d = pool_window(depth, at.d), h = pool_window(height, at.h), w = pool_window(width, at.w);
    const T* const plane = x + at.plane * p.in_plane();
    T best = static_cast<T>(-__builtin_inf());
    I place = (d.begin * height.in + h.begin) * width.in + w.begin;
    for (I i = d.begin; i < d.end; i += depth.dilation)
      for (I j = h.begin; j < h.end; j += height.dilation)
        for (I k = w.begin; k < w.end; k += width.dilation) {
          const I here = (i * height.in + j) * width.in + k;
          const T v = plane[here];
          const bool wins = v > best || v != v;
          best = wins ? v : best;
          place = wins ? here : place;
        }
    y[o] = best;
    if (index != nullptr) index[o] = static_cast<int32_t>(place);
  });
}

template <class T, class I>
__global__ void __launch_bounds__(kThreads)
    max_backward_kernel(PoolPlane<I> p, T* gx, const T* gy, const int32_t* index) {
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
          if (index[o] == place) sum += gy[o];
        }
    gx[i] = sum;
  });
}

template <class T, class I>
__global__ void __launch_bounds__(kThreads)
    max_gather_kernel(I count, I in_plane, I out_plane, const T* gx, T* gy, const int32_t* index) {
  each_element<I>(count, [&](I o) { gy[o] = gx[o / out_plane * in_plane + index[o]]; });
}

template <int kOutputs>
__global__ void __launch_bounds__(kThreads)
    max_square_kernel(Paving p, bool aligned, const float* x, float* y, int32_t* index) {
  each_square<kOutputs>(p, aligned, x, [&](uint32_t o, uint32_t first, const auto& upper, const auto& lower) {
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
    *reinterpret_cast<Pack<float, kOutputs>*>(y + o) = best;
    if (index != nullptr) *reinterpret_cast<Pack<int32_t, kOutputs>*>(index + o) = place;
  });
}

__global__ void __launch_bounds__(kThreads)
    max_pave_kernel(Paving p, float* gx, const float* gy, const int32_t* index) {
  pave(p, gx, [&](uint32_t o, uint32_t place) {
    const float g = gy[o];
    return index[o] == static_cast<int32_t>(place) ? 0.0f + g : 0.0f;  // a sum from 0: no -0
  });
}

}  // namespace

void run_max_forward(const MaxPoolArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.out);
  if (count == 0) return;
  if (a.dtype == DType::float32 && is_paving_by_2(a.geometry)) {
    const bool pairs = takes_pairs(a.geometry, are_aligned(a.x, a.y, a.index));
    const auto kernel = pairs ? max_square_kernel<2> : max_square_kernel<1>;
    NN_LAUNCH(kernel, blocks_for(pairs ? count / 2 : count), kThreads, 0, ctx, Paving(a.geometry),
              are_aligned(a.x) && a.geometry.in[2] % 2 == 0, static_cast<const float*>(a.x), static_cast<float*>(a.y),
              a.index);
    return;
  }
  with_floating(a.dtype, [&]<class T>(T) {
    with_counter(a.geometry, [&]<class I>(I) {
      const auto kernel = max_kernel<T, I>;
      NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, PoolPlane<I>(a.geometry), static_cast<const T*>(a.x),
                static_cast<T*>(a.y), a.index);
    });
  });
}

void run_max_backward(const MaxPoolIndexArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.in);
  if (count == 0) return;
  if (a.dtype == DType::float32 && is_paving(a.geometry) && are_aligned(a.gx)) {
    NN_LAUNCH(max_pave_kernel, blocks_for(ceil_div(count, int64_t{4})), kThreads, 0, ctx, Paving(a.geometry),
              static_cast<float*>(a.gx), static_cast<const float*>(a.gy), a.index);
    return;
  }
  with_floating(a.dtype, [&]<class T>(T) {
    with_counter(a.geometry, [&]<class I>(I) {
      const auto kernel = max_backward_kernel<T, I>;
      NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, PoolPlane<I>(a.geometry), static_cast<T*>(a.gx),
                static_cast<const T*>(a.gy), a.index);
    });
  });
}

void run_max_gather(const MaxPoolIndexArgs& a, const LaunchContext& ctx) {
  const int64_t out_plane = volume(a.geometry.out), count = a.geometry.planes * out_plane;
  if (count == 0) return;
  with_floating(a.dtype, [&]<class T>(T) {
    with_counter(a.geometry, [&]<class I>(I) {
      const auto kernel = max_gather_kernel<T, I>;
      NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, static_cast<I>(count),
                static_cast<I>(volume(a.geometry.in)), static_cast<I>(out_plane), static_cast<const T*>(a.gx),
                static_cast<T*>(a.gy), a.index);
    });
  });
}

}  // namespace nn::cuda
