// Every second element: two registers of neighbouring numbers taken apart into the even and the odd places, and back.
#pragma once

#include "cpu/simd/simd.h"

namespace nn::NN_ISA {

// Element i of the result is element first + i * step of a followed by b.
template <int first, int step, class T>
NN_FN Vec<T> pick_lanes(Vec<T> a, Vec<T> b) {
  constexpr auto at = [](int i) { return first + i * step; };
  if constexpr (Vec<T>::size == 2)
    return __builtin_shufflevector(a.v, b.v, at(0), at(1));
  else if constexpr (Vec<T>::size == 4)
    return __builtin_shufflevector(a.v, b.v, at(0), at(1), at(2), at(3));
  else if constexpr (Vec<T>::size == 8)
    return __builtin_shufflevector(a.v, b.v, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
  else
    return __builtin_shufflevector(a.v, b.v, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9),
                                   at(10), at(11), at(12), at(13), at(14), at(15));
}

// Of the 2 * size numbers in a, b: those at even and at odd places.
template <class T>
NN_FN Vec<T> even_lanes(Vec<T> a, Vec<T> b) {
  return pick_lanes<0, 2>(a, b);
}
template <class T>
NN_FN Vec<T> odd_lanes(Vec<T> a, Vec<T> b) {
  return pick_lanes<1, 2>(a, b);
}

}  // namespace nn::NN_ISA
