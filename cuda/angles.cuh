// Sine, cosine and tangent for kernels. Up to math/functions.h's bound they are its own; beyond it the CPU asks the C
// library, whose code for a GPU keeps an array in local memory. Here the angle is reduced by hand (Payne, Hanek:
// "Radian reduction for trigonometric functions", 1983): of 2/pi only those 192 bits count that are neither whole turns
// nor too small, and they are found from the exponent.
#pragma once

#include "cuda/math.cuh"
#include "math/elementwise.h"

namespace nn::cuda {

// |x| >= 8000, finite: returns r with x = (4 n + j) pi/2 + r for some whole n, |r| <= pi/4.
NN_FN double long_angle(double x, double& j) {
  // 2/pi after the binary point, with 64 zeros before it.
  static constexpr uint64_t bits_of_two_over_pi[] = {
      0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
      0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41,
      0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7,
      0x4f463f669e5fea2d, 0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab,
      0xf0cfbc209af4361d};
  using Wide = unsigned __int128;
  const uint64_t bits = __builtin_bit_cast(uint64_t, x);
  const uint64_t m = (bits & 0xfffffffffffff) | 0x10000000000000;
  const int from = static_cast<int>(bits >> 52 & 0x7ff) - 1075 - 2 + 64;  // the first bit that is no multiple of 4
  const int word = from / 64, shift = from % 64;
  uint64_t w[3];
  for (int i = 0; i < 3; ++i)
    w[i] = bits_of_two_over_pi[word + i] << shift | bits_of_two_over_pi[word + i + 1] >> 1 >> (63 - shift);
  const Wide low = Wide{m} * w[2], middle = Wide{m} * w[1] + static_cast<uint64_t>(low >> 64);
  const uint64_t high = m * w[0] + static_cast<uint64_t>(middle >> 64);  // two bits of quadrant, then the fraction
  const uint64_t next = static_cast<uint64_t>(middle);
  Wide fraction = Wide{high << 2 | next >> 62} << 64 | (next << 2 | static_cast<uint64_t>(low) >> 62);
  int quadrant = static_cast<int>(high >> 62);
  const bool rounds_up = (fraction >> 127) != 0;
  if (rounds_up) {
    fraction = -fraction;
    ++quadrant;
  }
  const double size = static_cast<double>(static_cast<uint64_t>(fraction >> 64)) * 0x1p-64 +
                      static_cast<double>(static_cast<uint64_t>(fraction)) * 0x1p-128;
  const double r = size * 0x1.921fb54442d18p0;
  const bool negative = x < 0;
  j = static_cast<double>((negative ? -quadrant : quadrant) & 3);
  return rounds_up != negative ? -r : r;
}

// The angle within its quadrant, for every x; NaN for infinities.
template <class T>
NN_FN T any_angle(T x, T& j) {
  if (!(abs(x) > trig_bound<T>)) return quadrant(x, j);
  j = 0;
  if (!(abs(x) < infinity<T>)) return x - x;
  double quarter;
  const double r = long_angle(static_cast<double>(x), quarter);
  j = static_cast<T>(quarter);
  return static_cast<T>(r);
}

struct SinOnDevice {
  template <class T>
  NN_MEMBER T forward(T x) const {
    T j;
    const T r = any_angle(x, j), y = j == T(1) || j == T(3) ? cos_reduced(r) : sin_reduced(r);
    return x == T(0) ? x : j >= T(2) ? -y : y;
  }
};
struct CosOnDevice {
  template <class T>
  NN_MEMBER T forward(T x) const {
    T j;
    const T r = any_angle(x, j), y = j == T(1) || j == T(3) ? sin_reduced(r) : cos_reduced(r);
    return j == T(1) || j == T(2) ? -y : y;
  }
};
struct TanOnDevice {
  template <class T>
  NN_MEMBER T forward(T x) const {
    T j;
    const T r = any_angle(x, j), s = sin_reduced(r), c = cos_reduced(r);
    return x == T(0) ? x : j == T(1) || j == T(3) ? -c / s : s / c;
  }
};

// What computes an operation on the device: mostly itself.
template <class Op>
struct OnDevice {
  using type = Op;
};
template <>
struct OnDevice<Sin> {
  using type = SinOnDevice;
};
template <>
struct OnDevice<Cos> {
  using type = CosOnDevice;
};
template <>
struct OnDevice<Tan> {
  using type = TanOnDevice;
};

}  // namespace nn::cuda
