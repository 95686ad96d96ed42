// Recurrent layers whose W_hh fits in a multiprocessor: all steps in one launch.
//
// The idea: the rows of a batch do not need each other, so a block takes a few and walks with them through all steps.
// It reads W_hh once, into shared memory, where the states stay too. Parallel: blocks of rows; in a step first the
// products, a column for each thread, all rows at once, then the units. Bound: W_hh is read from shared memory once a
// step, 128 bytes a cycle, where the other way (rnn.cu) pays for two launches.
#pragma once

#include "cuda/rnn_units.cuh"

namespace nn::cuda {

inline constexpr int kRows = 4;       // of a block
inline constexpr int kMostParts = 4;  // in which the sums of backward's products are cut

// How many sums of `depth` terms are worked on at once for each of H columns, with a thread for each.
__host__ __device__ constexpr int parts_of(int H) {
  return H * kMostParts <= kThreads ? kMostParts : H * 2 <= kThreads ? 2 : 1;
}

// The numbers in shared memory: W_hh, the gates of each row, h and c of each row; for backward the sums in parts too.
template <class Unit>
int64_t numbers_forward(int64_t H) {
  return Unit::gates * H * H + kRows * (Unit::gates + 2) * H;
}
template <class Unit>
int64_t numbers_backward(int64_t H) {
  return numbers_forward<Unit>(H) + kRows * kMostParts * H;
}

// C[r, column] = sum of a[r, k] w[k, column] over k from `begin` to `end`, for the block's rows.
template <class T>
__device__ __forceinline__ void multiply_rows(const T* a, int a_row, const T* w, int w_row, int column, int begin,
                                              int end, T (&sum)[kRows]) {
  for (int k = begin; k < end; ++k) {
    const T factor = w[k * w_row + column];
#pragma unroll
    for (int r = 0; r < kRows; ++r) sum[r] = fma(a[r * a_row + k], factor, sum[r]);
  }
}

// One block at a time, which may have all registers: the compiler's own choice spills one in double precision on 10.0.
template <class T, class Unit>
__global__ void __launch_bounds__(kThreads, 1) forward_rows_kernel(RnnArgs x) {
  NN_SHARED_DYNAMIC(T, shared);
  const int thread = threadIdx.x, H = static_cast<int>(x.H), width = Unit::gates * H;
  const int64_t first = int64_t{blockIdx.x} * kRows;
  const int units = static_cast<int>(x.N - first < kRows ? x.N - first : kRows) * H;
  T *const w = shared, *const sums = w + H * width, *const h = sums + kRows * width, *const c = h + kRows * H;
  const T* const w_hh = static_cast<const T*>(x.w_hh);
  const T* const bias = static_cast<const T*>(x.b_hh);
  for (int i = thread; i < H * width; i += kThreads) w[i % H * width + i / H] = w_hh[i];  // transposed
  for (int i = thread; i < kRows * H; i += kThreads) {
    const bool there = i < units;
    h[i] = there ? static_cast<const T*>(x.h0)[first * H + i] : T(0);
    c[i] = there && Unit::has_c ? static_cast<const T*>(x.c0)[first * H + i] : T(0);
    if (!there) continue;
    at<T>(x, x.h_before, time_of(x, 0), first, H)[i] = h[i];
    if constexpr (Unit::has_c) at<T>(x, x.c_before, time_of(x, 0), first, H)[i] = c[i];
  }
  for (int64_t s = 0; s < x.T; ++s) {
    __syncthreads();
    for (int column = thread; column < width; column += kThreads) {
      T sum[kRows] = {};
      multiply_rows(h, H, w, width, column, 0, H, sum);
      for (int r = 0; r < kRows; ++r) sums[r * width + column] = bias != nullptr ? sum[r] + bias[column] : sum[r];
    }
    __syncthreads();
    for (int i = thread; i < units; i += kThreads) {
      const int r = i / H, j = i - r * H;
      unit_forward<T, Unit>(x, time_of(x, s), first + r, j, sums + r * width + j, h[i], c[i]);
      after_step<T>(x, s, x.h_before, x.h_n)[first * H + i] = h[i];
      if constexpr (Unit::has_c) after_step<T>(x, s, x.c_before, x.c_n)[first * H + i] = c[i];
    }
  }
}

template <class T, class Unit>
__global__ void __launch_bounds__(kThreads) backward_rows_kernel(RnnBackwardArgs x) {
  NN_SHARED_DYNAMIC(T, shared);
  const int thread = threadIdx.x, H = static_cast<int>(x.H), width = Unit::gates * H;
  const int64_t first = int64_t{blockIdx.x} * kRows;
  const int units = static_cast<int>(x.N - first < kRows ? x.N - first : kRows) * H;
  T *const w = shared, *const hidden = w + H * width, *const gh = hidden + kRows * width, *const gc = gh + kRows * H;
  T* const sums = gc + kRows * H;  // [parts, kRows, H]
  const int parts = parts_of(H), depth = ceil_div(width, parts);
  T* const gh_end = static_cast<T*>(x.gh) + first * H;
  T* const gc_end = static_cast<T*>(x.gc) + first * H;
  for (int i = thread; i < H * width; i += kThreads) w[i] = static_cast<const T*>(x.w_hh)[i];
  for (int i = thread; i < kRows * width; i += kThreads) hidden[i] = T(0);
  for (int i = thread; i < units; i += kThreads) {
    gh[i] = gh_end[i];
    gc[i] = Unit::has_c ? gc_end[i] : T(0);
  }
  for (int64_t s = x.T - 1; s >= 0; --s) {
    __syncthreads();
    for (int i = thread; i < units; i += kThreads) {
      const int r = i / H, j = i - r * H;
      unit_backward<T, Unit>(x, time_of(x, s), first + r, j, hidden + r * width + j, gh[i], gc[i]);
    }
    if (s == 0 && !x.wants_gh0) break;
    __syncthreads();
    for (int i = thread; i < parts * H; i += kThreads) {
      const int part = i / H, j = i - part * H, end = (part + 1) * depth;
      T sum[kRows] = {};
      multiply_rows(hidden, width, w, H, j, part * depth, end < width ? end : width, sum);
      for (int r = 0; r < kRows; ++r) sums[(part * kRows + r) * H + j] = sum[r];
    }
    __syncthreads();
    for (int i = thread; i < units; i += kThreads)
      for (int part = 0; part < parts; ++part) gh[i] += sums[part * kRows * H + i];
  }
  for (int i = thread; i < units; i += kThreads) {
    gh_end[i] = gh[i];
    if constexpr (Unit::has_c) gc_end[i] = gc[i];
  }
}

}  // namespace nn::cuda
