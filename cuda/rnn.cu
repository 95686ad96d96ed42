// Recurrent layers: all the steps of one layer in one direction, forward and backward.
//
// The idea: steps wait for each other, so each is launched after the one before: a product of all rows with W_hh, by
// the kernels of gemm.cu, and then the units, which read the gates and write the activated ones and the new state.
// Parallel: rows and units. Bound: where rows and units are many the multiply-add unit, 2 N G H^2 operations a step;
// where they are few the two launches a step.
#include "core/kernels/gemm.h"
#include "core/kernels/rnn.h"
#include "cuda/loops.cuh"
#include "cuda/math.cuh"
#include "math/rnn.h"

namespace nn::cuda {
extern const RnnKernels rnn_kernels;
extern const GemmKernels gemm_kernels;

namespace {

// Where a step's share of an array [T, N, width] begins.
template <class T, class Args>
__host__ __device__ T* at(const Args& x, void* array, int64_t t, int64_t width) {
  return static_cast<T*>(array) + t * x.N * width;
}
template <class T, class Args>
__host__ __device__ const T* at(const Args& x, const void* array, int64_t t, int64_t width) {
  return static_cast<const T*>(array) + t * x.N * width;
}

template <class Args>
__device__ __forceinline__ bool takes_part(const Args& x, int64_t t, int64_t n) {
  return x.lengths == nullptr || t < x.lengths[n];
}

// Calls body(n, j, e) for the units of this thread: unit j of row n, number e of all.
template <class Args, class Body>
__device__ __forceinline__ void for_units(const Args& x, const Body& body) {
  const int64_t count = x.N * x.H, step = int64_t{gridDim.x} * kThreads;
  for (int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x; e < count; e += step) {
    const int64_t n = e / x.H;
    body(n, e - n * x.H, e);
  }
}

// The units of step t, whose gates hold their sums. The states after it go to h_next and c_next.
template <class T, class Unit>
__global__ void __launch_bounds__(kThreads) forward_kernel(RnnArgs x, int64_t t, T* h_next, T* c_next) {
  constexpr int G = Unit::gates;
  T* const y = at<T>(x, x.y, t, x.H);
  T* const extra = at<T>(x, x.extra, t, x.H);
  const T* const h = at<T>(x, x.h_before, t, x.H);
  const T* const c = at<T>(x, x.c_before, t, x.H);
  for_units(x, [&](int64_t n, int64_t j, int64_t e) {
    if (!takes_part(x, t, n)) {
      h_next[e] = h[e];
      if constexpr (Unit::has_c) c_next[e] = c[e];
      y[e] = T(0);
      return;
    }
    T* const gates = at<T>(x, x.gates, t, G * x.H) + n * G * x.H + j;
    RnnUnit<T> u{};
    for (int g = 0; g < G; ++g) u.gate[g] = gates[g * x.H];
    u.h = h[e];
    if constexpr (Unit::has_c) u.c = c[e];
    if constexpr (Unit::hidden_apart) u.extra = extra[e];
    Unit::forward(u);
    for (int g = 0; g < G; ++g) gates[g * x.H] = u.gate[g];
    h_next[e] = y[e] = u.h;
    if constexpr (Unit::has_c) c_next[e] = u.c;
    if constexpr (Unit::has_extra && !Unit::hidden_apart) extra[e] = u.extra;
  });
}

// The gradients of the gates of step t from those of the state after it, gh and gc, which become those of the state
// before it but for what flows through W_hh.
template <class T, class Unit>
__global__ void __launch_bounds__(kThreads) backward_kernel(RnnBackwardArgs x, int64_t t) {
  constexpr int G = Unit::gates;
  T* const gh = static_cast<T*>(x.gh);
  T* const gc = static_cast<T*>(x.gc);
  for_units(x, [&](int64_t n, int64_t j, int64_t e) {
    const int64_t row = n * G * x.H + j;
    T* const gx_gates = at<T>(x, x.gx_gates, t, G * x.H) + row;
    T* const gh_gates = at<T>(x, x.gh_gates, t, G * x.H) + row;
    if (!takes_part(x, t, n)) {
      for (int g = 0; g < G; ++g) gx_gates[g * x.H] = gh_gates[g * x.H] = T(0);
      return;
    }
    const T* const gates = at<T>(x, x.gates, t, G * x.H) + row;
    RnnUnit<T> u{};
    RnnUnitGradient<T> d{};
    for (int g = 0; g < G; ++g) u.gate[g] = gates[g * x.H];
    if constexpr (Unit::hidden_apart) u.h = at<T>(x, x.h_before, t, x.H)[e];
    if constexpr (Unit::has_extra) u.extra = at<T>(x, x.extra, t, x.H)[e];
    if constexpr (Unit::has_c) u.c = at<T>(x, x.c_before, t, x.H)[e];
    T of_h = gh[e];
    if (x.gy != nullptr) of_h += static_cast<const T*>(x.gy)[t * x.gy_step + n * x.gy_row + j];
    Unit::backward(u, of_h, Unit::has_c ? gc[e] : T(0), d);
    for (int g = 0; g < G; ++g) gx_gates[g * x.H] = d.gate[g];
    if constexpr (Unit::hidden_apart) {
      for (int g = 0; g < G - 1; ++g) gh_gates[g * x.H] = d.gate[g];
      gh_gates[(G - 1) * x.H] = d.hidden;
    }
    gh[e] = d.h;
    if constexpr (Unit::has_c) gc[e] = d.c;
  });
}

// C [N, columns] (+)= A B (+ bias) for all N rows, with C's and A's rows adjacent numbers.
struct Product {
  const void* a;
  int64_t a_row;
  const void* b;
  int64_t b_row, b_col;
  void* c;
  int64_t c_row, columns, K;
  const void* bias;
  bool accumulate;
};

template <class Args>
void multiply(const Args& x, const Product& p, const LaunchContext& ctx) {
  GemmArgs args{};
  args.dtype = x.dtype;
  args.M = x.N, args.N = p.columns, args.K = p.K;
  args.a = p.a, args.b = p.b, args.c = p.c;
  args.a_row = p.a_row, args.a_col = 1, args.b_row = p.b_row, args.b_col = p.b_col;
  args.c_row = p.c_row, args.c_col = 1;
  args.bias = p.bias, args.bias_stride = 1;
  args.activation = Activation::none;
  args.precision = Precision::highest;
  args.accumulate = p.accumulate;
  gemm_kernels.gemm.run(args, ctx);
}

void copy(void* to, const void* from, size_t bytes, const LaunchContext& ctx) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(ctx.stream)),
        "copying a state");
}

