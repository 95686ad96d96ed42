// The primitives of Vec by the compiler's vector extensions, for any width: with 16 bytes they are SSE2 on x86-64 and
// NEON on 64-bit ARM. No intrinsics. avx2.h and avx512.h replace those for which an instruction does better.
#pragma once

#include <cstdint>

#include "math/config.h"
#include "math/scalar.h"

namespace nn::NN_ISA {

template <class T>
struct Number;
template <>
struct Number<float> {
  using Bits = int32_t;
  using Unsigned = uint32_t;
  static constexpr float integral = 0x1p23f;  // every number from here on is a whole number
};
template <>
struct Number<double> {
  using Bits = int64_t;
  using Unsigned = uint64_t;
  static constexpr double integral = 0x1p52;
};

template <class T, int bytes>
struct GenericLanes {
  static constexpr int size = bytes / sizeof(T);
  using BitsOfOne = typename Number<T>::Bits;
  typedef T Values __attribute__((vector_size(bytes)));
  typedef BitsOfOne Bits __attribute__((vector_size(bytes)));
  using UnsignedOfOne = typename Number<T>::Unsigned;
  typedef UnsignedOfOne Unsigned __attribute__((vector_size(bytes)));
  using Mask = Bits;  // all bits of a lane, or none

  NN_FN Values broadcast(T x) { return x - Values{}; }
  NN_FN Values load(const T* p) {
    Values x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  NN_FN Values load(const T* p, int n) {
    Values x = {};
    for (int i = 0; i < size; ++i)
      if (i < n) x[i] = p[i];
    return x;
  }
  NN_FN void store(T* p, Values x) { __builtin_memcpy(p, &x, sizeof x); }
  NN_FN void store(T* p, Values x, int n) {
    for (int i = 0; i < size; ++i)
      if (i < n) p[i] = x[i];
  }
  NN_FN void stream(T* p, Values x) { store(p, x); }

  NN_FN Mask lt(Values a, Values b) { return a < b; }
  NN_FN Mask le(Values a, Values b) { return a <= b; }
  NN_FN Mask eq(Values a, Values b) { return a == b; }
  NN_FN Mask ne(Values a, Values b) { return a != b; }
  NN_FN bool any(Mask m) {
    BitsOfOne r = 0;
    for (int i = 0; i < size; ++i) r |= m[i];
    return r != 0;
  }
  NN_FN Values select(Mask m, Values a, Values b) { return (Values)((m & (Bits)a) | (~m & (Bits)b)); }

  NN_FN Values fma(Values a, Values b, Values c) { return a * b + c; }
  NN_FN Values min(Values a, Values b) { return select(lt(a, b) | ne(a, a), a, b); }
  NN_FN Values max(Values a, Values b) { return select(lt(b, a) | ne(a, a), a, b); }
  NN_FN Values larger(Values a, Values b) { return select(lt(b, a), a, b); }
  NN_FN Values clamp(Values x, Values lo, Values hi) {
    const Values y = select(lt(x, lo), lo, x);
    return select(lt(hi, y), hi, y);
  }
  NN_FN Bits sign_bit() { return (Bits)broadcast(T(-0.0f)); }
  NN_FN Values abs(Values x) { return (Values)((Bits)x & ~sign_bit()); }
  NN_FN Values copysign(Values x, Values s) { return (Values)(((Bits)x & ~sign_bit()) | ((Bits)s & sign_bit())); }
  NN_FN Values sqrt(Values x) {
    for (int i = 0; i < size; ++i) x[i] = NN_ISA::sqrt(x[i]);
    return x;
  }
  // Half to even: adding 2^23 (2^52) leaves no room for a fraction. copysign restores the sign of a zero.
  NN_FN Values round(Values x) {
    const Values big = broadcast(Number<T>::integral), a = abs(x);
    return select(lt(a, big), copysign((a + big) - big, x), x);
  }
  NN_FN Values floor(Values x) {
    const Values r = round(x);
    return copysign(select(lt(x, r), r - broadcast(1), r), x);
  }
  NN_FN Values ceil(Values x) { return -floor(-x); }
  NN_FN Values trunc(Values x) { return copysign(floor(abs(x)), x); }

  // The three functions on the bits of a number: see math/scalar.h.
  NN_FN Values pow2(Values n) {
    if constexpr (sizeof(T) == 4)
      return (Values)((Bits)(n + broadcast(0x1.8p23f + 127)) << 23);
    else
      return (Values)((Bits)(n + broadcast(0x1.8p52 + 1023)) << 52);
  }
  NN_FN Values scale2(Values x, Values n) {
    const Values h = floor(n * broadcast(T(0.5f)));
    return x * pow2(h) * pow2(n - h);
  }
  NN_FN Values scale2_unless(Mask zero, Values x, Values n) { return select(zero, Values{}, x * pow2(n)); }
  NN_FN Values split(Values x, Values& e) {
    if constexpr (sizeof(T) == 4) {
      const Mask tiny = lt(x, broadcast(0x1p-126f));
      const Bits bits = (Bits)((Unsigned)select(tiny, x * broadcast(0x1p24f), x) + 0x00400000u);  // wraps for NaN
      e = __builtin_convertvector(bits >> 23, Values) - select(tiny, broadcast(128 + 23), broadcast(127));
      return (Values)((bits & 0x007fffff) + 0x3f400000);
    } else {
      const Mask tiny = lt(x, broadcast(0x1p-1022));
      const Bits bits = (Bits)((Unsigned)select(tiny, x * broadcast(0x1p54), x) + 0x0008000000000000u);
      const Bits exponent = (bits >> 52) | (Bits)broadcast(0x1p52);  // as a number: 2^52 + the exponent's field
      e = (Values)exponent - select(tiny, broadcast(0x1p52 + 1024 + 53), broadcast(0x1p52 + 1023));
      return (Values)((bits & 0x000fffffffffffff) + 0x3fe8000000000000);
    }
  }
};

}  // namespace nn::NN_ISA
