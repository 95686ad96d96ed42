// Conditions on the values of arrays.
#pragma once

#include <string>

#include "core/array.h"

namespace nn {

// Throws the error, "ValueError", "IndexError" or another name for RuntimeError, unless the only element of a boolean
// array is true. A plan asks again at each replay.
void require(const Array& condition, const std::string& error, const std::string& message);

}  // namespace nn
