// Conditions on the values of arrays.
#pragma once

#include <string>

#include "core/array.h"

namespace nn {

// Throws the error, "ValueError", "IndexError" or another name for RuntimeError, unless the only element of a boolean
// array is true: on a GPU at the next synchronisation, or at once, which waits. A plan asks again at each replay.
void require(const Array& condition, const std::string& error, const std::string& message, bool at_once);

// Throws a RuntimeError, the message and the number, for an integer that is not in [low, high), at the same times.
void require_range(const Array& values, int64_t low, int64_t high, const std::string& message);

}  // namespace nn
