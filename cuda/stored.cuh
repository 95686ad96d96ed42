// Elements as they lie in memory and as kernels compute with them. The two formats of 16 bits share kernels, which are
// told when they run which of them it is: they are computed in float and rounded once.
#pragma once

#include "cuda/half.h"
#include "cuda/primitives.cuh"
#include "cuda/strided.h"
#include "cuda/teams.cuh"

namespace nn::cuda {

template <class T>
struct Plain {
  using Stored = T;
  using Value = T;
  __device__ __forceinline__ T value(T x) const { return x; }
  __device__ __forceinline__ T stored(T x) const { return x; }
};

struct Half {
  using Stored = uint16_t;
  using Value = float;
  bool brain;  // bfloat16, the upper half of a float

  __device__ __forceinline__ float value(uint16_t x) const {
    return brain ? bits_float(uint32_t{x} << 16) : from_float16(x);
  }
  __device__ __forceinline__ uint16_t stored(float x) const { return brain ? to_bfloat16(x) : to_float16(x); }
};

// body(Plain<T>) or body(Half) for arrays of a floating dtype.
template <class Body>
void with_stored(DType dtype, const Body& body) {
  if (is_half(dtype)) return body(Half{dtype == DType::bfloat16});
  with_floating(dtype, [&]<class T>(T) { body(Plain<T>{}); });
}

// body(Plain<float>) or body(Half), for what is computed in float.
template <class Body>
void with_narrow(DType dtype, const Body& body) {
  is_half(dtype) ? body(Half{dtype == DType::bfloat16}) : body(Plain<float>{});
}

// body(T{}) for the type that arrays of a floating dtype are computed in.
template <class Body>
void with_computed(DType dtype, const Body& body) {
  with_floating(is_half(dtype) ? DType::float32 : dtype, body);
}

// As load_pack and store_pack (cuda/teams.cuh).
template <int kCount, class A>
__device__ __forceinline__ Pack<typename A::Value, kCount> load_values(const A& as, const typename A::Stored* from,
                                                                       bool aligned) {
  const Pack<typename A::Stored, kCount> pack = load_pack<kCount>(from, aligned);
  Pack<typename A::Value, kCount> values;
#pragma unroll
  for (int k = 0; k < kCount; ++k) values.at[k] = as.value(pack.at[k]);
  return values;
}
template <int kCount, class A>
__device__ __forceinline__ void store_values(const A& as, typename A::Stored* to,
                                             const Pack<typename A::Value, kCount>& values, bool aligned) {
  Pack<typename A::Stored, kCount> pack;
#pragma unroll
  for (int k = 0; k < kCount; ++k) pack.at[k] = as.stored(values.at[k]);
  store_pack<kCount>(to, pack, aligned);
}

// Working memory with a float32 copy of `count` adjacent elements of 16 bits, for what has no kernel of its own for
// them. Null stays null.
struct FloatCopy {
  FloatCopy(DType of, const void* x, int64_t n, const LaunchContext& context)
      : dtype(of), count(n), ctx(context), memory(x != nullptr ? static_cast<size_t>(n) * sizeof(float) : 0, context) {}
  void read(const void* x) const { convert(memory.data, DType::float32, x, dtype); }
  void write(void* x) const { convert(x, dtype, memory.data, DType::float32); }

  const DType dtype;
  const int64_t count;
  const LaunchContext& ctx;
  const Workspace memory;

 private:
  void convert(void* to, DType to_dtype, const void* from, DType from_dtype) const {
    if (memory.data == nullptr) return;
    CastArgs args{};
    args.loop.ndim = 1;
    args.loop.shape[0] = count;
    args.loop.stride[0][0] = args.loop.stride[1][0] = 1;
    args.loop.data[0] = to;
    args.loop.data[1] = const_cast<void*>(from);
    args.to = to_dtype;
    args.from = from_dtype;
    cast(args, ctx);
  }
};

}  // namespace nn::cuda
