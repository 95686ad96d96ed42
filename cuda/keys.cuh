// Numbers as keys whose order is that of the largest wanted, or of the smallest.
#pragma once

#include <type_traits>

#include "cuda/kernel.cuh"

namespace nn::cuda {

// The least number of a type, where -infinity is one.
template <class T>
__host__ __device__ constexpr T lowest() {
  if constexpr (std::is_floating_point_v<T>) return -static_cast<T>(__builtin_huge_val());
  if constexpr (sizeof(T) == 4) return static_cast<T>(INT32_MIN);
  return static_cast<T>(INT64_MIN);
}

// Numbers of T as keys of which the largest is wanted: as they are, or in opposite order, which inverts the sign bit of
// floating numbers and all bits of integers; with `magnitude`, without their sign.
template <class T>
struct Keys {
  using Key = std::conditional_t<sizeof(T) == 1, int32_t, T>;
  using Bits = std::conditional_t<sizeof(Key) == 4, int32_t, int64_t>;
  Bits keep, flip;

  explicit Keys(bool largest, bool magnitude = false) {
    constexpr Bits sign = sizeof(Bits) == 4 ? static_cast<Bits>(INT32_MIN) : static_cast<Bits>(INT64_MIN);
    keep = magnitude ? ~sign : ~Bits{0};
    flip = largest ? Bits{0} : std::is_floating_point_v<T> ? sign : ~Bits{0};
  }
  __device__ Key key(T x) const {
    return __builtin_bit_cast(Key, static_cast<Bits>((__builtin_bit_cast(Bits, static_cast<Key>(x)) & keep) ^ flip));
  }
  __device__ T value(Key key) const {
    return static_cast<T>(__builtin_bit_cast(Key, static_cast<Bits>(__builtin_bit_cast(Bits, key) ^ flip)));
  }
};

}  // namespace nn::cuda
