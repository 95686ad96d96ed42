// Local response normalisation: each element over a power of what its neighbours in other channels hold.
//
// The idea: a thread for each element; a warp's lie side by side, so that the rows of the window are read from caches
// after the first time. Backward, a first launch leaves d^-beta and gy x d^(-beta - 1) of each element, which a second
// one sums over the windows. Parallel: all elements.
// Bound: memory, one read and one write forward; backward four reads and three writes.
#include "cuda/divisor.cuh"
#include "cuda/loops.cuh"
#include "cuda/math.cuh"
#include "cuda/norm_kernels.h"
#include "math/functions.h"

namespace nn::cuda {
namespace {

struct Window {
  LocalResponseArgs args;
  Divisor S, C;

  explicit Window(const LocalResponseArgs& a) : args(a), S(a.S), C(a.C) {}
  int64_t elements() const { return args.N * args.C * args.S; }

  // body(place, channel) for all elements.
  template <class Body>
  __device__ void each(const Body& body) const {
    const int64_t count = args.N * args.C * args.S;
    for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
      const int64_t row = i / S;
      body(i, row - row / C * args.C);
    }
  }
  // The sum of f(place) over channels [first, last] that there are, at the place of channel c.
  template <class T, class F>
  __device__ T sum(int64_t place, int64_t c, int64_t first, int64_t last, const F& f) const {
    T total = 0;
    for (int64_t i = first < 0 ? 0 : first; i <= last && i < args.C; ++i) total += f(place + (i - c) * args.S);
    return total;
  }
  template <class T>
  __device__ T denominator(int64_t place, int64_t c) const {
    const T* const x = static_cast<const T*>(args.x);
    const T squares =
        sum<T>(place, c, c - args.size / 2, c + (args.size - 1) / 2, [&](int64_t at) { return x[at] * x[at]; });
    return squares * static_cast<T>(args.alpha / static_cast<double>(args.size)) + static_cast<T>(args.k);
  }
};

// d^-beta. Three quarters, which is what the published networks have, and a half take square roots alone.
template <class T>
__device__ T power(T d, double beta) {
  if (beta == 0.75) {
    const T root = sqrt(d);
    return 1 / (root * sqrt(root));
  }
  if (beta == 0.5) return 1 / sqrt(d);
  if (beta == 1) return 1 / d;
  return exp(log(d) * static_cast<T>(-beta));
}

template <class T>
__global__ void __launch_bounds__(kThreads) response_kernel(Window window) {
  window.each([&](int64_t i, int64_t c) {
    const T scale = power(window.denominator<T>(i, c), window.args.beta);
    static_cast<T*>(window.args.y)[i] = static_cast<const T*>(window.args.x)[i] * scale;
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) terms_kernel(Window window, T* scales, T* terms) {
  window.each([&](int64_t i, int64_t c) {
    const T d = window.denominator<T>(i, c), scale = power(d, window.args.beta);
    scales[i] = scale;
    terms[i] = static_cast<const T*>(window.args.gy)[i] * static_cast<const T*>(window.args.x)[i] * (scale / d);
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) gradient_kernel(Window window, const T* scales, const T* terms) {
  const LocalResponseArgs& a = window.args;
  const T factor = static_cast<T>(-2 * a.alpha * a.beta / static_cast<double>(a.size));
  window.each([&](int64_t i, int64_t c) {
    const T total = window.sum<T>(i, c, c - (a.size - 1) / 2, c + a.size / 2, [&](int64_t at) { return terms[at]; });
    static_cast<T*>(a.y)[i] =
        static_cast<const T*>(a.gy)[i] * scales[i] + factor * static_cast<const T*>(a.x)[i] * total;
  });
}

}  // namespace

void local_response(const LocalResponseArgs& args, const LaunchContext& ctx) {
  const Window window(args);
  if (window.elements() == 0) return;
  with_floating(args.dtype, [&]<class T>(T) {
    NN_LAUNCH(response_kernel<T>, blocks_for(window.elements()), kThreads, 0, ctx, window);
  });
}

void local_response_backward(const LocalResponseArgs& args, const LaunchContext& ctx) {
  const Window window(args);
  const int64_t count = window.elements();
  if (count == 0) return;
  with_floating(args.dtype, [&]<class T>(T) {
    const Workspace memory(static_cast<size_t>(2 * count) * sizeof(T), ctx);
    T* const scales = static_cast<T*>(memory.data);
    NN_LAUNCH(terms_kernel<T>, blocks_for(count), kThreads, 0, ctx, window, scales, scales + count);
    NN_LAUNCH(gradient_kernel<T>, blocks_for(count), kThreads, 0, ctx, window, scales, scales + count);
  });
}

}  // namespace nn::cuda