template <class T, class Unit>
void run_forward(const RnnArgs& x, const LaunchContext& ctx) {
  constexpr int64_t G = Unit::gates;
  const int64_t H = x.H, first = x.reverse ? x.T - 1 : 0;
  const size_t state = static_cast<size_t>(x.N * H) * sizeof(T);
  const T* const w = static_cast<const T*>(x.w_hh);
  const T* const bias = static_cast<const T*>(x.b_hh);
  copy(at<T>(x, x.h_before, first, H), x.h0, state, ctx);
  if constexpr (Unit::has_c) copy(at<T>(x, x.c_before, first, H), x.c0, state, ctx);
  for (int64_t s = 0; s < x.T; ++s) {
    const int64_t t = x.reverse ? x.T - 1 - s : s, next = x.reverse ? t - 1 : t + 1;
    const T* const h = at<T>(x, x.h_before, t, H);
    constexpr int64_t kShared = Unit::hidden_apart ? G - 1 : G;  // gates whose hidden share is added to the inputs'
    multiply(x, {h, H, w, 1, H, at<T>(x, x.gates, t, G * H), G * H, kShared * H, H, bias, true}, ctx);
    if constexpr (Unit::hidden_apart)
      multiply(x,
               {h, H, w + kShared * H * H, 1, H, at<T>(x, x.extra, t, H), H, H, H,
                bias != nullptr ? bias + kShared * H : nullptr, false},
               ctx);
    const bool last = s + 1 == x.T;
    T* const h_next = last ? static_cast<T*>(x.h_n) : at<T>(x, x.h_before, next, H);
    T* const c_next = !Unit::has_c ? nullptr : last ? static_cast<T*>(x.c_n) : at<T>(x, x.c_before, next, H);
    const auto kernel = forward_kernel<T, Unit>;
    NN_LAUNCH(kernel, blocks_for(x.N * H), kThreads, 0, ctx, x, t, h_next, c_next);
  }
}

template <class T, class Unit>
void run_backward(const RnnBackwardArgs& x, const LaunchContext& ctx) {
  constexpr int64_t G = Unit::gates;
  const int64_t H = x.H;
  for (int64_t s = x.T - 1; s >= 0; --s) {
    const int64_t t = x.reverse ? x.T - 1 - s : s;
    const auto kernel = backward_kernel<T, Unit>;
    NN_LAUNCH(kernel, blocks_for(x.N * H), kThreads, 0, ctx, x, t);
    multiply(x, {at<T>(x, x.gh_gates, t, G * H), G * H, x.w_hh, H, 1, x.gh, H, H, G * H, nullptr, true}, ctx);
  }
}

template <class T, class Unit>
void run_unit(const RnnArgs& x, const LaunchContext& ctx) {
  run_forward<T, Unit>(x, ctx);
}
template <class T, class Unit>
void run_unit(const RnnBackwardArgs& x, const LaunchContext& ctx) {
  run_backward<T, Unit>(x, ctx);
}

template <class Args>
void run(const Args& args, const LaunchContext& ctx) {
  if (args.N == 0) return;
  with_floating(args.dtype, [&]<class T>(T) {
    switch (args.mode) {
      case RnnMode::tanh:
        return run_unit<T, RnnUnitPlain<false>>(args, ctx);
      case RnnMode::relu:
        return run_unit<T, RnnUnitPlain<true>>(args, ctx);
      case RnnMode::lstm:
        return run_unit<T, LstmUnit>(args, ctx);
      case RnnMode::gru:
        return run_unit<T, GruUnit>(args, ctx);
    }
  });
}

}  // namespace

const RnnKernels rnn_kernels = {{"rnn", run<RnnArgs>}, {"rnn_backward", run<RnnBackwardArgs>}};

}  // namespace nn::cuda
