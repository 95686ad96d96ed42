// Every second element: two registers of neighbouring numbers taken apart into the even and the odd
// places; and the taps of windows that lie 1 or 2 apart.
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

// body(tap, r) for r = 0 .. kernel - 1, where lane i of tap is x[i * stride + r * dilation]; the first n lanes are
// read, and no element past them. stride is 1, or 2 with a dilation of 1.
template <int stride, class T, class Body>
NN_FN void each_tap(const T* x, int64_t kernel, int64_t dilation, int n, const Body& body) {
  constexpr int V = Vec<T>::size;
  if constexpr (stride == 1) {
    for (int64_t r = 0; r < kernel; ++r, x += dilation) body(n == V ? Vec<T>::load(x) : Vec<T>::load(x, n), r);
  } else {
    const auto load = [](const T* p, int count)
                          NN_LAMBDA { return count >= V ? Vec<T>::load(p) : Vec<T>::load(p, count > 0 ? count : 0); };
    int64_t r = 0;
    for (; r + 2 <= kernel; r += 2) {  // two loads serve two taps
      const Vec<T> a = load(x + r, 2 * n), b = load(x + r + V, 2 * n - V);
      body(even_lanes(a, b), r);
      body(odd_lanes(a, b), r + 1);
    }
    if (r < kernel) body(even_lanes(load(x + r, 2 * n - 1), load(x + r + V, 2 * n - 1 - V)), r);
  }
}

}  // namespace nn::NN_ISA
