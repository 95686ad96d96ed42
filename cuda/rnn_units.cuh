// One unit of a recurrent layer in one step, as both ways to walk through the steps compute it (rnn.cu, rnn_rows.cuh).
#pragma once

#include "core/kernels/rnn.h"
#include "cuda/loops.cuh"
#include "cuda/math.cuh"
#include "math/rnn.h"

namespace nn::cuda {

// Where row n of step t begins in an array [T, N, width].
template <class T, class Args>
__host__ __device__ __forceinline__ T* at(const Args& x, void* array, int64_t t, int64_t n, int64_t width) {
  return static_cast<T*>(array) + (t * x.N + n) * width;
}
template <class T, class Args>
__host__ __device__ __forceinline__ const T* at(const Args& x, const void* array, int64_t t, int64_t n, int64_t width) {
  return static_cast<const T*>(array) + (t * x.N + n) * width;
}

template <class Args>
__device__ __forceinline__ bool takes_part(const Args& x, int64_t t, int64_t n) {
  return x.lengths == nullptr || t < x.lengths[n];
}

// The step after the i-th one of a walk, and the walk backwards.
template <class Args>
__host__ __device__ __forceinline__ int64_t time_of(const Args& x, int64_t i) {
  return x.reverse ? x.T - 1 - i : i;
}

// Where the state goes that step number i leaves: before the next step, or to the end.
template <class T>
__host__ __device__ __forceinline__ T* after_step(const RnnArgs& x, int64_t i, void* before, void* end) {
  return i + 1 == x.T ? static_cast<T*>(end) : at<T>(x, before, time_of(x, i + 1), 0, x.H);
}

// Unit j of row n in step t: h and c become the state after it. hidden[g H]: W_hh h + b_hh of gate g.
template <class T, class Unit>
__device__ __forceinline__ void unit_forward(const RnnArgs& x, int64_t t, int64_t n, int64_t j, const T* hidden, T& h,
                                             T& c) {
  constexpr int G = Unit::gates;
  T* const y = at<T>(x, x.y, t, n, x.H) + j;
  if (!takes_part(x, t, n)) {
    *y = T(0);
    return;
  }
  T* const gates = at<T>(x, x.gates, t, n, G * x.H) + j;
  T* const extra = at<T>(x, x.extra, t, n, x.H) + j;
  RnnUnit<T> u{};
  for (int g = 0; g < G; ++g) {
    const bool apart = Unit::hidden_apart && g == G - 1;
    u.gate[g] = apart ? gates[g * x.H] : gates[g * x.H] + hidden[g * x.H];
  }
  if constexpr (Unit::hidden_apart) *extra = u.extra = hidden[(G - 1) * x.H];
  u.h = h, u.c = c;
  Unit::forward(u);
  for (int g = 0; g < G; ++g) gates[g * x.H] = u.gate[g];
  if constexpr (Unit::has_extra && !Unit::hidden_apart) *extra = u.extra;
  *y = h = u.h, c = u.c;
}

// The same backwards: gh and gc are the gradients of the state after the step and become those of the state before it,
// gh without what flows through W_hh: the gradients of the hidden shares for that are hidden[g H] too.
template <class T, class Unit>
__device__ __forceinline__ void unit_backward(const RnnBackwardArgs& x, int64_t t, int64_t n, int64_t j, T* hidden,
                                              T& gh, T& gc) {
  constexpr int G = Unit::gates;
  const int64_t H = x.H;
  T* const gx_gates = at<T>(x, x.gx_gates, t, n, G * H) + j;
  T* const gh_gates = at<T>(x, x.gh_gates, t, n, G * H) + j;
  RnnUnitGradient<T> d{};
  if (takes_part(x, t, n)) {
    const T* const gates = at<T>(x, x.gates, t, n, G * H) + j;
    RnnUnit<T> u{};
    for (int g = 0; g < G; ++g) u.gate[g] = gates[g * H];
    if constexpr (Unit::hidden_apart) u.h = at<T>(x, x.h_before, t, n, H)[j];
    if constexpr (Unit::has_extra) u.extra = at<T>(x, x.extra, t, n, H)[j];
    if constexpr (Unit::has_c) u.c = at<T>(x, x.c_before, t, n, H)[j];
    if (x.gy != nullptr) gh += static_cast<const T*>(x.gy)[t * x.gy_step + n * x.gy_row + j];
    Unit::backward(u, gh, gc, d);
    gh = d.h, gc = d.c;
  }
  for (int g = 0; g < G; ++g) gx_gates[g * H] = d.gate[g];
  if constexpr (Unit::hidden_apart) d.gate[G - 1] = d.hidden;
  for (int g = 0; g < G; ++g) {
    if constexpr (Unit::hidden_apart) gh_gates[g * H] = d.gate[g];
    hidden[g * H] = d.gate[g];
  }
}

}  // namespace nn::cuda
