// Chains of elementwise operations (csrc/core/kernels/chain.h): one kernel that reads the chain as a program.
//
// The idea: a thread takes kLanes neighbours through all links before the next ones. The program lies in the launch's
// arguments, so every choice is the same for all threads, and is made once for all lanes. Results that later links
// need stay in registers, a few slots of them; only what somebody reads later reaches memory. Whole packs of aligned
// arrays are read and written at once, 16 bytes of float32; ends, and what is strided or not aligned, element by
// element. Parallel: all elements, in a grid that strides. Bound: memory bandwidth, each array once, for up to about
// five short links or two long ones for each array; then instructions.
//
// The bits are those of the kernels of the single operations: all of them are compiled without contraction of products
// and sums (cmake/cuda.cmake), so that an operation is rounded as csrc/math writes it, whatever is around it. (Which
// NaN a NaN is, nobody says.)
#pragma once

#include "cuda/chain.h"
#include "cuda/divisor.cuh"
#include "cuda/half.h"
#include "cuda/op_switch.cuh"
#include "cuda/primitives.cuh"

namespace nn::cuda {

// How a link goes over strided arrays, the one that it writes and two that it reads, of fewer than 2^31 elements. A
// loop without dimensions: all are adjacent.
struct LinkLoop {
  int ndim = 0;
  NarrowDivisor extent[kMaxDims];
  int64_t stride[3][kMaxDims];
};

namespace {

template <class T>
inline constexpr DType dtype_of = DType::boolean;
template <>
inline constexpr DType dtype_of<float> = DType::float32;
template <>
inline constexpr DType dtype_of<double> = DType::float64;
template <>
inline constexpr DType dtype_of<int32_t> = DType::int32;
template <>
inline constexpr DType dtype_of<int64_t> = DType::int64;
template <>
inline constexpr DType dtype_of<uint8_t> = DType::uint8;

// body(Stored{}) for how memory of a chain of T holds a value; `Byte` is what is neither T nor a half.
template <class T, class Byte, class Body>
__device__ __forceinline__ auto with_stored(DType dtype, const Body& body) {
  if constexpr (std::is_same_v<T, bool>) return body(Byte{});
  if (dtype == dtype_of<T>) return body(T{});
  if constexpr (std::is_same_v<T, float>) {
    if (dtype == DType::float16) return body(float16{});
    if (dtype == DType::bfloat16) return body(bfloat16{});
  }
  return body(Byte{});
}

// Values as they are stored, and back.
template <class T, class From>
__device__ __forceinline__ T value_of(From x) {
  if constexpr (std::is_same_v<From, float16>)
    return from_float16(x.bits);
  else
    return static_cast<T>(x);
}
template <class To, class T>
__device__ __forceinline__ To stored_as(T x) {
  if constexpr (std::is_same_v<To, float16>)
    return __builtin_bit_cast(float16, to_float16(x));
  else if constexpr (std::is_same_v<To, bfloat16>)
    return __builtin_bit_cast(bfloat16, to_bfloat16(x));
  else
    return static_cast<To>(x);
}

// Registers: four variables and not an array, of which the compiler would make local memory.
template <class T>
struct Slots {
  Lanes<T> a, b, c, d;
  static_assert(kChainSlots == 4);

  __device__ __forceinline__ Lanes<T> read(int slot) const {
    Lanes<T> v;
#pragma unroll
    for (int k = 0; k < kLanes; ++k) {
      const T low = slot == 0 ? a.at[k] : b.at[k], high = slot == 2 ? c.at[k] : d.at[k];
      v.at[k] = slot < 2 ? low : high;
    }
    return v;
  }
  __device__ __forceinline__ void write(int slot, const Lanes<T>& x) {
#pragma unroll
    for (int k = 0; k < kLanes; ++k) {
      a.at[k] = slot == 0 ? x.at[k] : a.at[k];
      b.at[k] = slot == 1 ? x.at[k] : b.at[k];
      c.at[k] = slot == 2 ? x.at[k] : c.at[k];
      d.at[k] = slot == 3 ? x.at[k] : d.at[k];
    }
  }
};

// The elements of a thread: `left` of them from the first on; all, aligned and adjacent, where `whole`.
struct Place {
  int64_t first;
  int left;
  bool whole;

