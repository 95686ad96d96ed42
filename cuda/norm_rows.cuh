// What the sums of the normalisations are made of: pairs in double precision, and what one pack of float32 adds to
// them.
//
// The four terms of a pack are added in float32, about the first of them or the group's mean, where that keeps their
// digits, and go to double precision together: a few operations in double precision for four elements.
#pragma once

#include "core/kernels/norm.h"
#include "cuda/divisor.cuh"
#include "cuda/stored.cuh"

namespace nn::cuda {

struct Pair {
  double a, b;
};

struct JoinPairs {
  __device__ Pair operator()(Pair u, Pair v) const { return {u.a + v.a, u.b + v.b}; }
};

// x - mean is (x - hi) - lo: with the mean in one number of x's precision, results would lose digits.
template <class T>
struct Centre {
  T hi, lo;

  Centre() = default;
  __device__ explicit Centre(double mean)
      : hi(static_cast<T>(mean)), lo(static_cast<T>(mean - static_cast<double>(hi))) {}
  __device__ T deviation(T x) const { return (x - hi) - lo; }
};

// A group as its elements are normalised, (x - mean) r.
template <class T>
struct alignas(16) Standard {
  Centre<T> centre;
  T r;
};

// Rows of fewer elements are no work for several blocks.
inline constexpr int64_t kShortRow = 1 << 14;

// Plain data of a launch whose threads go through rows, which are cut into pieces where they are few and long.
struct NormRows {
  NormArgs args;
  Divisor pieces, G, S;   // of a row; groups of a sample; elements of a channel
  int64_t length, piece;  // elements of a row and of a piece
  bool aligned, aligned_affine;

  NormRows(const NormArgs& a, int64_t row, int64_t of_piece, bool aligned_arrays)
      : args(a),
        pieces(ceil_div(row, of_piece)),
        G(a.G),
        S(a.S),
        length(row),
        piece(of_piece),
        aligned(aligned_arrays),
        aligned_affine(a.K % 4 == 0 && are_aligned(a.weight, a.bias)) {}
};

// A piece of a row: elements from to from + row.n of it. The first channel of its group is number `channel`.
struct Piece {
  Row row;
  int64_t from, group, channel;
};

// Weight or bias, or `otherwise`, of the elements c to c + kCount of a piece.
template <int kCount>
__device__ __forceinline__ Pack<float, kCount> affine(const NormRows& of, const Piece& piece, const void* values,
                                                      int64_t c, float otherwise) {
  Pack<float, kCount> pack;
  if (values == nullptr) {
#pragma unroll
    for (int k = 0; k < kCount; ++k) pack.at[k] = otherwise;
    return pack;
  }
  const float* const from = static_cast<const float*>(values) + piece.channel;
  const int64_t place = piece.from + c;
  if (of.S.number == 1) return load_pack<kCount>(from + place, of.aligned_affine);
  int64_t channel = of.args.K == 1 ? 0 : place / of.S;
  int64_t left = (channel + 1) * of.S.number - place;
  float value = from[channel];
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    if (k > 0 && --left == 0) {
      left = of.S.number;
      value = from[++channel];
    }
    pack.at[k] = value;
  }
  return pack;
}

// x and gy of the same elements.
template <int kCount>
struct Both {
  Pack<float, kCount> x, g;
};

template <int kCount, class A>
__device__ __forceinline__ Both<kCount> load_both(const A& as, const NormRows& of, const Row& row, int64_t c) {
  using X = typename A::Stored;
  return {load_values<kCount>(as, static_cast<const X*>(of.args.x) + row.at(c), of.aligned),
          load_values<kCount>(as, static_cast<const X*>(of.args.gy) + row.at(c), of.aligned)};
}

// gy becomes gy weight.
template <int kCount>
__device__ __forceinline__ void weigh(const NormRows& of, const Piece& piece, int64_t c, Pack<float, kCount>& g) {
  const Pack<float, kCount> weight = affine<kCount>(of, piece, of.args.weight, c, 1);
#pragma unroll
  for (int k = 0; k < kCount; ++k) g.at[k] *= weight.at[k];
}

// Whether float32 holds a sum of products with its digits: neither too large, nor so small that terms may have become
// 0.
__device__ __forceinline__ bool keeps_digits(float sum) { return fabsf(sum) > 1e-30f && fabsf(sum) < 1e30f; }

// Adds the sums of z = x - pivot and of z^2. The pack is added about its own first element in float32, which is moved
// to the pivot in double precision: wherever the pivot is, the elements keep their digits.
template <int kCount>
__device__ __forceinline__ void add_moments(Pair& sums, const Pack<float, kCount>& x, float pivot) {
  const double count = kCount, shift = static_cast<double>(x.at[0]) - static_cast<double>(pivot);
  float plain = 0, square = 0;
  bool same = true;
#pragma unroll
  for (int k = 1; k < kCount; ++k) {
    const float z = x.at[k] - x.at[0];
    plain += z;
    square = fmaf(z, z, square);
    same = same && z == 0;
  }
  if (same || keeps_digits(square)) {
    const double to_first = static_cast<double>(plain);
    sums = {sums.a + fma(count, shift, to_first),
            sums.b + fma(shift, fma(count, shift, 2 * to_first), static_cast<double>(square))};
    return;
  }
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    const double z = static_cast<double>(x.at[k]) - static_cast<double>(pivot);
    sums = {sums.a + z, fma(z, z, sums.b)};
  }
}

// Adds the sums of g and of g (x - mean).
template <int kCount>
__device__ __forceinline__ void add_gradients(Pair& sums, const Pack<float, kCount>& g, const Pack<float, kCount>& x,
                                              const Centre<float>& centre) {
  float plain = 0, weighted = 0;
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    plain += g.at[k];
    weighted = fmaf(g.at[k], centre.deviation(x.at[k]), weighted);
  }
  if (keeps_digits(weighted) && fabsf(plain) < 1e30f) {
    sums = {sums.a + static_cast<double>(plain), sums.b + static_cast<double>(weighted)};
    return;
  }
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    const double gk = static_cast<double>(g.at[k]);
    sums = {sums.a + gk, fma(gk, static_cast<double>(centre.deviation(x.at[k])), sums.b)};
  }
}

}  // namespace nn::cuda
