// Registers of any precision as doubles, and sums of them: what statistics are accumulated in. And the lanes that the
// last, partial register of a row has.
#pragma once

#include "cpu/simd/simd.h"

namespace nn::NN_ISA {

// The elements of one Vec<T> as doubles: one register of them for double, two for float.
template <class T>
struct Doubles;

template <>
struct Doubles<double> {
  static constexpr int parts = 1;
  Vec<double> part[1];

  NN_MEMBER static Doubles of(Vec<double> x) { return {{x}}; }
};

template <>
struct Doubles<float> {
  static constexpr int parts = 2;
  Vec<double> part[2];

  NN_MEMBER static Doubles of(Vec<float> x) {
    typedef float Half __attribute__((vector_size(sizeof(Vec<float>::Values) / 2)));
    Half half[2];
    __builtin_memcpy(half, &x.v, sizeof half);
    using Values = Vec<double>::Values;
    return {{__builtin_convertvector(half[0], Values), __builtin_convertvector(half[1], Values)}};
  }
};

// A sum of elements of T, lane by lane in double precision until `total` joins the lanes in a fixed order.
template <class T>
struct DoubleSum {
  Vec<double> lanes[Doubles<T>::parts];

  NN_MEMBER DoubleSum() {
    for (int p = 0; p < Doubles<T>::parts; ++p) lanes[p] = Vec<double>(0.0);
  }
  NN_MEMBER void add(const Doubles<T>& x) {
    for (int p = 0; p < Doubles<T>::parts; ++p) lanes[p] = lanes[p] + x.part[p];
  }
  NN_MEMBER void add(Vec<T> x) { add(Doubles<T>::of(x)); }
  NN_MEMBER void add(const DoubleSum& other) {
    for (int p = 0; p < Doubles<T>::parts; ++p) lanes[p] = lanes[p] + other.lanes[p];
  }
  NN_MEMBER void add_square(const Doubles<T>& x) {
    for (int p = 0; p < Doubles<T>::parts; ++p) lanes[p] = fma(x.part[p], x.part[p], lanes[p]);
  }
  NN_MEMBER double total() const {
    Vec<double> all = lanes[0];
    for (int p = 1; p < Doubles<T>::parts; ++p) all = all + lanes[p];
    return sum(all);
  }
};

template <class T>
struct LaneNumbers {
  alignas(64) T lane[Vec<T>::size];
  constexpr LaneNumbers() : lane() {
    for (int i = 0; i < Vec<T>::size; ++i) lane[i] = static_cast<T>(i);
  }
};
template <class T>
inline constexpr LaneNumbers<T> lane_numbers{};

// The first n elements at p, and `other` in the lanes after them; without n, all of a register's.
template <class T>
NN_FN Vec<T> load_or(const T* p, Vec<T> other, int n) {
  return select(Vec<T>::load(lane_numbers<T>.lane) < Vec<T>(static_cast<T>(n)), Vec<T>::load(p, n), other);
}
template <class T>
NN_FN Vec<T> load_or(const T* p, Vec<T>) {
  return Vec<T>::load(p);
}

}  // namespace nn::NN_ISA
