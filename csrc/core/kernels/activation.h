// What an epilogue may do to a finished element.
#pragma once

#include <cstdint>

namespace nn {

enum class Activation : int32_t { none, relu };

}  // namespace nn
