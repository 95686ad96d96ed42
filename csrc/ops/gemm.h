#pragma once

#include <optional>

#include "core/array.h"

namespace nn {

// activation(a @ b + bias): a [..., M, K], b [..., K, N], bias [N]; leading dimensions broadcast.
// activation is "none" or "relu".
Array gemm(const Array& a, const Array& b, const std::optional<Array>& bias, const std::string& activation);

}  // namespace nn
