#pragma once

#include <optional>
#include <string>

#include "core/array.h"
#include "core/kernels/kernel.h"

namespace nn {

// What products of float32 may do from now on: "highest", "high" or "medium".
void set_float32_matmul_precision(const std::string& precision);
std::string get_float32_matmul_precision();
Precision float32_matmul_precision();

// activation(a @ b + bias): a [..., M, K], b [..., K, N], bias [N] or [1]; leading dimensions broadcast.
// activation is "none" or "relu".
Array gemm(const Array& a, const Array& b, const std::optional<Array>& bias, const std::string& activation);

// The same by PyTorch's rules for vectors: a first argument [K] is a row, a second one a column, and the dimension of
// extent 1 that this adds is not in the result.
Array matmul(const Array& a, const Array& b);

// x @ weight^T + bias: x [..., K], weight [N, K], or [K] for one output without a dimension of its own.
Array linear(const Array& x, const Array& weight, const std::optional<Array>& bias);

}  // namespace nn
