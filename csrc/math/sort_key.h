// The order of elements as that of unsigned keys.
#pragma once

#include <cstdint>

#include "math/config.h"

namespace nn::NN_ISA {

template <int bytes>
struct KeyOf;
template <>
struct KeyOf<1> {
  using type = uint8_t;
};
template <>
struct KeyOf<4> {
  using type = uint32_t;
};
template <>
struct KeyOf<8> {
  using type = uint64_t;
};

// NaN of any kind is the largest; the two zeros are one.
template <class T>
NN_FN auto sort_key(T x) {
  using U = typename KeyOf<sizeof(T)>::type;
  constexpr U top = U(U(1) << (8 * sizeof(T) - 1));
  if constexpr (T(0.5f) != T(0)) {
    if (x != x) return U(~U(0));
    const U bits = __builtin_bit_cast(U, x == T(0) ? T(0) : x);
    return U(bits & top ? ~bits : bits | top);
  } else {
    return U(T(-1) < T(0) ? U(x) ^ top : U(x));
  }
}

}  // namespace nn::NN_ISA
