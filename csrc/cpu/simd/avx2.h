// The primitives of Vec for AVX2 with FMA: what differs from generic.h at 32 bytes.
#pragma once

#include <immintrin.h>

#include "cpu/simd/generic.h"

namespace nn::NN_ISA {

template <class T>
struct Lanes;

template <>
struct Lanes<float> : GenericLanes<float, 32> {
  NN_FN __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  using GenericLanes::load;
  using GenericLanes::store;
  NN_FN Values load(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
  NN_FN void store(float* p, Values x, int n) { _mm256_maskstore_ps(p, first(n), x); }
  NN_FN void stream(float* p, Values x) { _mm256_stream_ps(p, x); }
  NN_FN bool any(Mask m) { return _mm256_movemask_ps((__m256)m) != 0; }
  NN_FN Values select(Mask m, Values a, Values b) { return _mm256_blendv_ps(b, a, (__m256)m); }
  NN_FN Values fma(Values a, Values b, Values c) { return _mm256_fmadd_ps(a, b, c); }
  // The instruction gives b where either is NaN.
  NN_FN Values min(Values a, Values b) { return select(ne(a, a), a, _mm256_min_ps(a, b)); }
  NN_FN Values max(Values a, Values b) { return select(ne(a, a), a, _mm256_max_ps(a, b)); }
  NN_FN Values larger(Values a, Values b) { return _mm256_max_ps(a, b); }
  NN_FN Values clamp(Values x, Values lo, Values hi) { return _mm256_min_ps(hi, _mm256_max_ps(lo, x)); }
  NN_FN Values sqrt(Values x) { return _mm256_sqrt_ps(x); }
  NN_FN Values round(Values x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  NN_FN Values floor(Values x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  NN_FN Values ceil(Values x) { return _mm256_round_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
  NN_FN Values trunc(Values x) { return _mm256_round_ps(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
  NN_FN Values scale2(Values x, Values n) {
    const Values h = floor(n * broadcast(0.5f));
    return x * pow2(h) * pow2(n - h);
  }
};

template <>
struct Lanes<double> : GenericLanes<double, 32> {
  NN_FN __m256i first(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }
  using GenericLanes::load;
  using GenericLanes::store;
  NN_FN Values load(const double* p, int n) { return _mm256_maskload_pd(p, first(n)); }
  NN_FN void store(double* p, Values x, int n) { _mm256_maskstore_pd(p, first(n), x); }
  NN_FN void stream(double* p, Values x) { _mm256_stream_pd(p, x); }
  NN_FN bool any(Mask m) { return _mm256_movemask_pd((__m256d)m) != 0; }
  NN_FN Values select(Mask m, Values a, Values b) { return _mm256_blendv_pd(b, a, (__m256d)m); }
  NN_FN Values fma(Values a, Values b, Values c) { return _mm256_fmadd_pd(a, b, c); }
  NN_FN Values min(Values a, Values b) { return select(ne(a, a), a, _mm256_min_pd(a, b)); }
  NN_FN Values max(Values a, Values b) { return select(ne(a, a), a, _mm256_max_pd(a, b)); }
  NN_FN Values larger(Values a, Values b) { return _mm256_max_pd(a, b); }
  NN_FN Values clamp(Values x, Values lo, Values hi) { return _mm256_min_pd(hi, _mm256_max_pd(lo, x)); }
  NN_FN Values sqrt(Values x) { return _mm256_sqrt_pd(x); }
  NN_FN Values round(Values x) { return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  NN_FN Values floor(Values x) { return _mm256_round_pd(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  NN_FN Values ceil(Values x) { return _mm256_round_pd(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
  NN_FN Values trunc(Values x) { return _mm256_round_pd(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
  NN_FN Values scale2(Values x, Values n) {
    const Values h = floor(n * broadcast(0.5));
    return x * pow2(h) * pow2(n - h);
  }
};

}  // namespace nn::NN_ISA
