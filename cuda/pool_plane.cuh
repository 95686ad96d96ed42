// Planes of a pooling and the elements of one: what its kernels share. I counts elements, in 32 bits where they fit,
// because there divisions are fast.
#pragma once

#include "core/kernels/pool.h"
#include "cuda/loops.cuh"
#include "cuda/math.cuh"
#include "math/pool_window.h"

namespace nn::cuda {

template <class I>
struct PoolPlane {
  I planes;
  PoolAxis<I> axis[3];

  explicit PoolPlane(const PoolGeometry& g) : planes(static_cast<I>(g.planes)) {
    const auto to = [](int64_t n) { return static_cast<I>(n); };
    for (int i = 0; i < 3; ++i)
      axis[i] = {to(g.in[i]),  to(g.out[i]),      to(g.kernel[i]), to(g.stride[i]),
                 to(g.pad[i]), to(g.dilation[i]), g.adaptive};
  }
  __host__ __device__ I in_plane() const { return axis[0].in * axis[1].in * axis[2].in; }
  __host__ __device__ I out_plane() const { return axis[0].out * axis[1].out * axis[2].out; }
};

inline int64_t volume(const int64_t (&extent)[3]) { return extent[0] * extent[1] * extent[2]; }

// Whether all positions, elements and sums of both fit into 32 bits.
inline bool is_narrow(const PoolGeometry& g) {
  bool narrow = is_narrow(g.planes * volume(g.in)) && is_narrow(g.planes * volume(g.out));
  for (int i = 0; i < 3; ++i)
    for (const int64_t n : {g.in[i], g.out[i], g.kernel[i], g.stride[i], g.dilation[i]}) narrow &= n < (1 << 14);
  return narrow;
}

// body(I{}) for the type that they are counted by, for elements X. float64 is always counted in 64 bits, and 16 bits,
// which go by way of float32 otherwise, always in 32: it is the frequent cases that have kernels.
template <class X, class Body>
void with_counter(const PoolGeometry& g, const Body& body) {
  if constexpr (sizeof(X) == 8)
    body(int64_t{});
  else if constexpr (sizeof(X) == 2)
    body(int32_t{});
  else
    is_narrow(g) ? body(int32_t{}) : body(int64_t{});
}

// Element i of [planes, d, h, w].
template <class I>
struct Position {
  I plane, d, h, w;
};
template <class I>
__device__ __forceinline__ Position<I> position(I i, I depth, I height, I width) {
  const I row = i / width, slice = row / height, plane = slice / depth;
  return {plane, slice - plane * depth, row - slice * height, i - row * width};
}

// body(i) for the elements of this thread.
template <class I, class Body>
__device__ __forceinline__ void each_element(I count, const Body& body) {
  const I step = static_cast<I>(gridDim.x * kThreads);
#pragma unroll 1
  for (I i = static_cast<I>(blockIdx.x * kThreads + threadIdx.x); i < count; i += step) body(i);
}

}  // namespace nn::cuda
