// Recurrent layers: all the steps of one layer in one direction, forward and backward.
//
// The idea: where W_hh fits in a multiprocessor's shared memory, one launch for all steps (rnn_rows.cuh). Otherwise
// steps wait for each other, and each is launched after the one before: a product of all rows with W_hh, by the kernels
// of gemm.cu, and then the units. Parallel: rows and units. Bound: the multiply-add unit where there are many of them,
// 2 N G H^2 operations a step; the two launches a step where there are few.
#include "core/kernels/gemm.h"
#include "cuda/rnn_rows.cuh"

namespace nn::cuda {
extern const RnnKernels rnn_kernels;
extern const GemmKernels gemm_kernels;

namespace {

// Calls body(n, j, i) for the units of this thread: unit j of row n, number i of all.
template <class Args, class Body>
__device__ __forceinline__ void for_units(const Args& x, const Body& body) {
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x, step = int64_t{gridDim.x} * kThreads;
  for (int64_t n = blockIdx.y; n < x.N; n += gridDim.y)
    for (int64_t j = first; j < x.H; j += step) body(n, j, n * x.H + j);
}
template <class Args>
dim3 grid_of(const Args& x) {
  constexpr int64_t kMostRows = 65535;
  return dim3(blocks_for(x.H), static_cast<unsigned>(x.N < kMostRows ? x.N : kMostRows));
}

// Step number s; hidden [N, G H] is W_hh h + b_hh.
template <class T, class Unit>
__global__ void __launch_bounds__(kThreads) forward_kernel(RnnArgs x, int64_t s, const T* hidden) {
  const int64_t t = time_of(x, s);
  for_units(x, [&](int64_t n, int64_t j, int64_t i) {
    T h = at<T>(x, x.h_before, t, 0, x.H)[i], c = Unit::has_c ? at<T>(x, x.c_before, t, 0, x.H)[i] : T(0);
    unit_forward<T, Unit>(x, t, n, j, hidden + n * Unit::gates * x.H + j, h, c);
    after_step<T>(x, s, x.h_before, x.h_n)[i] = h;
    if constexpr (Unit::has_c) after_step<T>(x, s, x.c_before, x.c_n)[i] = c;
  });
}

template <class T, class Unit>
__global__ void __launch_bounds__(kThreads) backward_kernel(RnnBackwardArgs x, int64_t s) {
  const int64_t t = time_of(x, s);
  for_units(x, [&](int64_t n, int64_t j, int64_t i) {
    T gh = static_cast<T*>(x.gh)[i], gc = Unit::has_c ? static_cast<T*>(x.gc)[i] : T(0);
    T* const hidden = at<T>(x, x.gh_gates, t, n, Unit::gates * x.H) + j;
    unit_backward<T, Unit>(x, t, n, j, hidden, gh, gc);
    static_cast<T*>(x.gh)[i] = gh;
    if constexpr (Unit::has_c) static_cast<T*>(x.gc)[i] = gc;
  });
}

// C [N, columns] (+)= A [N, K] B (+ bias), A and C of adjacent rows.
template <class Args>
void multiply(const Args& x, const void* a, int64_t K, const void* b, int64_t b_row, int64_t b_col, void* c,
              int64_t columns, const void* bias, bool accumulate, const LaunchContext& ctx) {
  GemmArgs args{};
  args.dtype = x.dtype;
  args.M = x.N, args.N = columns, args.K = K;
  args.a = a, args.b = b, args.c = c;
  args.a_row = K, args.a_col = 1, args.b_row = b_row, args.b_col = b_col, args.c_row = columns, args.c_col = 1;
  args.bias = bias, args.bias_stride = 1;
  args.activation = Activation::none;
  args.precision = Precision::highest;
  args.accumulate = accumulate;
  gemm_kernels.gemm.run(args, ctx);
}

void copy(void* to, const void* from, size_t bytes, const LaunchContext& ctx) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(ctx.stream)),
        "copying a state");
}

template <class T, class Unit>
void by_steps(const RnnArgs& x, const LaunchContext& ctx) {
  const int64_t H = x.H, width = Unit::gates * H, start = time_of(x, 0);
  const size_t bytes = static_cast<size_t>(x.N * H) * sizeof(T);
  const Workspace hidden(bytes * Unit::gates, ctx);
  copy(at<T>(x, x.h_before, start, 0, H), x.h0, bytes, ctx);
  if constexpr (Unit::has_c) copy(at<T>(x, x.c_before, start, 0, H), x.c0, bytes, ctx);
  for (int64_t s = 0; s < x.T; ++s) {
    const T* const h = at<T>(x, x.h_before, time_of(x, s), 0, H);
    multiply(x, h, H, x.w_hh, 1, H, hidden.data, width, x.b_hh, false, ctx);
    const auto kernel = forward_kernel<T, Unit>;
    NN_LAUNCH(kernel, grid_of(x), kThreads, 0, ctx, x, s, static_cast<const T*>(hidden.data));
  }
}

template <class T, class Unit>
void by_steps(const RnnBackwardArgs& x, const LaunchContext& ctx) {
  const int64_t H = x.H, width = Unit::gates * H;
  for (int64_t s = x.T - 1; s >= 0; --s) {
    const auto kernel = backward_kernel<T, Unit>;
    NN_LAUNCH(kernel, grid_of(x), kThreads, 0, ctx, x, s);
    if (s == 0 && !x.wants_gh0) break;
    multiply(x, at<T>(x, x.gh_gates, time_of(x, s), 0, width), width, x.w_hh, H, 1, x.gh, H, nullptr, true, ctx);
  }
}

// Whether a block gets so much shared memory.
bool is_available(int64_t bytes) {
  int device = 0, most = 0;
  check(cudaGetDevice(&device), "asking for shared memory");
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "asking for shared memory");
  return bytes <= most;
}

template <class T, class Args>
bool by_rows(void (*kernel)(Args), const Args& x, int64_t numbers, const LaunchContext& ctx) {
  const int64_t bytes = numbers * static_cast<int64_t>(sizeof(T));
  if (!is_available(bytes)) return false;
  allow_shared(kernel, static_cast<size_t>(bytes));
  NN_LAUNCH(kernel, static_cast<unsigned>(ceil_div(x.N, int64_t{kRows})), kThreads, bytes, ctx, x);
  return true;
}

template <class T, class Unit>
void run_unit(const RnnArgs& x, const LaunchContext& ctx) {
  if (!by_rows<T>(forward_rows_kernel<T, Unit>, x, numbers_forward<Unit>(x.H), ctx)) by_steps<T, Unit>(x, ctx);
}
template <class T, class Unit>
void run_unit(const RnnBackwardArgs& x, const LaunchContext& ctx) {
  if (!by_rows<T>(backward_rows_kernel<T, Unit>, x, numbers_backward<Unit>(x.H), ctx)) by_steps<T, Unit>(x, ctx);
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
