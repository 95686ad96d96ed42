// Connectionist temporal classification: the forward and the backward recursion over time (Graves et al., 2006, section
// 4.1), in logarithms.
//
// The idea: a sample's states are its labels with a blank before, between and after them. A block goes through the
// frames of one sample, its threads through the states, with a barrier after each frame; the forward rows stay in
// working memory until the backward recursion meets them. A class's gradient is written by the thread of the first
// state with that class, which goes through the others in order. Parallel: samples and states.
// Loops are not unrolled, for want of registers.
// Bound: the latency of one frame, a few barriers and transcendentals, times twice the number of frames.
#include "core/kernels/ctc.h"
#include "cuda/block.cuh"
#include "cuda/loops.cuh"
#include "cuda/math.cuh"
#include "math/functions.h"

namespace nn::cuda {
extern const CtcKernels ctc_kernels;

namespace {

constexpr int64_t kPad = 2;  // states before the first and after the last, of probability 0

// The logarithm of 0, finite, so that no difference of two of them is NaN.
template <class T>
inline constexpr T never = T(-1e30);

// log(e^a + e^b + e^c).
template <class T>
__device__ __forceinline__ T log_sum(T a, T b, T c) {
  const T m = max(max(a, b), c);
  return m + log(exp(a - m) + exp(b - m) + exp(c - m));
}

__host__ __device__ inline int64_t row_of(const CtcArgs& a) { return 2 * a.S + 1 + 2 * kPad; }
// Numbers of working memory of one sample: the forward rows, and three rows of the backward recursion.
__host__ __device__ inline int64_t numbers_of(const CtcArgs& a) { return (a.T + 4) * row_of(a); }

__device__ inline int64_t clamped(int64_t x, int64_t last) { return x < 0 ? 0 : x > last ? last : x; }

template <class T>
struct Sample {
  const CtcArgs& a;
  int64_t n, thread;
  int64_t frames = clamped(a.frames[n], a.T), length = clamped(a.lengths[n], a.S), states = 2 * length + 1;

  __device__ int64_t at(int64_t t) const { return (t * a.N + n) * a.C; }
  __device__ int64_t label(int64_t s) const {
    return s % 2 == 0 ? a.blank : clamped(a.labels[n * a.S + s / 2], a.C - 1);
  }
  __device__ T emission(int64_t t, int64_t s) const {
    const T v = static_cast<const T*>(a.x)[at(t) + label(s)];
    return v < never<T> ? never<T> : v;
  }
  // What is added to the way from state s - 2 to s: nothing where it skips a blank between two different labels.
  __device__ T skip(int64_t s) const {
    return s < states && s % 2 == 1 && s >= 2 && label(s) != label(s - 2) ? T(0) : never<T>;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads) ctc_kernel(CtcArgs a, T* memory) {
  NN_SHARED(T, of_warps, [kThreads / kWarp]);
  const Sample<T> z{a, blockIdx.x, threadIdx.x};
  const int64_t row = row_of(a), frames = z.frames, states = z.states, thread = z.thread;
  T* const alpha = memory + z.n * numbers_of(a);  // [T + 1, row], states from kPad on
  T* const rest = alpha + (a.T + 1) * row;        // [row]: of a frame, each state's log probability of what follows
  T* const ahead = rest + row;                    // [row]: the same with the emission of that frame
  T* const posterior = ahead + row;
  // Before the first frame stands a blank that costs nothing.
#pragma unroll 1
  for (int64_t i = thread; i < (frames + 1) * row; i += kThreads) alpha[i] = i == kPad ? T(0) : never<T>;
  __syncthreads();
#pragma unroll 1
  for (int64_t t = 0; t < frames; ++t) {
    const T* const before = alpha + t * row + kPad;
    T* const now = alpha + (t + 1) * row + kPad;
#pragma unroll 1
    for (int64_t s = thread; s < states; s += kThreads)
      now[s] = log_sum(before[s], before[s - 1], before[s - 2] + z.skip(s)) + z.emission(t, s);
    __syncthreads();
  }
  const T* const last = alpha + frames * row + kPad + states;
  const T total = log_sum(last[-1], z.length > 0 ? last[-2] : never<T>, never<T>);
  const bool impossible = total < never<T> / 2;
  if (thread == 0)
    static_cast<T*>(a.loss)[z.n] = !impossible ? -total : a.zero_infinity ? T(0) : static_cast<T>(__builtin_inf());
  T* const gx = static_cast<T*>(a.gx);
  if (gx == nullptr) return;
#pragma unroll 1
  for (int64_t t = impossible ? 0 : frames; t < a.T; ++t)
#pragma unroll 1
    for (int64_t c = thread; c < a.C; c += kThreads)
      gx[z.at(t) + c] = t < frames && !a.zero_infinity ? static_cast<T>(__builtin_nan("")) : T(0);
  if (impossible) return;
#pragma unroll 1
  for (int64_t i = thread; i < row; i += kThreads) ahead[i] = never<T>;
  __syncthreads();
#pragma unroll 1
  for (int64_t t = frames - 1; t >= 0; --t) {
    const T* const here = alpha + (t + 1) * row + kPad;
    T blanks = T(0);
#pragma unroll 1
    for (int64_t s = thread; s < states; s += kThreads) {
      T after = s >= states - 2 ? T(0) : never<T>;
      if (t < frames - 1) after = log_sum(ahead[s], ahead[s + 1], ahead[s + 2] + z.skip(s + 2));
      rest[s] = after;
      posterior[s] = exp(here[s] + after - total);
      if (z.label(s) == a.blank) blanks += posterior[s];
    }
#pragma unroll 1
    for (int64_t c = thread; c < a.C; c += kThreads) gx[z.at(t) + c] = exp(static_cast<const T*>(a.x)[z.at(t) + c]);
    const auto add = [](T x, T y) { return x + y; };
    blanks = block_reduce<kThreads>(blanks, add, of_warps, static_cast<int>(thread));  // a barrier, too
    if (thread == 0) gx[z.at(t) + a.blank] -= blanks;
#pragma unroll 1
    for (int64_t s = thread; s < states; s += kThreads) {
      ahead[s] = rest[s] + z.emission(t, s);
      const int64_t own = z.label(s);
      bool first = own != a.blank;
#pragma unroll 1
      for (int64_t other = 1; other < s && first; other += 2) first = z.label(other) != own;
      if (!first) continue;
      T sum = T(0);
#pragma unroll 1
      for (int64_t other = s; other < states; other += 2) sum += z.label(other) == own ? posterior[other] : T(0);
      gx[z.at(t) + own] -= sum;
    }
    __syncthreads();
  }
}

void ctc(const CtcArgs& a, const LaunchContext& ctx) {
  if (a.N == 0) return;
  with_floating(a.dtype, [&]<class T>(T) {
    const Workspace memory(static_cast<size_t>(a.N * numbers_of(a)) * sizeof(T), ctx);
    NN_LAUNCH(ctc_kernel<T>, static_cast<unsigned>(a.N), kThreads, 0, ctx, a, static_cast<T*>(memory.data));
  });
}

}  // namespace

const CtcKernels ctc_kernels = {{"ctc", ctc}};

}  // namespace nn::cuda
