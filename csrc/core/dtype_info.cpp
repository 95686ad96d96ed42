#include "core/dtype_info.h"

#include <cmath>
#include <limits>

namespace nn {

const DTypeInfo& info(DType dtype) {
  static const DTypeInfo table[kDTypeCount] = {
      {"float32", "f", 4, 2}, {"float64", "d", 8, 2}, {"int32", "i", 4, 1},   {"int64", "q", 8, 1},
      {"uint8", "B", 1, 1},   {"bool", "?", 1, 0},    {"float16", "e", 2, 2}, {"bfloat16", "H", 2, 2},
  };
  return table[static_cast<int>(dtype)];
}

DType promote(DType a, DType b) {
  // Position in the chain of promotion, for each dtype in the order of the enumeration.
  static const int rank[kDTypeCount] = {5, 6, 2, 3, 1, 0, 4, 4};
  if (is_half(a) && is_half(b) && a != b) return DType::float32;
  return rank[static_cast<int>(a)] >= rank[static_cast<int>(b)] ? a : b;
}

Scalar Scalar::of(double value) {
  const bool fits = std::abs(value) < 9.2e18;
  return {2, value, fits ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::min()};
}

DType default_dtype(Scalar scalar) {
  static const DType by_category[] = {DType::boolean, DType::int64, DType::float32};
  return by_category[scalar.category];
}

DType promote(DType array, Scalar scalar) {
  return info(array).category >= scalar.category ? array : default_dtype(scalar);
}

bool fits(Scalar scalar, DType dtype) {
  const auto within = [&](double low, double high) { return low <= scalar.real && scalar.real <= high; };
  switch (dtype) {
    case DType::uint8:
      return within(scalar.category == 2 ? 0 : -255, 255);
    case DType::int32:
      return within(-0x1p31, 0x1p31 - 1);
    case DType::int64:
      return scalar.category < 2 || (-0x1p63 <= scalar.real && scalar.real < 0x1p63);
    case DType::float32:
      return !std::isfinite(scalar.real) || std::abs(scalar.real) <= std::numeric_limits<float>::max();
    case DType::float16:
      return !std::isfinite(scalar.real) || std::abs(scalar.real) <= 65504;
    case DType::bfloat16:
      return !std::isfinite(scalar.real) || std::abs(scalar.real) <= 0x1.FEp127;
    default:
      return true;
  }
}

}  // namespace nn
