// Vec<T>: as many elements of T (float or double) as one register of the instruction set being compiled for holds.
// The class is the same for all; its primitives, Lanes<T>, come from the file of the instruction set. The free
// functions have overloads for plain numbers in math/scalar.h.
#pragma once

#include "math/config.h"
#include "math/scalar.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "cpu/simd/avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "cpu/simd/avx2.h"
#else
#include "cpu/simd/generic.h"
namespace nn::NN_ISA {
template <class T>
using Lanes = GenericLanes<T, 16>;
}
#endif

namespace nn::NN_ISA {

// The result of comparing two Vec<T>.
template <class T>
struct Mask {
  using Bits = typename Lanes<T>::Mask;
  Bits v;

  NN_MEMBER friend Mask operator&(Mask a, Mask b) { return {Bits(a.v & b.v)}; }
  NN_MEMBER friend Mask operator|(Mask a, Mask b) { return {Bits(a.v | b.v)}; }
  NN_MEMBER friend Mask operator^(Mask a, Mask b) { return {Bits(a.v ^ b.v)}; }
  NN_MEMBER friend Mask operator!(Mask a) { return {Bits(~a.v)}; }
  NN_MEMBER friend bool any(Mask m) { return Lanes<T>::any(m.v); }
  NN_MEMBER friend bool all(Mask m) { return !any(!m); }
};

template <class T>
struct Vec {
  using Value = T;
  using L = Lanes<T>;
  using Values = typename L::Values;
  static constexpr int size = L::size;

  Values v;

  Vec() = default;
  NN_MEMBER Vec(Values x) : v(x) {}
  NN_MEMBER Vec(T x) : v(L::broadcast(x)) {}

  NN_MEMBER static Vec load(const T* p) { return L::load(p); }
  // The first n lanes, the others 0. Reads no byte past them; n may be anything from 0 to size.
  NN_MEMBER static Vec load(const T* p, int n) { return L::load(p, n); }
  NN_MEMBER void store(T* p) const { L::store(p, v); }
  NN_MEMBER void store(T* p, int n) const { L::store(p, v, n); }
  // Past the caches, for what nobody reads soon. p is aligned to the vector's bytes. Fence before others may read.
  NN_MEMBER void stream(T* p) const { L::stream(p, v); }

  // Hidden friends, so that a plain number converts to Vec as either operand.
  NN_MEMBER friend Vec operator+(Vec a, Vec b) { return a.v + b.v; }
  NN_MEMBER friend Vec operator-(Vec a, Vec b) { return a.v - b.v; }
  NN_MEMBER friend Vec operator*(Vec a, Vec b) { return a.v * b.v; }
  NN_MEMBER friend Vec operator/(Vec a, Vec b) { return a.v / b.v; }
  NN_MEMBER friend Vec operator-(Vec a) { return -a.v; }
  NN_MEMBER friend Mask<T> operator<(Vec a, Vec b) { return {L::lt(a.v, b.v)}; }
  NN_MEMBER friend Mask<T> operator<=(Vec a, Vec b) { return {L::le(a.v, b.v)}; }
  NN_MEMBER friend Mask<T> operator>(Vec a, Vec b) { return {L::lt(b.v, a.v)}; }
  NN_MEMBER friend Mask<T> operator>=(Vec a, Vec b) { return {L::le(b.v, a.v)}; }
  NN_MEMBER friend Mask<T> operator==(Vec a, Vec b) { return {L::eq(a.v, b.v)}; }
  NN_MEMBER friend Mask<T> operator!=(Vec a, Vec b) { return {L::ne(a.v, b.v)}; }

