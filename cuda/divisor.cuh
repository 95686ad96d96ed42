// Division by a number that the host knows, as one multiplication. (A division of 64 bits is a call of a subroutine.)
//
// With l = ceil(log2 d), m = ceil(2^(63 + l) / d) fits 64 bits, and floor(m a / 2^(63 + l)) = floor(a / d) for all
// 0 <= a < 2^63: m d exceeds 2^(63 + l) by less than 2^l. (Granlund and Montgomery 1994, Division by invariant integers
// using multiplication.)
#pragma once

#include "cuda/kernel.cuh"

namespace nn::cuda {

struct Divisor {
  int64_t number;
  uint64_t magic;
  int shift;

  Divisor() = default;
  explicit Divisor(int64_t d) : number(d), magic(0), shift(0) {
    if (d <= 0) return;  // there is nothing to divide
    int log2 = 0;
    while ((uint64_t{1} << log2) < static_cast<uint64_t>(d)) ++log2;
    using Wide = unsigned __int128;
    magic = static_cast<uint64_t>(((Wide{1} << (63 + log2)) + static_cast<Wide>(d - 1)) / static_cast<Wide>(d));
    shift = log2 - 1;
  }
};

__device__ __forceinline__ int64_t operator/(int64_t a, const Divisor& by) {
  if (by.shift < 0) return a;  // by 1
  return static_cast<int64_t>(__umul64hi(static_cast<uint64_t>(a), by.magic) >> by.shift);
}

// The same for numbers below 2^31: m = ceil(2^(31 + l) / d) fits 32 bits, and floor(2a m / 2^32) is one instruction.
struct NarrowDivisor {
  uint32_t number, magic;
  int shift;

  NarrowDivisor() = default;
  explicit NarrowDivisor(int64_t d) : number(static_cast<uint32_t>(d)), magic(0), shift(0) {
    if (d <= 0) return;
    while ((int64_t{1} << shift) < d) ++shift;
    magic = static_cast<uint32_t>(((uint64_t{1} << (31 + shift)) + static_cast<uint64_t>(d - 1)) /
                                  static_cast<uint64_t>(d));
  }
};

__device__ __forceinline__ uint32_t operator/(uint32_t a, const NarrowDivisor& by) {
  return __umulhi(2 * a, by.magic) >> by.shift;
}

// Where number i of an array with these extents and strides lies.
__device__ __forceinline__ int64_t place_of(int64_t i, int ndim, const Divisor* extents, const int64_t* strides) {
  int64_t place = 0;
  for (int d = ndim - 1; d > 0; --d) {
    const int64_t rest = i / extents[d];
    place += (i - rest * extents[d].number) * strides[d];
    i = rest;
  }
  return place + i * strides[0];
}

}  // namespace nn::cuda
