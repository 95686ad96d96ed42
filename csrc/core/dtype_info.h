// What host code asks of a dtype: its size, its name, its place in type promotion.
#pragma once

#include <cstddef>

#include "core/dtype.h"

namespace nn {

struct DTypeInfo {
  const char* name;    // as in nncore.float32 and NumPy
  const char* format;  // of the buffer protocol, which has bfloat16 as its bits
  size_t size;         // bytes
  int category;        // 0 boolean, 1 integer, 2 floating: promotion goes upward
};

const DTypeInfo& info(DType dtype);

inline size_t itemsize(DType dtype) { return info(dtype).size; }
inline bool is_floating(DType dtype) { return info(dtype).category == 2; }

// The dtype in which two arrays meet, as in PyTorch: bool < uint8 < int32 < int64 < float16, bfloat16 < float32 <
// float64; the two of 16 bits meet in float32.
DType promote(DType a, DType b);

// A Python number. It is weak: it raises an array to its category, never within it (float32 * 2.0 stays float32).
struct Scalar {
  int category;
  double real;
  int64_t integer;

  static Scalar of(bool value) { return {0, value ? 1.0 : 0.0, value}; }
  static Scalar of(int64_t value) { return {1, static_cast<double>(value), value}; }
  static Scalar of(double value);
};
DType promote(DType array, Scalar scalar);
DType default_dtype(Scalar scalar);  // boolean, int64, float32

// Whether the dtype holds the number, up to rounding. As in PyTorch, -1 is a uint8, of two's complement; anything is a
// boolean.
bool fits(Scalar scalar, DType dtype);

}  // namespace nn
