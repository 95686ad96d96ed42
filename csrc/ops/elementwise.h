// Elementwise operations: shapes, dtypes and results. The operations themselves are listed in csrc/math/elementwise.h.
#pragma once

#include <optional>
#include <variant>

#include "core/array.h"

namespace nn {

// An argument that may be an array or a Python number.
using Operand = std::variant<Array, Scalar>;

// `op` is the position in math::UnaryOps or math::BinaryOps. `out`, where given, receives the result (and its dtype
// and shape must fit): so x.add_(y) is binary(Add, x, y, x).
Array unary(int op, const Array& x, const double* params, const std::optional<Array>& out);
Array unary_backward(int op, const Array& gy, const Array& saved, const double* params);
Array binary(int op, const Operand& x, const Operand& y, const std::optional<Array>& out);
Array where(const Array& condition, const Operand& x, const Operand& y);

DType common_dtype(const Operand& x, const Operand& y);  // what they are promoted to

Scalar item(const Array& x);                                    // the only element, as a number
Array to_device(const Array& x, Device device);                 // x itself where it is there; else contiguous
Array cast(const Array& x, DType dtype);                        // x itself where it has the dtype
Array contiguous(const Array& x);                               // x itself where it is contiguous
Array clone(const Array& x);                                    // always new memory, contiguous
void copy_into(const Array& destination, const Array& source);  // broadcasts and converts, between devices too
void check_fits(const char* operation, Scalar value, DType dtype);
void fill(const Array& x, Scalar value);
Array full(const Dims& shape, Scalar value, DType dtype, Device device);

// Whether writing to `out` would change elements of `x` before they are read.
bool overlaps_badly(const Array& out, const Array& x);

}  // namespace nn
