// Max pooling.
//
// The idea: forward, a thread for each output goes through its window in order and keeps the best element and its
// place. Backward, a thread for each input asks the windows that hold it, in order, whether it was their best, and adds
// up their gradients: nothing is added from several threads, so the order is fixed. Parallel: all elements.
// Bound: memory bandwidth; the windows' overlap is read from the first-level cache.
#include "cuda/pool_kernels.h"
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

}  // namespace

void run_max_forward(const MaxPoolArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.geometry.planes * volume(a.geometry.out);
  if (count == 0) return;
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
