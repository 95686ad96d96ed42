// What every file of csrc/math starts from: how its functions are declared, and the element type of a value.
// Code here is generic in V = float, double, Vec<float>, Vec<double> (csrc/cpu/simd): one body for all. It uses neither
// intrinsics nor the standard library, so that CUDA can compile it too.
#pragma once

#define NN_FN static inline __attribute__((always_inline))
#define NN_MEMBER inline __attribute__((always_inline))
#define NN_LAMBDA __attribute__((always_inline))

// Conditions are combined by & and |, because they may be masks of vectors; Clang would rather see && for numbers.
#ifdef __clang__
#pragma clang diagnostic ignored "-Wunknown-warning-option"
#pragma clang diagnostic ignored "-Wbitwise-instead-of-logical"
#endif

namespace nn::NN_ISA {

// value_t<V>: the type of one element of V. A vector type specialises ValueOf.
template <class V>
struct ValueOf {
  using type = V;
};

template <class V>
using value_t = typename ValueOf<V>::type;

}  // namespace nn::NN_ISA
