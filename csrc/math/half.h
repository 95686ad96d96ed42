// The two formats of 16 bits: storage, and conversion from and to float, rounded to nearest, ties to even. Whatever is
// computed with them is computed in float. float16 rounding after Giesen, "Float->half variants" (2012).
#pragma once

#include <cstdint>

#include "math/config.h"

namespace nn::NN_ISA {

NN_FN uint32_t float_bits(float x) { return __builtin_bit_cast(uint32_t, x); }
NN_FN float bits_float(uint32_t bits) { return __builtin_bit_cast(float, bits); }

// The upper half of a float.
struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;
  NN_MEMBER explicit bfloat16(float x) {
    const uint32_t b = float_bits(x);
    const bool nan = (b & 0x7FFFFFFF) > 0x7F800000;
    bits = static_cast<uint16_t>(nan ? b >> 16 | 0x40 : (b + 0x7FFF + (b >> 16 & 1)) >> 16);
  }
  NN_MEMBER explicit operator float() const { return bits_float(uint32_t{bits} << 16); }
};

struct float16 {
  uint16_t bits;

  float16() = default;
  NN_MEMBER explicit float16(float x) {
    constexpr uint32_t kInfinity = 0x7F800000, kTooLarge = (127u + 16) << 23, kSmallestNormal = (127u - 14) << 23;
    constexpr uint32_t kHalf = 0x3F000000;  // whose last bit is worth the smallest subnormal float16
    const uint32_t sign = float_bits(x) >> 16 & 0x8000, b = float_bits(x) & 0x7FFFFFFF;
    uint32_t h;
    if (b >= kTooLarge)
      h = b > kInfinity ? 0x7E00 : 0x7C00;
    else if (b < kSmallestNormal)
      h = float_bits(bits_float(b) + bits_float(kHalf)) - kHalf;
    else
      h = (b - ((127u - 15) << 23) + 0xFFF + (b >> 13 & 1)) >> 13;
    bits = static_cast<uint16_t>(h | sign);
  }
  NN_MEMBER explicit operator float() const {
    const uint32_t exponent = bits & 0x7C00, sign = (bits & 0x8000u) << 16;
    uint32_t b = (bits & 0x7FFFu) << 13;
    if (exponent == 0x7C00)
      b += (255u - 31) << 23;
    else if (exponent != 0)
      b += (127u - 15) << 23;
    else
      b = float_bits(bits_float(b + ((127u - 14) << 23)) - bits_float((127u - 14) << 23));
    return bits_float(b | sign);
  }
};

template <class T>
inline constexpr bool is_half_type = __is_same(T, bfloat16) || __is_same(T, float16);

}  // namespace nn::NN_ISA
