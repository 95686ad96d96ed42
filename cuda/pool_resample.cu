// Linear maps of the axes of planes, given as tables of places and weights: interpolation and its adjoint.
//
// The idea: a thread for each element of the result adds up the taps of all axes at once, the last axis innermost.
// Parallel: all elements. Bound: memory bandwidth for few taps (nearest, bilinear), whose reads overlap in the
// first-level cache; the products of the numbers of taps otherwise.
#include "cuda/pool_kernels.h"
#include "cuda/pool_plane.cuh"

namespace nn::cuda {
namespace {

// sum over t of weight[t, o] * of(index[t, o]). An axis without a table takes of(o).
template <class T, class Of>
__device__ __forceinline__ T taps(const ResampleAxis& a, int64_t o, const Of& of) {
  if (a.index == nullptr) return of(o);
  const T* const weight = static_cast<const T*>(a.weight);
  T sum = T(-0.0);  // a copy of -0 stays -0; a sum of nothing is 0
#pragma unroll 1
  for (int64_t t = 0; t < a.taps; ++t) {
    const int32_t at = a.index[t * a.out + o];
    sum += 0 <= at && at < a.in ? weight[t * a.out + o] * of(at) : T(0);
  }
  return sum;
}

// Reports places that the axis does not have; resample_kernel takes them for zeros.
__global__ void __launch_bounds__(kThreads) check_places(ResampleAxis a) {
  each_element<int64_t>(a.taps * a.out, [&](int64_t i) {
    if (a.index[i] < 0 || a.index[i] > a.in) report(a.fault, a.index[i]);
  });
}

// Four blocks at a time: with the choice left to ptxas it spills for compute capability 10.0.
template <class T, class I>
__global__ void __launch_bounds__(kThreads, 4)
    resample_kernel(I count, ResampleAxis depth, ResampleAxis height, ResampleAxis width, const T* x, T* y) {
  each_element<I>(count, [&](I o) {
    const auto at = position(o, static_cast<I>(depth.out), static_cast<I>(height.out), static_cast<I>(width.out));
    const T* const plane = x + int64_t{at.plane} * depth.in * height.in * width.in;
    y[o] = taps<T>(depth, at.d, [&](int64_t i) {
      return taps<T>(height, at.h, [&](int64_t j) {
        const T* const row = plane + (i * height.in + j) * width.in;
        return taps<T>(width, at.w, [&](int64_t k) { return row[k]; });
      });
    });
  });
}

}  // namespace

void run_resample(const ResampleArgs& a, const LaunchContext& ctx) {
  const int64_t count = a.planes * a.axis[0].out * a.axis[1].out * a.axis[2].out;
  if (count == 0) return;
  for (const ResampleAxis& axis : a.axis)
    if (axis.index != nullptr && axis.taps > 0)
      NN_LAUNCH(check_places, blocks_for(axis.taps * axis.out), kThreads, 0, ctx, axis);
  const auto start = [&]<class T, class I>(T, I) {
    const auto kernel = resample_kernel<T, I>;
    NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, static_cast<I>(count), a.axis[0], a.axis[1], a.axis[2],
              static_cast<const T*>(a.x), static_cast<T*>(a.y));
  };
  with_floating(a.dtype, [&]<class T>(T x) { is_narrow(count) ? start(x, int32_t{}) : start(x, int64_t{}); });
}

}  // namespace nn::cuda
