// Copies, fills and choices over strided arrays.
//
// The idea: a thread for each element, which finds its place in every operand from its number. Parallel: all elements.
// Bound: the memory's bandwidth where the arrays are adjacent; the divisions that find a place otherwise.
#include <stdexcept>
#include <type_traits>

#include "core/kernels/elementwise.h"
#include "cuda/kernel.cuh"
#include "cuda/strided.h"

namespace nn::cuda {
namespace {

constexpr int kThreads = 256;

template <int N>
__host__ __device__ int64_t count_of(const StridedLoop<N>& loop) {
  int64_t count = 1;
  for (int i = 0; i < loop.ndim; ++i) count *= loop.shape[i];
  return count;
}

template <int N>
unsigned blocks_for(const StridedLoop<N>& loop) {
  const int64_t blocks = ceil_div(count_of(loop), int64_t{kThreads});
  return static_cast<unsigned>(blocks < (int64_t{1} << 20) ? blocks : int64_t{1} << 20);
}

// Where element `i` of the loop lies in each operand.
template <int N>
__device__ void locate(const StridedLoop<N>& loop, int64_t i, int64_t (&place)[N]) {
  for (int n = 0; n < N; ++n) place[n] = 0;
  for (int d = loop.ndim - 1; d >= 0; --d) {
    const int64_t at = i % loop.shape[d];
    i /= loop.shape[d];
    for (int n = 0; n < N; ++n) place[n] += at * loop.stride[n][d];
  }
}

// Calls body(place) for the elements of this thread.
template <int N, class Body>
__device__ void for_each(const StridedLoop<N>& loop, const Body& body) {
  const int64_t count = count_of(loop), step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    int64_t place[N];
    locate(loop, i, place);
    body(place);
  }
}

template <class T>
constexpr bool is_floating_type = std::is_floating_point_v<T>;

// Floating numbers to integers: toward zero, those out of range to the nearest end, NaN to 0; to uint8 by way of int64.
// As on the CPU, where a conversion out of range would be undefined.
template <class To, class From>
__device__ To convert(From x) {
  if constexpr (is_floating_type<From> && (std::is_same_v<To, int32_t> || std::is_same_v<To, int64_t>)) {
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
__global__ void cast_kernel(StridedLoop<2> loop) {
  for_each(loop, [&](const int64_t(&at)[2]) {
    static_cast<To*>(loop.data[0])[at[0]] = convert<To>(static_cast<const From*>(loop.data[1])[at[1]]);
  });
}

template <class T>
__global__ void fill_kernel(StridedLoop<1> loop, T value) {
  for_each(loop, [&](const int64_t(&at)[1]) { static_cast<T*>(loop.data[0])[at[0]] = value; });
}

template <class T>
__global__ void where_kernel(StridedLoop<4> loop) {
  for_each(loop, [&](const int64_t(&at)[4]) {
    const bool condition = static_cast<const bool*>(loop.data[1])[at[1]];
    const T* const from = static_cast<const T*>(loop.data[condition ? 2 : 3]);
    static_cast<T*>(loop.data[0])[at[0]] = from[condition ? at[2] : at[3]];
  });
}

template <class Body>
void with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::float32:
      return body(float{});
    case DType::float64:
      return body(double{});
    case DType::int32:
      return body(int32_t{});
    case DType::int64:
      return body(int64_t{});
    case DType::uint8:
      return body(uint8_t{});
    case DType::boolean:
      return body(bool{});
  }
  throw std::invalid_argument("a dtype without CUDA kernels");
}

}  // namespace

void cast(const CastArgs& args, const LaunchContext& ctx) {
  if (count_of(args.loop) == 0) return;
  with_type(args.to, [&]<class To>(To) {
    with_type(args.from, [&]<class From>(From) {
      const auto kernel = cast_kernel<To, From>;
      NN_LAUNCH(kernel, blocks_for(args.loop), kThreads, 0, ctx, args.loop);
    });
  });
}

void fill(const FillArgs& args, const LaunchContext& ctx) {
  if (count_of(args.loop) == 0) return;
  with_type(args.dtype, [&]<class T>(T) {
    const T value = is_floating_type<T> ? static_cast<T>(args.real) : static_cast<T>(args.integer);
    NN_LAUNCH(fill_kernel<T>, blocks_for(args.loop), kThreads, 0, ctx, args.loop, value);
  });
}

void where(const WhereArgs& args, const LaunchContext& ctx) {
  if (count_of(args.loop) == 0) return;
  with_type(args.dtype, [&]<class T>(T) {
    NN_LAUNCH(where_kernel<T>, blocks_for(args.loop), kThreads, 0, ctx, args.loop);
  });
}

}  // namespace nn::cuda
