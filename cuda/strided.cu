// Copies, fills and choices over strided arrays.
//
// Adjacent elements of one type are copied, and adjacent zeros written, by the runtime itself. For everything else:
//
// The idea: a thread for each element, which finds its place in every operand from its number. Parallel: all elements.
// Bound: the memory's bandwidth where the arrays are adjacent; the divisions that find a place otherwise.
#include <cmath>
#include <type_traits>

#include "core/kernels/elementwise.h"
#include "cuda/loops.cuh"
#include "cuda/strided.h"

namespace nn::cuda {
namespace {

// Calls body(place) for the elements of this thread.
template <class Index, int N, class Body>
__device__ __forceinline__ void walk(const StridedLoop<N>& loop, Index count, const Body& body) {
  const Index step = static_cast<Index>(gridDim.x) * kThreads;
  for (Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step) {
    int64_t place[N];
    locate(loop, i, place);
    body(place);
  }
}
template <int N, class Body>
__device__ __forceinline__ void for_each(const StridedLoop<N>& loop, int64_t count, bool narrow, const Body& body) {
  if (narrow)
    walk<uint32_t>(loop, static_cast<uint32_t>(count), body);
  else
    walk<int64_t>(loop, count, body);
}

template <class T>
constexpr bool is_floating_type = std::is_floating_point_v<T> || is_half_type<T>;

// Floating numbers to integers: toward zero, those out of range to the nearest end, NaN to 0; to uint8 by way of int64.
// As on the CPU, where a conversion out of range would be undefined.
template <class To, class From>
__device__ To convert(From x) {
  if constexpr (is_half_type<From>) {
    return convert<To>(static_cast<float>(x));
  } else if constexpr (is_half_type<To>) {
    return To(static_cast<float>(x));
  } else if constexpr (is_floating_type<From> && (std::is_same_v<To, int32_t> || std::is_same_v<To, int64_t>)) {
    constexpr From end = sizeof(To) == 4 ? From(0x1p31) : From(0x1p63);
    constexpr To lowest = sizeof(To) == 4 ? To(INT32_MIN) : To(INT64_MIN);
    return x >= end ? To(-(lowest + 1)) : x >= -end ? To(x) : x < -end ? lowest : To(0);
  } else if constexpr (is_floating_type<From> && std::is_same_v<To, uint8_t>) {
    return static_cast<To>(convert<int64_t>(x));
  } else {
    return static_cast<To>(x);
  }
}

template <class To, class From>
__global__ void cast_kernel(StridedLoop<2> loop, int64_t count, bool narrow) {
  for_each(loop, count, narrow, [&](const int64_t (&at)[2]) {
    static_cast<To*>(loop.data[0])[at[0]] = convert<To>(static_cast<const From*>(loop.data[1])[at[1]]);
  });
}

template <class T>
__global__ void fill_kernel(StridedLoop<1> loop, int64_t count, bool narrow, T value) {
  for_each(loop, count, narrow, [&](const int64_t (&at)[1]) { static_cast<T*>(loop.data[0])[at[0]] = value; });
}

template <class T>
__global__ void where_kernel(StridedLoop<4> loop, int64_t count, bool narrow) {
  for_each(loop, count, narrow, [&](const int64_t (&at)[4]) {
    const bool condition = static_cast<const bool*>(loop.data[1])[at[1]];
    const T* const from = static_cast<const T*>(loop.data[condition ? 2 : 3]);
    static_cast<T*>(loop.data[0])[at[0]] = from[condition ? at[2] : at[3]];
  });
}

size_t bytes_of(int64_t count, DType dtype) {
  size_t size = 0;
  with_any_type(dtype, [&]<class T>(T) { size = sizeof(T); });
  return static_cast<size_t>(count) * size;
}

}  // namespace

void cast(const CastArgs& args, const LaunchContext& ctx) {
  const int64_t count = count_of(args.loop);
  if (count == 0) return;
  if (args.to == args.from && is_adjacent(args.loop)) {
    check(cudaMemcpyAsync(args.loop.data[0], args.loop.data[1], bytes_of(count, args.to), cudaMemcpyDeviceToDevice,
                          static_cast<cudaStream_t>(ctx.stream)),
          "copying");
    return;
  }
  with_any_type(args.to, [&]<class To>(To) {
    with_any_type(args.from, [&]<class From>(From) {
      const auto kernel = cast_kernel<To, From>;
      NN_LAUNCH(kernel, blocks_for(count), kThreads, 0, ctx, args.loop, count, is_narrow(count));
    });
  });
}

void fill(const FillArgs& args, const LaunchContext& ctx) {
  const int64_t count = count_of(args.loop);
  if (count == 0) return;
  if (args.integer == 0 && args.real == 0 && !std::signbit(args.real) && is_adjacent(args.loop)) {
    check(cudaMemsetAsync(args.loop.data[0], 0, bytes_of(count, args.dtype), static_cast<cudaStream_t>(ctx.stream)),
          "filling with zeros");
    return;
  }
  with_any_type(args.dtype, [&]<class T>(T) {
    const T value = is_floating_type<T> ? static_cast<T>(args.real) : static_cast<T>(args.integer);
    NN_LAUNCH(fill_kernel<T>, blocks_for(count), kThreads, 0, ctx, args.loop, count, is_narrow(count), value);
  });
}

void where(const WhereArgs& args, const LaunchContext& ctx) {
  const int64_t count = count_of(args.loop);
  if (count == 0) return;
  with_any_type(args.dtype, [&]<class T>(T) {
    NN_LAUNCH(where_kernel<T>, blocks_for(count), kThreads, 0, ctx, args.loop, count, is_narrow(count));
  });
}

}  // namespace nn::cuda