  NN_MEMBER friend Vec select(Mask<T> m, Vec a, Vec b) { return L::select(m.v, a.v, b.v); }  // m ? a : b
  NN_MEMBER friend Mask<T> isnan(Vec x) { return {L::ne(x.v, x.v)}; }
  NN_MEMBER friend Vec fma(Vec a, Vec b, Vec c) { return L::fma(a.v, b.v, c.v); }
  NN_MEMBER friend Vec min(Vec a, Vec b) { return L::min(a.v, b.v); }  // NaN where either is NaN
  NN_MEMBER friend Vec max(Vec a, Vec b) { return L::max(a.v, b.v); }
  NN_MEMBER friend Vec clamp(Vec x, Vec lo, Vec hi) { return L::clamp(x.v, lo.v, hi.v); }  // NaN stays
  NN_MEMBER friend Vec larger(Vec a, Vec b) { return L::larger(a.v, b.v); }  // a > b ? a : b: b where either is NaN
  NN_MEMBER friend Vec abs(Vec x) { return L::abs(x.v); }
  NN_MEMBER friend Vec sqrt(Vec x) { return L::sqrt(x.v); }
  NN_MEMBER friend Vec round(Vec x) { return L::round(x.v); }  // half to even
  NN_MEMBER friend Vec floor(Vec x) { return L::floor(x.v); }
  NN_MEMBER friend Vec ceil(Vec x) { return L::ceil(x.v); }
  NN_MEMBER friend Vec trunc(Vec x) { return L::trunc(x.v); }
  NN_MEMBER friend Vec copysign(Vec x, Vec sign) { return L::copysign(x.v, sign.v); }
  NN_MEMBER friend Vec pow2(Vec n) { return L::pow2(n.v); }
  NN_MEMBER friend Vec scale2(Vec x, Vec n) { return L::scale2(x.v, n.v); }
  // 0 where `zero`, else x 2^n, which is a normal number there.
  NN_MEMBER friend Vec scale2_unless(Mask<T> zero, Vec x, Vec n) { return L::scale2_unless(zero.v, x.v, n.v); }
  NN_MEMBER friend Vec split(Vec x, Vec& e) { return L::split(x.v, e.v); }

  // Lanes moved down by h places, around the end.
  template <int h>
  NN_MEMBER Vec rotate() const {
    constexpr auto at = [](int i) { return (i + h) % size; };
    if constexpr (size == 2)
      return __builtin_shufflevector(v, v, at(0), at(1));
    else if constexpr (size == 4)
      return __builtin_shufflevector(v, v, at(0), at(1), at(2), at(3));
    else if constexpr (size == 8)
      return __builtin_shufflevector(v, v, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
    else
      return __builtin_shufflevector(v, v, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9), at(10),
                                     at(11), at(12), at(13), at(14), at(15));
  }

  // All lanes into one, always in the same order: the upper half joins the lower half until one is left.
  template <class Join>
  NN_MEMBER T fold(Join join) const {
    Vec x = *this;
    if constexpr (size > 8) x = join(x, x.template rotate<8>());
    if constexpr (size > 4) x = join(x, x.template rotate<4>());
    if constexpr (size > 2) x = join(x, x.template rotate<2>());
    return join(x, x.template rotate<1>()).v[0];
  }
  NN_MEMBER friend T sum(Vec x) {
    return x.fold([](Vec a, Vec b) NN_LAMBDA { return a + b; });
  }
  NN_MEMBER friend T max_of(Vec x) {
    return x.fold([](Vec a, Vec b) NN_LAMBDA { return max(a, b); });
  }
  NN_MEMBER friend T min_of(Vec x) {
    return x.fold([](Vec a, Vec b) NN_LAMBDA { return min(a, b); });
  }
};

template <class T>
struct ValueOf<Vec<T>> {
  using type = T;
};

// Lane by lane through a function on plain numbers: for what is too rare to be vectorised.
template <class F, class T>
NN_FN Vec<T> map(F f, Vec<T> x) {
  alignas(64) T lanes[Vec<T>::size];
  x.store(lanes);
  for (int i = 0; i < Vec<T>::size; ++i) lanes[i] = f(lanes[i]);
  return Vec<T>::load(lanes);
}
template <class F, class T>
NN_FN Vec<T> map(F f, Vec<T> x, Vec<T> y) {
  alignas(64) T a[Vec<T>::size], b[Vec<T>::size];
  x.store(a);
  y.store(b);
  for (int i = 0; i < Vec<T>::size; ++i) a[i] = f(a[i], b[i]);
  return Vec<T>::load(a);
}

}  // namespace nn::NN_ISA
