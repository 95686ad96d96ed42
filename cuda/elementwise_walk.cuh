// How the kernels of elementwise operations go through their operands, and how they are launched.
//
// The idea: a thread takes 16 bytes of the result at a time where all operands are adjacent and aligned, or one element
// at a time otherwise, whose place it finds from its number by 32 bit divisions; loops too long for those are launched
// in parts. A number stands as an operand that is kept in the launch. Parallel: all elements, in a grid that strides.
// Bound: memory bandwidth, (N + 1) elements each; the functions cost 10 to 60 instructions, which hide behind it.
#pragma once

#include "core/kernels/elementwise.h"
#include "cuda/loops.cuh"
#include "math/elementwise.h"

namespace nn::cuda {

// The two inputs of a binary function; operands without memory are `number`.
template <int N, class R, class T, class F>
__device__ __forceinline__ void strided(const StridedLoop<N>& loop, uint32_t count, T number, const F& f) {
  const uint32_t step = gridDim.x * kThreads;
  for (uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < count; i += step) {
    int64_t at[N];
    locate(loop, i, at);
    const auto read = [&](int n) {
      const T* const from = static_cast<const T*>(loop.data[n]);
      return from != nullptr ? from[at[n]] : number;
    };
    R* const y = static_cast<R*>(loop.data[0]) + at[0];
    if constexpr (N == 2)
      *y = f(read(1), T{});
    else
      *y = f(read(1), read(2));
  }
}

template <int N, class R, class T, class F>
__device__ __forceinline__ void packed(const StridedLoop<N>& loop, T number, const F& f) {
  constexpr int kCount = 16 / sizeof(T);
  using In = Pack<T, kCount>;
  const int64_t count = loop.shape[0], whole = count / kCount, step = int64_t{gridDim.x} * kThreads;
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  R* const y = static_cast<R*>(loop.data[0]);
  const T* const a = static_cast<const T*>(loop.data[1]);
  const T* const b = N == 3 ? static_cast<const T*>(loop.data[N - 1]) : nullptr;
  for (int64_t i = first; i < whole; i += step) {
    In u, v;
    if (a != nullptr) u = reinterpret_cast<const In*>(a)[i];
    if (b != nullptr) v = reinterpret_cast<const In*>(b)[i];
    Pack<R, kCount> r;
#pragma unroll
    for (int k = 0; k < kCount; ++k) r.at[k] = f(a != nullptr ? u.at[k] : number, b != nullptr ? v.at[k] : number);
    reinterpret_cast<Pack<R, kCount>*>(y)[i] = r;
  }
  const int64_t i = whole * kCount + first;
  if (i < count) y[i] = f(a != nullptr ? a[i] : number, b != nullptr ? b[i] : number);
}

template <int N, class R, class T, class F>
__device__ __forceinline__ void walk(const StridedLoop<N>& loop, bool is_packed, int64_t count, T number, const F& f) {
  if (is_packed)
    packed<N, R, T>(loop, number, f);
  else
    strided<N, R, T>(loop, static_cast<uint32_t>(count), number, f);
}

// R: what the loop's first operand holds; T: what the others do.
template <class R, class T, int N, class KernelFunction, class Last>
void start(KernelFunction* kernel, const StridedLoop<N>& loop, const LaunchContext& ctx, const Last& last) {
  const int64_t count = count_of(loop);
  if (count == 0) return;
  const bool packs = is_packed(loop);
  if (!packs && !is_narrow(count)) {
    int bytes[N] = {sizeof(R)};
    for (int n = 1; n < N; ++n) bytes[n] = sizeof(T);
    const Halves<N> halves(loop, bytes);
    start<R, T>(kernel, halves.first, ctx, last);
    return start<R, T>(kernel, halves.rest, ctx, last);
  }
  const int64_t threads = packs ? ceil_div(count, int64_t{16 / sizeof(T)}) : count;
  NN_LAUNCH(kernel, blocks_for(threads), kThreads, 0, ctx, loop, packs, count, last);
}

// The operation's place in its list.
template <class Op, class... Ops>
constexpr int number_of(List<Ops...>) {
  int number = 0;
  (void)((++number, __is_same(Op, Ops)) || ...);
  return number - 1;
}

}  // namespace nn::cuda
