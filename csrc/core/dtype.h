// The element types of an Array. Included by kernel files too, so it holds plain data only: a function that the
// linker could share between instruction sets has no place here (see cmake/check_isa_symbols.cmake).
#pragma once

#include <cstddef>
#include <cstdint>

namespace nn {

enum class DType : int32_t { float32, float64, int32, int64, uint8, boolean, float16, bfloat16 };

inline constexpr int kDTypeCount = 8;

// Of 16 bits: stored, moved and converted, and taken as they are by some kernels of CUDA. Every other operation gets
// copies in float32 (csrc/ops/opmath.h).
constexpr bool is_half(DType dtype) { return dtype == DType::float16 || dtype == DType::bfloat16; }

}  // namespace nn
