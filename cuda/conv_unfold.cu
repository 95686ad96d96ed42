// Windows as columns (unfold) and their sum back into images (fold).
//
// One thread for each element that is written: unfold reads one element of x, or none in the padding; fold adds the
// columns of all taps that read its position, in the order of the taps. Neighbours read neighbours. Bound: memory.
#include "cuda/conv_kernels.h"
#include "cuda/kernel.cuh"

namespace nn::cuda {
namespace {

constexpr int kThreads = 256;

// (i0, i1, i2) of `index` in an array of these extents, and what is left of it.
__device__ __forceinline__ int64_t split(int64_t index, const int64_t (&extent)[3], int64_t (&at)[3]) {
  for (int i = 2; i >= 0; --i) at[i] = index % extent[i], index /= extent[i];
  return index;
}
__device__ __forceinline__ int64_t join(const int64_t (&at)[3], const int64_t (&extent)[3]) {
  return (at[0] * extent[1] + at[1]) * extent[2] + at[2];
}
__device__ __forceinline__ int64_t volume(const int64_t (&extent)[3]) { return extent[0] * extent[1] * extent[2]; }

template <class T>
__global__ void __launch_bounds__(kThreads) unfold_kernel(const __grid_constant__ UnfoldArgs args, int64_t count) {
  const ConvGeometry& g = args.geometry;
  const T* const x = static_cast<const T*>(args.x);
  T* const y = static_cast<T*>(args.y);
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x; e < count; e += step) {
    int64_t out[3], tap[3], at[3];
    const int64_t plane = split(split(e, g.out, out), g.kernel, tap);
    bool inside = true;
    for (int i = 0; i < 3; ++i) {
      at[i] = out[i] * g.stride[i] - g.pad[i] + tap[i] * g.dilation[i];
      inside = inside && at[i] >= 0 && at[i] < g.in[i];
    }
    y[e] = inside ? x[plane * volume(g.in) + join(at, g.in)] : T(0);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    fold_kernel(const __grid_constant__ UnfoldArgs args, int64_t count, bool apart) {
  const ConvGeometry& g = args.geometry;
  const T* const y = static_cast<const T*>(args.y);
  T* const x = static_cast<T*>(args.x);
  const int64_t step = int64_t{gridDim.x} * kThreads, taps = volume(g.kernel), outputs = volume(g.out);
  for (int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x; e < count; e += step) {
    int64_t in[3];
    const int64_t plane = split(e, g.in, in);
    T sum = 0;
    for (int64_t t = 0; t < taps; ++t) {
      int64_t tap[3], out[3];
      split(t, g.kernel, tap);
      bool read = true;
      for (int i = 0; i < 3; ++i) {
        const int64_t at = in[i] + g.pad[i] - tap[i] * g.dilation[i];
        out[i] = at / g.stride[i];
        read = read && at >= 0 && at % g.stride[i] == 0 && out[i] < g.out[i];
      }
      if (!read) continue;
      const T value = y[(plane * taps + t) * outputs + join(out, g.out)];
      sum = apart ? value : sum + value;  // a copy keeps the sign of a zero
    }
    x[e] = sum;
  }
}

dim3 grid_for(int64_t count) {
  const int64_t blocks = ceil_div(count, int64_t{kThreads});
  return dim3(static_cast<unsigned>(blocks < 1 << 20 ? blocks : 1 << 20));
}

}  // namespace

void run_unfold(const UnfoldArgs& args, const LaunchContext& ctx) {
  const ConvGeometry& g = args.geometry;
  const int64_t count = g.N * g.C * g.kernel[0] * g.kernel[1] * g.kernel[2] * g.out[0] * g.out[1] * g.out[2];
  if (count == 0) return;
  if (args.dtype == DType::float32) {
    NN_LAUNCH(unfold_kernel<float>, grid_for(count), kThreads, 0, ctx, args, count);
  } else {
    NN_LAUNCH(unfold_kernel<double>, grid_for(count), kThreads, 0, ctx, args, count);
  }
}

void run_fold(const UnfoldArgs& args, const LaunchContext& ctx) {
  const ConvGeometry& g = args.geometry;
  const int64_t count = g.N * g.C * g.in[0] * g.in[1] * g.in[2];
  if (count == 0) return;
  bool apart = true;  // no position lies in two windows
  for (int i = 0; i < 3; ++i) apart = apart && (g.kernel[i] - 1) * g.dilation[i] < g.stride[i];
  if (args.dtype == DType::float32) {
    NN_LAUNCH(fold_kernel<float>, grid_for(count), kThreads, 0, ctx, args, count, apart);
  } else {
    NN_LAUNCH(fold_kernel<double>, grid_for(count), kThreads, 0, ctx, args, count, apart);
  }
}

}  // namespace nn::cuda
