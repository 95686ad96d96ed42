// The functions of Vec (csrc/cpu/simd) for plain numbers, so that a template over V takes both. A mask is a bool here.
#pragma once

#include <cstdint>

#include "math/config.h"

namespace nn::NN_ISA {

template <class T>
NN_FN T select(bool mask, T a, T b) {
  return mask ? a : b;
}
NN_FN bool any(bool mask) { return mask; }
NN_FN bool all(bool mask) { return mask; }

NN_FN bool isnan(float x) { return x != x; }
NN_FN bool isnan(double x) { return x != x; }

// a * b + c, rounded once where the instruction set can; what depends on that asks has_fma. (nvcc makes it one
// instruction by itself, but where cmake/cuda.cmake tells it not to contract anything that is not asked for.)
#if defined(__FMA__) || defined(NN_NO_CONTRACTION)
inline constexpr bool has_fma = true;
NN_FN float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
NN_FN double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
inline constexpr bool has_fma = false;
NN_FN float fma(float a, float b, float c) { return a * b + c; }
NN_FN double fma(double a, double b, double c) { return a * b + c; }
#endif

// NaN where either is NaN. (The second comparison is true for integers, and folds away.)
template <class T>
NN_FN T min(T a, T b) {
  return a < b || a != a ? a : b;
}
template <class T>
NN_FN T max(T a, T b) {
  return a > b || a != a ? a : b;
}
// Whether a is larger than b, as what looks for the largest has it: NaN is larger than all others.
template <class T>
NN_FN bool exceeds(T a, T b) {
  return a > b || (a != a && b == b);
}
// x moved into [lo, hi], or hi where that is empty; NaN stays.
template <class T>
NN_FN T clamp(T x, T lo, T hi) {
  const T y = x < lo ? lo : x;
  return y > hi ? hi : y;
}

NN_FN float abs(float x) { return __builtin_fabsf(x); }
NN_FN double abs(double x) { return __builtin_fabs(x); }
NN_FN float sqrt(float x) { return __builtin_sqrtf(x); }
NN_FN double sqrt(double x) { return __builtin_sqrt(x); }
NN_FN float round(float x) { return __builtin_rintf(x); }  // half to even
NN_FN double round(double x) { return __builtin_rint(x); }
NN_FN float floor(float x) { return __builtin_floorf(x); }
NN_FN double floor(double x) { return __builtin_floor(x); }
NN_FN float ceil(float x) { return __builtin_ceilf(x); }
NN_FN double ceil(double x) { return __builtin_ceil(x); }
NN_FN float trunc(float x) { return __builtin_truncf(x); }
NN_FN double trunc(double x) { return __builtin_trunc(x); }
NN_FN float copysign(float x, float sign) { return __builtin_copysignf(x, sign); }
NN_FN double copysign(double x, double sign) { return __builtin_copysign(x, sign); }

// 2^n for integral n whose result is a normal number. The addition leaves n + bias in the low bits of the mantissa;
// the shift moves them to the exponent's place.
NN_FN float pow2(float n) {
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, n + (0x1.8p23f + 127)) << 23);
}
NN_FN double pow2(double n) {
  return __builtin_bit_cast(double, __builtin_bit_cast(uint64_t, n + (0x1.8p52 + 1023)) << 52);
}

// x 2^n for integral n: right, and rounded once, for every result that x in [1/4, 4] can have, also where it overflows
// or is subnormal. NaN stays NaN.
template <class V>
NN_FN V scale2(V x, V n) {
  const V h = floor(n * V(0.5f));
  return x * pow2(h) * pow2(n - h);
}

// Takes a positive finite x apart: returns m in [3/4, 3/2) with x = m 2^e. Subnormal x too.
NN_FN float split(float x, float& e) {
  const bool tiny = x < 0x1p-126f;
  const uint32_t bits = __builtin_bit_cast(uint32_t, tiny ? x * 0x1p24f : x) + 0x00400000u;
  e = static_cast<float>(static_cast<int32_t>(bits >> 23)) - (tiny ? 128 + 23 : 127);
  return __builtin_bit_cast(float, (bits & 0x007fffffu) + 0x3f400000u);
}
NN_FN double split(double x, double& e) {
  const bool tiny = x < 0x1p-1022;
  const uint64_t bits = __builtin_bit_cast(uint64_t, tiny ? x * 0x1p54 : x) + 0x0008000000000000u;
  e = static_cast<double>(static_cast<int64_t>(bits >> 52)) - (tiny ? 1024 + 53 : 1023);
  return __builtin_bit_cast(double, (bits & 0x000fffffffffffffu) + 0x3fe8000000000000u);
}

// A function of the C library, for both precisions, to give to map.
#define NN_C_FUNCTION(name)                                \
  [](auto... arg) NN_LAMBDA {                              \
    if constexpr (((sizeof(arg) == sizeof(float)) && ...)) \
      return __builtin_##name##f(arg...);                  \
    else                                                   \
      return __builtin_##name(arg...);                     \
  }

// f(x), element by element.
template <class F>
NN_FN float map(F f, float x) {
  return f(x);
}
template <class F>
NN_FN double map(F f, double x) {
  return f(x);
}
template <class F>
NN_FN float map(F f, float x, float y) {
  return f(x, y);
}
template <class F>
NN_FN double map(F f, double x, double y) {
  return f(x, y);
}

}  // namespace nn::NN_ISA
