// Numbers counted off at equal steps.
#pragma once

#include <cstdint>

#include "math/config.h"

namespace nn::NN_ISA {

// a * b rounded, also where it is added to something: otherwise compilers make one instruction of both, which rounds
// once, on the devices that have it.
NN_FN double rounded_product(double a, double b) {
#ifdef __CUDA_ARCH__
  return __dmul_rn(a, b);
#else
  const volatile double product = a * b;
  return product;
#endif
}

NN_FN int64_t integer_at(int64_t start, int64_t step, int64_t i) {
  return static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(step) * static_cast<uint64_t>(i));
}

// Number i of `count`: the first `half` counted from the start, the others back from the end.
NN_FN double number_at(double start, double end, double step, int64_t half, int64_t count, int64_t i) {
  return i < half ? start + rounded_product(step, static_cast<double>(i))
                  : end - rounded_product(step, static_cast<double>(count - 1 - i));
}

}  // namespace nn::NN_ISA
