// The primitives of Vec for AVX-512 (F, DQ, VL): what differs from generic.h at 64 bytes. Masks are mask registers.
// Zero-masked intrinsics with every lane taken stand for the plain ones, about which GCC 12 warns without cause
// (gcc.gnu.org/PR105593); the code is the same.
#pragma once

#include <immintrin.h>

#include "cpu/simd/generic.h"

namespace nn::NN_ISA {

template <class T>
struct Lanes;

template <>
struct Lanes<float> : GenericLanes<float, 64> {
  using Mask = __mmask16;
  static constexpr Mask every = 0xffff;
  NN_FN Mask first(int n) { return n >= size ? every : Mask((1u << n) - 1); }
  using GenericLanes::load;
  using GenericLanes::store;
  NN_FN Values load(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  NN_FN void store(float* p, Values x, int n) { _mm512_mask_storeu_ps(p, first(n), x); }
  NN_FN void stream(float* p, Values x) { _mm512_stream_ps(p, x); }
  NN_FN Mask lt(Values a, Values b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  NN_FN Mask le(Values a, Values b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
  NN_FN Mask eq(Values a, Values b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  NN_FN Mask ne(Values a, Values b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
  NN_FN bool any(Mask m) { return m != 0; }
  NN_FN Values select(Mask m, Values a, Values b) { return _mm512_mask_blend_ps(m, b, a); }
  NN_FN Values fma(Values a, Values b, Values c) { return _mm512_fmadd_ps(a, b, c); }
  // The instruction gives b where either is NaN.
  NN_FN Values min(Values a, Values b) { return _mm512_mask_min_ps(a, eq(a, a), a, b); }
  NN_FN Values max(Values a, Values b) { return _mm512_mask_max_ps(a, eq(a, a), a, b); }
  NN_FN Values larger(Values a, Values b) { return _mm512_maskz_max_ps(every, a, b); }
  NN_FN Values clamp(Values x, Values lo, Values hi) {
    return _mm512_maskz_min_ps(every, hi, _mm512_maskz_max_ps(every, lo, x));
  }
  NN_FN Values sqrt(Values x) { return _mm512_maskz_sqrt_ps(every, x); }
  NN_FN Values round(Values x) {
    return _mm512_maskz_roundscale_ps(every, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  NN_FN Values floor(Values x) {
    return _mm512_maskz_roundscale_ps(every, x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  }
  NN_FN Values ceil(Values x) {
    return _mm512_maskz_roundscale_ps(every, x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
  }
  NN_FN Values trunc(Values x) { return _mm512_maskz_roundscale_ps(every, x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
  NN_FN Values scale2(Values x, Values n) { return _mm512_maskz_scalef_ps(every, x, n); }
  NN_FN Values scale2_unless(Mask zero, Values x, Values n) {
    return _mm512_maskz_scalef_ps(static_cast<Mask>(~zero), x, n);
  }
  NN_FN Values split(Values x, Values& e) {
    const Values m = _mm512_maskz_getmant_ps(every, x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
    const Values floor_log2 = _mm512_maskz_getexp_ps(every, x);
    e = _mm512_mask_add_ps(floor_log2, lt(m, broadcast(1)), floor_log2, broadcast(1));
    return m;
  }
};

template <>
struct Lanes<double> : GenericLanes<double, 64> {
  using Mask = __mmask8;
  static constexpr Mask every = 0xff;
  NN_FN Mask first(int n) { return n >= size ? every : Mask((1u << n) - 1); }
  using GenericLanes::load;
  using GenericLanes::store;
  NN_FN Values load(const double* p, int n) { return _mm512_maskz_loadu_pd(first(n), p); }
  NN_FN void store(double* p, Values x, int n) { _mm512_mask_storeu_pd(p, first(n), x); }
  NN_FN void stream(double* p, Values x) { _mm512_stream_pd(p, x); }
  NN_FN Mask lt(Values a, Values b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  NN_FN Mask le(Values a, Values b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
  NN_FN Mask eq(Values a, Values b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  NN_FN Mask ne(Values a, Values b) { return _mm512_cmp_pd_mask(a, b, _CMP_NEQ_UQ); }
  NN_FN bool any(Mask m) { return m != 0; }
  NN_FN Values select(Mask m, Values a, Values b) { return _mm512_mask_blend_pd(m, b, a); }
  NN_FN Values fma(Values a, Values b, Values c) { return _mm512_fmadd_pd(a, b, c); }
  NN_FN Values min(Values a, Values b) { return _mm512_mask_min_pd(a, eq(a, a), a, b); }
  NN_FN Values max(Values a, Values b) { return _mm512_mask_max_pd(a, eq(a, a), a, b); }
  NN_FN Values larger(Values a, Values b) { return _mm512_maskz_max_pd(every, a, b); }
  NN_FN Values clamp(Values x, Values lo, Values hi) {
    return _mm512_maskz_min_pd(every, hi, _mm512_maskz_max_pd(every, lo, x));
  }
  NN_FN Values sqrt(Values x) { return _mm512_maskz_sqrt_pd(every, x); }
  NN_FN Values round(Values x) {
    return _mm512_maskz_roundscale_pd(every, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  NN_FN Values floor(Values x) {
    return _mm512_maskz_roundscale_pd(every, x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  }
  NN_FN Values ceil(Values x) {
    return _mm512_maskz_roundscale_pd(every, x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
  }
  NN_FN Values trunc(Values x) { return _mm512_maskz_roundscale_pd(every, x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
  NN_FN Values scale2(Values x, Values n) { return _mm512_maskz_scalef_pd(every, x, n); }
  NN_FN Values scale2_unless(Mask zero, Values x, Values n) {
    return _mm512_maskz_scalef_pd(static_cast<Mask>(~zero), x, n);
  }
  NN_FN Values split(Values x, Values& e) {
    const Values m = _mm512_maskz_getmant_pd(every, x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
    const Values floor_log2 = _mm512_maskz_getexp_pd(every, x);
    e = _mm512_mask_add_pd(floor_log2, lt(m, broadcast(1)), floor_log2, broadcast(1));
    return m;
  }
};

}  // namespace nn::NN_ISA
