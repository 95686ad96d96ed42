// Casts: copies of strided arrays that convert.
//
// The idea: a thread for each element, which walks over rows (cuda/strided_rows.cuh). Between float32 and the formats
// of 16 bits, and from bytes to float32, where both arrays are adjacent and aligned, a thread takes four: 16 bytes of
// float32, 8 or 4 of the others. What changes no bits is a copy of cuda/strided_move.cu; a boolean is a byte, 0 or 1.
// Parallel: all elements. Bound: memory bandwidth, the bytes of both elements.
#include <type_traits>

#include "cuda/strided.h"
#include "cuda/strided_rows.cuh"

namespace nn::cuda {
namespace {

template <class T>
constexpr bool is_floating_type = std::is_floating_point_v<T> || is_half_type<T>;

// Floating numbers to integers: toward zero, those out of range to the nearest end, NaN to 0; to uint8 by way of int64.
// As on the CPU, where a conversion out of range would be undefined.
template <class To, class From>
__device__ __forceinline__ To convert(From x) {
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
__global__ void __launch_bounds__(kThreads) cast_kernel(RowWalk<2> walk) {
  walk_rows<1>(
      walk, [&](const int64_t (&at)[2]) { return convert<To>(static_cast<const From*>(walk.data[1])[at[1]]); },
      [&](const int64_t (&at)[2], To y) { static_cast<To*>(walk.data[0])[at[0]] = y; });
}

constexpr int kPacked = 4;

template <class To, class From>
__global__ void __launch_bounds__(kThreads) cast_packed_kernel(int64_t count, void* result, const void* source) {
  using Out = Pack<To, kPacked>;
  To* const y = static_cast<To*>(result);
  const From* const x = static_cast<const From*>(source);
  const int64_t whole = count / kPacked, step = int64_t{gridDim.x} * kThreads;
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x;
#pragma unroll 1
  for (int64_t i = first; i < whole; i += step) {
    const auto from = reinterpret_cast<const Pack<From, kPacked>*>(x)[i];
    Out to;
#pragma unroll
    for (int k = 0; k < kPacked; ++k) to.at[k] = convert<To>(from.at[k]);
    reinterpret_cast<Out*>(y)[i] = to;
  }
  const int64_t i = whole * kPacked + first;
  if (i < count) y[i] = convert<To>(x[i]);
}

// The kernels of a pair of types; without `packed` where there is none.
struct Cast {
  void (*rows)(RowWalk<2>);
  void (*packed)(int64_t count, void* y, const void* x);
};

template <class To, class From>
constexpr Cast cast_of() {
  if constexpr (std::is_same_v<To, From> || std::is_same_v<From, bool>)
    return {nullptr, nullptr};  // a copy
  else if constexpr (std::is_same_v<To, float> ? is_half_type<From> || std::is_same_v<From, uint8_t>
                                               : std::is_same_v<From, float> && is_half_type<To>)
    return {cast_kernel<To, From>, cast_packed_kernel<To, From>};
  else
    return {cast_kernel<To, From>, nullptr};
}

}  // namespace

void cast(const CastArgs& args, const LaunchContext& ctx) {
  const StridedLoop<2>& loop = args.loop;
  const int64_t count = count_of(loop);
  if (count == 0) return;
  const DType from = args.from == DType::boolean && args.to != DType::boolean ? DType::uint8 : args.from;
  Cast kernels{};
  int bytes[2] = {};
  with_any_type(args.to, [&]<class To>(To) {
    with_any_type(from, [&]<class From>(From) {
      kernels = cast_of<To, From>();
      bytes[0] = sizeof(To), bytes[1] = sizeof(From);
    });
  });
  if (args.to == from) return copy(loop, bytes[0], ctx);
  if (kernels.packed != nullptr && is_packed(loop)) {
    const unsigned blocks = blocks_for(ceil_div(count, int64_t{kPacked}));
    NN_LAUNCH(kernels.packed, blocks, kThreads, 0, ctx, count, loop.data[0], loop.data[1]);
    return;
  }
  by_rows(loop, bytes,
          [&](const RowWalk<2>& walk) { NN_LAUNCH(kernels.rows, walk.blocks(1), kThreads, 0, ctx, walk); });
}

}  // namespace nn::cuda
