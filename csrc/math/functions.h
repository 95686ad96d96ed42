// exp, expm1, log, log1p, tanh, sigmoid, erf, erfc(|x|), sin, cos, asin, acos, atan, atan2, fmod, pow for V = float,
// double or a vector of them. Each reduces its argument to a short interval and evaluates there a polynomial that was
// fitted by the Remez exchange to the relative error of the function; the fit's own error, given as a power of two,
// lies below the format's. NaN gives NaN, infinities and zeros (with their sign) give what C's Annex F says. The errors
// stated are the largest seen in units in the last place of the result over the whole range;
// tests/test_math_accuracy.py measures them.
#pragma once

#include "math/config.h"
#include "math/scalar.h"

namespace nn::NN_ISA {

template <class V>
inline constexpr bool is_single = sizeof(value_t<V>) == sizeof(float);
template <class V>
inline constexpr bool is_number = __is_same(V, value_t<V>);  // and not a vector

template <class V>
inline constexpr value_t<V> infinity = static_cast<value_t<V>>(__builtin_inf());
template <class V>
inline constexpr value_t<V> not_a_number = static_cast<value_t<V>>(__builtin_nan(""));

// f for single, d for double precision.
template <class V>
NN_FN constexpr value_t<V> pick(float f, double d) {
  if constexpr (is_single<V>)
    return f;
  else
    return d;
}

// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <class V>
NN_FN V poly(V, value_t<V> c) {
  return V(c);
}
template <class V, class... C>
NN_FN V poly(V x, value_t<V> c, C... higher) {
  return fma(poly(x, higher...), x, V(c));
}

// ln 2 as a sum: the product of the first part and an exponent is exact.
template <class V>
inline constexpr value_t<V> ln2_hi = pick<V>(0x1.62e3p-1f, 0x1.62e42feep-1);
template <class V>
inline constexpr value_t<V> ln2_lo = pick<V>(0x1.2fefa2p-17f, 0x1.a39ef35793c76p-33);

// expm1(r) for |r| <= ln(2) / 2. Fits: 2^-28, 2^-64.
template <class V>
NN_FN V expm1_near(V r) {
  V q;
  if constexpr (is_single<V>)
    q = poly(r, 0x1.fffffcp-2f, 0x1.55549p-3f, 0x1.5558f4p-5f, 0x1.123a6ap-7f, 0x1.6a234ap-10f);
  else
    q = poly(r, 0x1p-1, 0x1.555555555555bp-3, 0x1.5555555555502p-5, 0x1.111111110ec1bp-7, 0x1.6c16c16c3073fp-10,
             0x1.a01a01b398ad6p-13, 0x1.a01a01360f41bp-16, 0x1.71ddefdd4b2dcp-19, 0x1.27e5b4ccd567dp-22,
             0x1.af6c5fd41361ap-26, 0x1.1e3d10a4fe00fp-29);
  return fma(r * r, q, r);
}

// expm1(r) for x = n ln 2 + r, n integral and |r| <= ln(2) / 2.
template <class V>
NN_FN V expm1_reduced(V x, V& n) {
  n = round(x * V(pick<V>(0x1.715476p+0f, 0x1.71547652b82fep+0)));
  const V r = fma(n, V(-ln2_lo<V>), fma(n, V(-ln2_hi<V>), x));
  return expm1_near(r);
}

// 2^x = 2^n e^((x - n) ln 2). Whole powers are exact. Error: 1.1 ulp.
template <class V>
NN_FN V exp2(V x) {
  const V c = clamp(x, V(pick<V>(-151.0f, -1076.0)), V(pick<V>(129.0f, 1025.0))), n = round(c);
  return scale2(V(1) + expm1_near((c - n) * V(pick<V>(0x1.62e43p-1f, 0x1.62e42fefa39efp-1))), n);
}

// e^x. Error: 1 ulp.
template <class V>
NN_FN V exp(V x) {
  V n;
  const V p = expm1_reduced(clamp(x, V(pick<V>(-104.0f, -746.0)), V(pick<V>(89.0f, 710.0))), n);
  return scale2(V(1) + p, n);
}

// e^x - 1, without cancellation near 0: 2^n (expm1(r) + (1 - 2^-n)). Error: 2 ulp.
template <class V>
NN_FN V expm1(V x) {
  V n;
  const V p = expm1_reduced(clamp(x, V(pick<V>(-30.0f, -50.0)), V(pick<V>(89.0f, 710.0))), n);
  const V y = scale2(p + (V(1) - pow2(-min(n, V(64)))), n);
  return select(x == V(0), x, y);
}

// log(m + c) + e ln 2 for m in [3/4, 3/2) and a tiny c, relative to m given as c = c' / m. With s = f / (2 + f):
// log(1 + f) = f - f^2/2 + s (f^2/2 + R), R = z P(z), z = s^2. Fits: 2^-33, 2^-60.
template <class V>
NN_FN V log_assemble(V m, V e, V c) {
  const V f = m - V(1);
  const V s = f / (V(2) + f), z = s * s, half_square = V(0.5f) * f * f;
  V r;
  if constexpr (is_single<V>)
    r = poly(z, 0x1.555554p-1f, 0x1.999be6p-2f, 0x1.23e2cp-2f, 0x1.eea1e6p-3f);
  else
    r = poly(z, 0x1.5555555555552p-1, 0x1.999999999b824p-2, 0x1.2492492236d35p-2, 0x1.c71c7469f018cp-3,
             0x1.745c4df31fa3ap-3, 0x1.3b35e23c805e4p-3, 0x1.0dc2fb2a7f83cp-3, 0x1.1bdba6d786fc8p-3);
  const V low = fma(s, fma(z, r, half_square), fma(e, V(ln2_lo<V>), c));
  return fma(e, V(ln2_hi<V>), f - (half_square - low));
}

// y, the logarithm of a positive finite x, or what the logarithm is at 0, infinity, NaN and below 0.
template <class V>
NN_FN V log_edges(V x, V y) {
  const V edge = select(x == V(0), V(-infinity<V>), select(x < V(0), V(not_a_number<V>), x));
  return select((x > V(0)) & (x < V(infinity<V>)), y, edge);
}

// Natural logarithm. Error: 1 ulp.
template <class V>
NN_FN V log(V x) {
  V e;
  const V m = split(x, e);
  return log_edges(x, log_assemble(m, e, V(0)));
}

// log2(x) = e + log(m) / ln 2, 1 / ln 2 in two parts. Powers of two are exact. Error: 2.2 ulp.
template <class V>
NN_FN V log2(V x) {
  V e;
  const V m = split(x, e), l = log_assemble(m, V(0), V(0));
  const V low = l * V(pick<V>(0x1.4ae0cp-26f, 0x1.777d0ffda0d24p-56));
  return log_edges(x, e + fma(l, V(pick<V>(0x1.715476p+0f, 0x1.71547652b82fep+0)), low));
}

// log(1 + x): the rounding error of u = 1 + x enters as a correction. Error: 1 ulp.
template <class V>
NN_FN V log1p(V x) {
  const V u = V(1) + x;
  const V lost = select(abs(x) < V(1), x - (u - V(1)), V(1) - (u - x));
  V e;
  const V m = split(u, e);
  return select(x == V(0), x, log_edges(u, log_assemble(m, e, lost / u)));
}

// tanh |x| = t / (t + 2), t = expm1(2 |x|): the error of t enters less and less as t grows, and a step of Newton's on
// the remainder takes the roundings of the sum and the quotient out again. Error: 2.2 ulp.
template <class V>
NN_FN V tanh(V x) {
  V n;
  const V limit = V(pick<V>(10.0f, 20.0));  // tanh is 1 from here on
  const V a = abs(x), p = expm1_reduced(V(2) * select(a > limit, limit, a), n), s = pow2(n);
  const V t = fma(s, p, s - V(1));
  const V r = V(1) / (t + V(2)), y = t * r;
  return copysign(fma(fma(-y, t, t - V(2) * y), r, y), x);
}

// 1 / (1 + e^-x), in the form z / (1 + z) or 1 / (1 + z) with z = e^-|x| that neither overflows nor cancels. A step of
// Newton's on the remainder, whose subtraction is exact, takes the roundings of 1 + z and of the quotient out again.
// Error: 1.5 ulp.
template <class V>
NN_FN V sigmoid(V x) {
  const V z = exp(-abs(x)), numerator = select(x < V(0), z, V(1));
  const V r = V(1) / (V(1) + z), y = numerator * r;
  return fma(fma(-y, z, numerator - y), r, y);
}

// erfc(a) e^(a^2) for a >= 0 as t P(t), t = 1 / (1 + 3a/8), down to where erfc underflows. Fits: 2^-26, 2^-53.
template <class V>
NN_FN V erfcx(V a) {
  const V t = V(1) / fma(a, V(0.375f), V(1));
  if constexpr (is_single<V>)
    return t * poly(t, 0x1.b161bap-3f, 0x1.af74cap-3f, 0x1.a42652p-3f, 0x1.f45742p-4f, 0x1.16b1eep-2f, -0x1.d11476p-3f,
                    0x1.b8a29p-2f, -0x1.25288p-2f, 0x1.f65002p-5f);
  else
    return t * poly(t, 0x1.b14c2f860b09dp-3, 0x1.b14c2f93fd8dap-3, 0x1.92d4d288b547bp-3, 0x1.55e63b8cb6b21p-3,
                    0x1.00ebd0bf6a7c9p-3, 0x1.419ff998f2869p-4, 0x1.18c9e83eb7p-5, 0x1.ae97715673733p-10,
                    -0x1.f8eb46ec2ea4p-7, -0x1.ab0922dc8181p-6, 0x1.bf06ffb996445p-5, -0x1.e3bf4d82ba3c7p-3,
                    0x1.66ee605a64f5p-1, -0x1.7d99c6c4c0fa2p+0, 0x1.3ca8d00ea7c2p+1, -0x1.8ff386ab4809ap+1,
                    0x1.748e2c489413ap+1, -0x1.f5867a62c7869p+0, 0x1.dba1ae201b8e7p-1, -0x1.2eaaef5ecb41p-2,
                    0x1.d1d451340bc5p-5, -0x1.48c7c96e4d667p-8);
}

// erf: an odd polynomial up to 1, 1 - erfc beyond. Error: 2.5 ulp. Fits: 2^-29, 2^-62.
template <class V>
NN_FN V erf(V x) {
  const V a = abs(x), z = x * x;
  V near;
  if constexpr (is_single<V>)
    near = poly(z, 0x1.20dd74p+0f, -0x1.81273ep-2f, 0x1.ce2d08p-4f, -0x1.b7f9e6p-6f, 0x1.540a7cp-8f, -0x1.a40d22p-11f,
                0x1.49864cp-14f);
  else
    near = poly(z, 0x1.20dd750429b6dp+0, -0x1.812746b0379e6p-2, 0x1.ce2f21a042b21p-4, -0x1.b82ce31284933p-6,
                0x1.565bcd0dae274p-8, -0x1.c02db3d8630efp-11, 0x1.f9a3218c823cdp-14, -0x1.f4d1dd5416d96p-17,
                0x1.b9ded50d3e204p-20, -0x1.5f1c2252a966dp-23, 0x1.f797162fc4367p-27, -0x1.383e9a0ec3c77p-30,
                0x1.04f7e6b123f3fp-34);
  const V far = V(1) - exp(-z) * erfcx(a);
  return select(a < V(1), x * near, copysign(far, x));
}

// The angle less the nearest multiple n of pi/2; pi/2 is cut into four parts so that n times each but the last is exact
// for |n| < 2^13 (2^20). j is n mod 4.
template <class V>
NN_FN V quadrant(V x, V& j) {
  const V n = round(x * V(pick<V>(0x1.45f306p-1f, 0x1.45f306dc9c883p-1)));
  V r = fma(n, V(-pick<V>(0x1.92p+0f, 0x1.921fb544p+0)), x);
  r = fma(n, V(-pick<V>(0x1.fb4p-12f, 0x1.0b4611a6p-34)), r);
  r = fma(n, V(-pick<V>(0x1.444p-24f, 0x1.3198a2ep-69)), r);
  r = fma(n, V(-pick<V>(0x1.68c234p-39f, 0x1.b839a252049c1p-104)), r);
  j = n - V(4) * floor(n * V(0.25f));
  return r;
}

// sin(r) and cos(r) for |r| <= pi/4. Fits: 2^-27, 2^-62.
template <class V>
NN_FN V sin_reduced(V r) {
  const V z = r * r;
  if constexpr (is_single<V>)
    return fma(r * z, poly(z, -0x1.555546p-3f, 0x1.1106bp-7f, -0x1.990384p-13f), r);
  else
    return fma(r * z,
               poly(z, -0x1.5555555555555p-3, 0x1.111111111110cp-7, -0x1.a01a01a018c41p-13, 0x1.71de3a534058ep-19,
                    -0x1.ae64528d57602p-26, 0x1.6120827e04e9cp-33, -0x1.aa99d6bd17034p-41),
               r);
}
template <class V>
NN_FN V cos_reduced(V r) {
  const V z = r * r;
  V p;
  if constexpr (is_single<V>)
    p = poly(z, 0x1.55554ep-5f, -0x1.6c0e7p-10f, 0x1.9a6c86p-16f);
  else
    p = poly(z, 0x1.5555555555553p-5, -0x1.6c16c16c16119p-10, 0x1.a01a019e21118p-16, -0x1.27e4f90061bc3p-22,
             0x1.1eea865718fd4p-29, -0x1.8ff80d255c6c3p-37);
  return fma(z * z, p, V(1) - V(0.5f) * z);
}

// Beyond this the C library computes sine and cosine.
template <class V>
inline constexpr value_t<V> trig_bound = pick<V>(8000.0f, 1e6);

// sin(x + shift pi/2), shift 0 or 1. Error: 2.1 ulp.
template <int shift, class V>
NN_FN V sin_shifted(V x) {
  V j;
  const V r = quadrant(x, j);
  const auto odd = (j == V(1)) | (j == V(3));
  const V y = shift == 0 ? select(odd, cos_reduced(r), sin_reduced(r)) : select(odd, sin_reduced(r), cos_reduced(r));
  const auto negative = shift == 0 ? j >= V(2) : (j == V(1)) | (j == V(2));
  return select(negative, -y, y);
}

template <class V>
NN_FN V sin(V x) {
  const auto huge = abs(x) > V(trig_bound<V>);
  const V y = select(x == V(0), x, sin_shifted<0>(x));
  if (!any(huge)) return y;
  return select(huge, map(NN_C_FUNCTION(sin), x), y);
}
template <class V>
NN_FN V cos(V x) {
  const auto huge = abs(x) > V(trig_bound<V>);
  const V y = sin_shifted<1>(x);
  if (!any(huge)) return y;
  return select(huge, map(NN_C_FUNCTION(cos), x), y);
}

// pi / 2 as a sum.
template <class V>
inline constexpr value_t<V> half_pi_hi = pick<V>(0x1.921fb6p+0f, 0x1.921fb54442d18p+0);
template <class V>
inline constexpr value_t<V> half_pi_lo = pick<V>(-0x1.777a5cp-25f, 0x1.1a62633145c07p-54);

// asin(s) - s for |s| <= 1/2, z = s^2. Fits: 2^-28, 2^-60.
template <class V>
NN_FN V asin_rest(V s, V z) {
  V p;
  if constexpr (is_single<V>)
    p = poly(z, 0x1.5555c8p-3f, 0x1.3301e4p-4f, 0x1.747e56p-5f, 0x1.8c27d6p-6f, 0x1.596d7ap-5f);
  else
    p = poly(z, 0x1.5555555555577p-3, 0x1.333333332e0fcp-4, 0x1.6db6db721460ep-5, 0x1.f1c71a9452a88p-6,
             0x1.6e8bdeefaaac6p-6, 0x1.1c49ef655eac6p-6, 0x1.ca1fa27ed07b7p-7, 0x1.7584eb2c0e797p-7,
             0x1.613fc58740702p-7, 0x1.e5c7f3bf12ffbp-9, 0x1.63a980b53b022p-6, -0x1.580efa7f62eeap-6,
             0x1.0b4bf11b0d7cap-5);
  return s * z * p;
}

// Beyond 1/2, asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)), whose argument is at most 1/2. NaN beyond 1, by the root.
// Error: 1.6 ulp.
template <class V>
NN_FN V asin(V x) {
  const V a = abs(x);
  const auto far = a > V(0.5f);
  const V z = select(far, fma(V(-0.5f), a, V(0.5f)), x * x), s = select(far, sqrt(z), a), rest = asin_rest(s, z);
  const V y = select(far, V(half_pi_hi<V>) - (V(2) * s - fma(V(-2), rest, V(half_pi_lo<V>))), s + rest);
  return copysign(y, x);
}

// acos(x) = pi/2 - asin(x), 2 asin(sqrt((1 - x) / 2)) from 1/2 on, and pi less that of -x up to -1/2. Error: 1.5 ulp.
template <class V>
NN_FN V acos(V x) {
  const V a = abs(x);
  const auto far = a > V(0.5f);
  const V z = select(far, fma(V(-0.5f), a, V(0.5f)), x * x), s = select(far, sqrt(z), x), rest = asin_rest(s, z);
  const V near = V(half_pi_hi<V>) - (s - (V(half_pi_lo<V>) - rest)), twice = V(2) * (s + rest);
  const V mirrored = V(2 * half_pi_hi<V>) - (V(2) * s - fma(V(-2), rest, V(2 * half_pi_lo<V>)));
  return select(far, select(x < V(0), mirrored, twice), near);
}

// atan(r) - r for |r| <= sqrt(2) - 1, z = r^2. Fits: 2^-30, 2^-64.
template <class V>
NN_FN V atan_rest(V r, V z) {
  V p;
  if constexpr (is_single<V>)
    p = poly(z, -0x1.55554ap-2f, 0x1.999196p-3f, -0x1.23b514p-3f, 0x1.b1eb48p-4f, -0x1.f1e8b8p-5f);
  else
    p = poly(z, -0x1.5555555555554p-2, 0x1.999999999964ap-3, -0x1.249249247561ep-3, 0x1.c71c71b743fe7p-4,
             -0x1.745d14b8ccb7bp-4, 0x1.3b136e1906e7fp-4, -0x1.110c71a70a775p-4, 0x1.e171ea99066dap-5,
             -0x1.ab7cff099e787p-5, 0x1.70eb60132e8a9p-5, -0x1.1233ab863beacp-5, 0x1.f1d9a5cbb4237p-7);
  return r * z * p;
}

// With a = |x|: pi/2 - atan(1 / a) beyond 1 + sqrt(2), pi/4 + atan((a - 1) / (a + 1)) beyond sqrt(2) - 1, so that a
// polynomial up to sqrt(2) - 1 serves all. Error: 2.5 ulp.
template <class V>
NN_FN V atan(V x) {
  const V a = abs(x);
  const auto middle = a > V(pick<V>(0x1.a8279ap-2f, 0x1.a827999fcef32p-2));
  const auto far = a > V(pick<V>(0x1.3504f4p+1f, 0x1.3504f333f9de6p+1));
  const V numerator = select(far, V(-1), select(middle, a - V(1), a));
  const V r = numerator / select(far, a, select(middle, a + V(1), V(1)));
  const V turns = select(far, V(1), select(middle, V(0.5f), V(0)));  // of pi / 2
  const V y = fma(turns, V(half_pi_hi<V>), r + (atan_rest(r, r * r) + turns * V(half_pi_lo<V>)));
  return copysign(y, x);
}

// The angle of the point (x, y), from -pi to pi. The smaller of |x| and |y| over the larger one lies in [0, 1]; from
// sqrt(2) - 1 on, pi/4 is taken out of it before the division, as in atan. What is left is turned to the octant by
// adding to it, or taking it from, a multiple of pi/2 in two parts. Error: 2.1 ulp.
template <class V>
NN_FN V atan2(V y, V x) {
  const V a = abs(x), b = abs(y);
  const auto steep = b > a;
  V small = select(steep, a, b), large = select(steep, b, a);
  const V fit = select(large > V(pick<V>(0x1p126f, 0x1p1022)), V(0.25f), V(1));  // their sum must not overflow
  small = small * fit, large = large * fit;
  const auto middle = small > large * V(pick<V>(0x1.a8279ap-2f, 0x1.a827999fcef32p-2));
  const V ratio = select(middle, small - large, small) / select(middle, small + large, large);
  const V r = select(small == large, V(0), ratio);  // 0 / 0 and inf / inf are the diagonals'
  const V sign = select(steep, V(-1), V(1)), away = copysign(V(1), x);
  V turns = select(small == large, select(large == V(0), V(0), V(0.5f)), select(middle, V(0.5f), V(0)));  // of pi / 2
  turns = select(steep, V(1) - turns, turns);
  turns = V(1) - away * (V(1) - turns);
  const V rest = sign * away * (r + atan_rest(r, r * r));
  const V angle = fma(turns, V(half_pi_hi<V>), fma(turns, V(half_pi_lo<V>), rest));
  return copysign(select(isnan(x) | isnan(y), x + y, angle), y);
}

// What x leaves of a whole number of y, with the sign of x: exact, by the C library where the number is large. The
// quotient may have been rounded up to the next whole number; the fused multiply-add is exact for both.
template <class V>
NN_FN V fmod(V x, V y) {
  const V a = abs(x), b = abs(y), n = trunc(a / b);
  const auto near = n < V(pick<V>(0x1p23f, 0x1p52));
  const V below = fma(-n, b, a), r = select(a < b, a, select(below < V(0), below + b, below));
  if (all(near)) return copysign(r, x);
  return select(near, copysign(r, x), map(NN_C_FUNCTION(fmod), x, y));
}

// 2^(y log2 x) for a positive finite x, in double precision but only as good as single precision needs it. With
// x = 2^e m and s = (m - 1) / (m + 1), log2(m) = s P(s^2). Fits: 2^-42, 2^-34.
template <class V>
NN_FN V power_of_finite(V x, V y) {
  V e;
  const V m = split(x, e), s = (m - V(1)) / (m + V(1));
  const V p = poly(s * s, 0x1.71547652b7ea7p+1, 0x1.ec709dcb3ff00p-1, 0x1.2776bc64ecc01p-1, 0x1.a61e917f21581p-2,
                   0x1.46f428adafb5fp-2, 0x1.29bfd39637e0fp-2);
  const V t = clamp(y * fma(s, p, e), V(-300), V(300)), n = round(t), r = t - n;
  return pow2(n) * poly(r, 0x1.ffffffffa7134p-1, 0x1.62e42fef9cc69p-1, 0x1.ebfbe0aa03ed0p-3, 0x1.c6b08da70cd28p-5,
                        0x1.3b29d8baffed4p-7, 0x1.5d8775982ddefp-10, 0x1.446c79f929f48p-13, 0x1.00c0e4e710c40p-16);
}

// x^y in single precision. A negative x has a power for whole y only, whose sign is that of x where y is odd.
// Error: 0.51 ulp.
template <class V>
NN_FN V pow_by_logarithm(V x, V y) {
  const V a = abs(x), infinite = V(infinity<V>);
  V size = in_double([](auto base, auto exponent) NN_LAMBDA { return power_of_finite(base, exponent); }, a, y);
  const V edge = select((a == V(0)) ^ (y < V(0)), V(0), infinite);
  size = select((a == V(0)) | (a == infinite), select(isnan(y), y, edge), select(isnan(x), x, size));
  size = select(a == V(1), select((x < V(0)) & isnan(y), y, V(1)), size);
  const auto whole = round(y) == y, odd = whole & (round(y * V(0.5f)) != y * V(0.5f));
  const auto none = (x < V(0)) & (a < infinite) & !whole;
  return select(none, V(not_a_number<V>), select(odd, copysign(size, x), size));
}

// x^y, by the C library in double precision. Squares and cubes, which powers mostly are, are multiplied. (0 stands in
// empty lanes.)
template <class V>
NN_FN V pow(V x, V y) {
  const auto none = y == V(0), square = y == V(2), cube = y == V(3);
  const V product = x * x, multiplied = select(none, V(1), select(square, product, product * x));
  if (all(none | square | cube)) return multiplied;
  V power;
  if constexpr (is_single<V> && !is_number<V>)
    power = pow_by_logarithm(x, y);
  else
    power = map(NN_C_FUNCTION(pow), x, y);
  return select(none | square | cube, multiplied, power);
}

}  // namespace nn::NN_ISA