  // Where the turn-th lies in array n of the loop.
  __device__ __forceinline__ int64_t at(const LinkLoop& loop, int n, int turn) const {
    if (loop.ndim == 0) return first + turn;
    uint32_t i = static_cast<uint32_t>(first + turn);
    int64_t place = 0;
#pragma unroll 1
    for (int d = loop.ndim - 1; d > 0; --d) {
      const uint32_t rest = i / loop.extent[d];
      place += static_cast<int64_t>(i - rest * loop.extent[d].number) * loop.stride[n][d];
      i = rest;
    }
    return place + static_cast<int64_t>(i) * loop.stride[n][0];
  }
};

template <class T>
__device__ __forceinline__ Lanes<T> read(const ChainOperand& x, const Slots<T>& slots, const LinkLoop& loop, int n,
                                         const Place& place) {
  if (x.slot >= 0) return slots.read(x.slot);
  Lanes<T> v;
  if (x.data == nullptr) {
    const T number = is_integer<T> ? static_cast<T>(x.integer) : static_cast<T>(x.real);
#pragma unroll
    for (int k = 0; k < kLanes; ++k) v.at[k] = number;
  } else if (place.whole && !x.single) {
    with_stored<T, uint8_t>(x.dtype, [&]<class From>(From) {
      const auto from = *reinterpret_cast<const Lanes<From>*>(static_cast<const From*>(x.data) + place.first);
#pragma unroll
      for (int k = 0; k < kLanes; ++k) v.at[k] = value_of<T>(from.at[k]);
    });
  } else {
    v = {};
    const int turns = x.single ? 1 : kLanes;
#pragma unroll 1
    for (int turn = 0; turn < turns; ++turn) {
      T r{};
      if (turn < place.left) {
        const int64_t i = x.single ? 0 : place.at(loop, n, turn);
        with_stored<T, uint8_t>(x.dtype,
                                [&]<class From>(From) { r = value_of<T>(static_cast<const From*>(x.data)[i]); });
      }
#pragma unroll
      for (int k = 0; k + 1 < kLanes; ++k) v.at[k] = x.single ? r : v.at[k + 1];
      v.at[kLanes - 1] = r;
    }
  }
  return v;
}

// Stores of up to 16 bytes. (Of a plain store of a structure the compiler makes one for each element here.)
template <class T>
__device__ __forceinline__ void store(void* to, const Lanes<T>& x) {
  if constexpr (sizeof(T) == 8) {
    const auto bits = [&](int k) { return __builtin_bit_cast(long long, x.at[k]); };
    __stwb(static_cast<longlong2*>(to), longlong2{bits(0), bits(1)});
    __stwb(static_cast<longlong2*>(to) + 1, longlong2{bits(2), bits(3)});
  } else if constexpr (sizeof(T) == 4) {
    const auto bits = [&](int k) { return __builtin_bit_cast(unsigned int, x.at[k]); };
    __stwb(static_cast<uint4*>(to), uint4{bits(0), bits(1), bits(2), bits(3)});
  } else if constexpr (sizeof(T) == 2) {
    const auto bits = [&](int k) { return __builtin_bit_cast(unsigned short, x.at[k]); };
    __stwb(static_cast<ushort4*>(to), ushort4{bits(0), bits(1), bits(2), bits(3)});
  } else {
    const auto bits = [&](int k) { return __builtin_bit_cast(unsigned char, x.at[k]); };
    __stwb(static_cast<uchar4*>(to), uchar4{bits(0), bits(1), bits(2), bits(3)});
  }
}

// Rounds a link's results to their dtype, and writes them where that is asked for.
template <class T>
__device__ __forceinline__ void finish(const ChainLink& link, Lanes<T>& x, const LinkLoop& loop, const Place& place) {
  with_stored<T, bool>(link.dtype, [&]<class To>(To) {
    Lanes<To> y;
#pragma unroll
    for (int k = 0; k < kLanes; ++k) {
      y.at[k] = stored_as<To>(x.at[k]);
      x.at[k] = value_of<T>(y.at[k]);
    }
    if (link.data == nullptr) return;
    To* const to = static_cast<To*>(link.data);
    if (place.whole) {
      store(to + place.first, y);
      return;
    }
#pragma unroll 1
    for (int turn = 0; turn < place.left; ++turn) {
      to[place.at(loop, 0, turn)] = y.at[0];
#pragma unroll
      for (int k = 0; k + 1 < kLanes; ++k) y.at[k] = y.at[k + 1];
    }
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    chain_kernel(const __grid_constant__ ChainArgs chain, const __grid_constant__ LinkLoop loop, bool aligned) {
  const int64_t step = int64_t{gridDim.x} * kThreads * kLanes;
#pragma unroll 1
  for (int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kLanes; i < chain.count; i += step) {
    const int left = static_cast<int>(least(int64_t{kLanes}, chain.count - i));
    const Place place{i, left, aligned && left == kLanes};
    Slots<T> slots = {};
#pragma unroll 1
    for (int l = 0; l < chain.links; ++l) {
      const ChainLink& link = chain.link[l];
      Lanes<T> x = read(link.operand[0], slots, loop, 1, place), y = {};
      if (link.kind != ChainKind::unary && link.kind != ChainKind::cast)
        y = read(link.operand[1], slots, loop, 2, place);
      if (link.kind == ChainKind::where) {
        const Lanes<T> z = read(link.operand[2], slots, loop, 2, place);
#pragma unroll
        for (int k = 0; k < kLanes; ++k) x.at[k] = x.at[k] != T(0) ? y.at[k] : z.at[k];
      } else if (link.kind != ChainKind::cast) {
        apply(link.kind, link.op, link.params, x, y);
      }
      finish(link, x, loop, place);
      if (link.slot >= 0) slots.write(link.slot, x);
    }
  }
}

// Whether all memory of the chain begins where packs of its elements may.
template <class T>
bool is_aligned(const ChainArgs& args) {
  const auto fits = [](const void* data, DType dtype) {
    const size_t element = dtype == dtype_of<T> ? sizeof(T) : is_half(dtype) ? 2 : 1;
    return reinterpret_cast<uintptr_t>(data) % (element * kLanes < 16 ? element * kLanes : 16) == 0;
  };
  for (int l = 0; l < args.links; ++l) {
    if (!fits(args.link[l].data, args.link[l].dtype)) return false;
    for (const ChainOperand& x : args.link[l].operand)
      if (!x.single && !fits(x.data, x.dtype)) return false;
  }
  return true;
}

}  // namespace

template <class T>
void run_chain(const ChainArgs& args, const LinkLoop& loop, const LaunchContext& ctx) {
  const bool aligned = loop.ndim == 0 && is_aligned<T>(args);
  NN_LAUNCH(chain_kernel<T>, blocks_for(ceil_div(args.count, int64_t{kLanes})), kThreads, 0, ctx, args, loop, aligned);
}

}  // namespace nn::cuda
