// Connectionist temporal classification on the CPU: the forward and the backward recursion over time (Graves et al.,
// 2006, section 4.1), in logarithms, so that long sequences neither underflow nor need rescaling.
//
// A sample's states are its labels with a blank before, between and after them, U = 2 L + 1. A frame of either
// recursion is one pass over them, a vector of states at a time: each adds up three neighbours, for three exponentials
// and a logarithm. Samples are divided among the threads. The forward rows of a sample are kept (T U numbers) until the
// backward recursion meets them.
// Limit: eight transcendentals for each state and frame, some 60 cycles for 16 states in float32 with AVX-512, and the
// scalar gather and scatter of states to classes, 2 U a frame; memory traffic is small beside it.
#include "core/kernels/ctc.h"

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/simd/simd.h"
#include "math/functions.h"

namespace nn::NN_ISA {
extern const CtcKernels ctc_kernels;

namespace {

constexpr int64_t kPad = 2;          // states before the first and after the last, of probability 0
constexpr int64_t kWorth = 1 << 14;  // states times frames that are worth another thread

// log(e^a + e^b + e^c). The logarithm of 0 is `never`, finite, so that no difference of two of them is NaN.
template <class V>
NN_FN V log_sum(V a, V b, V c) {
  const V m = max(max(a, b), c);
  return m + log(exp(a - m) + exp(b - m) + exp(c - m));
}

template <class T>
struct Sample {
  using V = Vec<T>;
  static constexpr T never = T(-1e30);

  const CtcArgs& a;
  int64_t n, frames = a.frames[n], length = a.lengths[n];
  int64_t states = 2 * length + 1;
  int64_t width = (states + V::size - 1) / V::size * V::size;  // states, filled up to whole vectors
  int64_t row = width + 2 * kPad;

  static int64_t scratch_numbers(const CtcArgs& a) {
    const int64_t row = 2 * a.S + 1 + V::size + 2 * kPad;
    return (a.T + 4) * row;
  }

  const T* frame(int64_t t) const { return static_cast<const T*>(a.x) + (t * a.N + n) * a.C; }
  T* gradient(int64_t t) const { return static_cast<T*>(a.gx) + (t * a.N + n) * a.C; }
  int64_t label(int64_t s) const { return s % 2 == 0 ? a.blank : a.labels[n * a.S + s / 2]; }

  void fill(T* at, int64_t count, T value) const {
    for (int64_t i = 0; i < count; ++i) at[i] = value;
  }

  // The log probabilities of the states' labels in frame t; `never` beyond them.
  void emissions(int64_t t, T* out) const {
    const T* const x = frame(t);
    for (int64_t s = 0; s < states; ++s) {
      const T v = x[label(s)];
      out[s] = v < never ? never : v;
    }
    fill(out + states, width - states, never);
  }

  // What is added to the way from state s - 2 to s: nothing where it skips a blank between two different labels.
  void skips(T* out) const {
    for (int64_t s = 0; s < width + kPad; ++s)
      out[s] = s < states && s % 2 == 1 && s >= 2 && label(s) != label(s - 2) ? T(0) : never;
  }

  void run(T* memory) const {
    T* const alpha = memory;                     // [T, row], states from kPad on
    T* const emitted = alpha + (a.T + 1) * row;  // [width]
    T* const skip = emitted + row;               // [width + kPad]
    T* const ahead = skip + row;                 // [row]
    skips(skip);
    // Before the first frame stands a blank that costs nothing.
    fill(alpha, row, never);
    alpha[kPad] = T(0);
    for (int64_t t = 0; t < frames; ++t) {
      const T* const before = alpha + t * row + kPad;
      T* const now = alpha + (t + 1) * row;
      emissions(t, emitted);
      fill(now, kPad, never);
      fill(now + kPad + width, kPad, never);
      for (int64_t s = 0; s < width; s += V::size) {
        const V sum =
            log_sum(V::load(before + s), V::load(before + s - 1), V::load(before + s - 2) + V::load(skip + s));
        (sum + V::load(emitted + s)).store(now + kPad + s);
      }
    }
    const T* const last = alpha + frames * row + kPad + states;
    const T total = log_sum(last[-1], length > 0 ? last[-2] : never, never);
    const bool impossible = total < never / 2;
    static_cast<T*>(a.loss)[n] = !impossible ? -total : a.zero_infinity ? T(0) : T(__builtin_inf());
    if (a.gx == nullptr) return;
    for (int64_t t = impossible ? 0 : frames; t < a.T; ++t)
      fill(gradient(t), a.C, t < frames && !a.zero_infinity ? T(__builtin_nan("")) : T(0));
    if (!impossible) backward(alpha, emitted, skip, ahead, total);
  }

  // From the last frame to the first: `ahead` holds, for each state, the log probability of its emission in the frame
  // after this one and all that follows.
  void backward(const T* alpha, T* emitted, const T* skip, T* ahead, T total) const {
    for (int64_t t = frames - 1; t >= 0; --t) {
      T* const gx = gradient(t);
      exponentials(frame(t), gx);
      const T* const here = alpha + (t + 1) * row + kPad;
      T* const rest = emitted;  // of this frame, each state's log probability of what follows
      if (t == frames - 1) {
        fill(rest, width, never);
        rest[states - 1] = T(0);
        if (length > 0) rest[states - 2] = T(0);
      } else {
        for (int64_t s = 0; s < width; s += V::size) {
          const V later = V::load(ahead + s + 2) + V::load(skip + s + 2);
          log_sum(V::load(ahead + s), V::load(ahead + s + 1), later).store(rest + s);
        }
      }
      const T* const x = frame(t);
      for (int64_t s = 0; s < width; s += V::size)
        exp(V::load(here + s) + V::load(rest + s) - V(total)).store(ahead + s);  // the posterior of each state
      for (int64_t s = 0; s < states; ++s) gx[label(s)] -= ahead[s];
      for (int64_t s = 0; s < states; ++s) {
        const T v = x[label(s)];
        ahead[s] = rest[s] + (v < never ? never : v);
      }
      fill(ahead + states, width - states + kPad, never);
    }
  }

  void exponentials(const T* x, T* out) const {
    int64_t c = 0;
    for (; c + V::size <= a.C; c += V::size) exp(V::load(x + c)).store(out + c);
    const int left = static_cast<int>(a.C - c);
    if (left > 0) exp(V::load(x + c, left)).store(out + c, left);
  }
};

template <class T>
void run_all(const CtcArgs& a, const LaunchContext& ctx) {
  const int64_t each = a.T * (2 * a.S + 1);
  parallel_for(ctx, a.N, 1 + kWorth / (each + 1), [&](int64_t n, int64_t end) {
    const Scratch scratch(static_cast<size_t>(Sample<T>::scratch_numbers(a)) * sizeof(T));
    for (; n < end; ++n) Sample<T>{a, n}.run(static_cast<T*>(scratch.data));
  });
}

void ctc(const CtcArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? run_all<float>(a, ctx) : run_all<double>(a, ctx);
}

}  // namespace

const CtcKernels ctc_kernels = {{"ctc", ctc}};

}  // namespace nn::NN_ISA
