#pragma once

#include "core/backend.h"

namespace nn::cuda {

Backend& the_backend();  // the one of this module

}  // namespace nn::cuda
