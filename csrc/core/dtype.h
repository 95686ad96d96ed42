// The element types of an Array. Included by kernel files too, so it holds plain data only: a function that the
// linker could share between instruction sets has no place here (see cmake/check_isa_symbols.cmake).
#pragma once

#include <cstddef>
#include <cstdint>

namespace nn {

enum class DType : int32_t { float32, float64, int32, int64, uint8, boolean };

inline constexpr int kDTypeCount = 6;

}  // namespace nn
