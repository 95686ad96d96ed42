// The two formats of 16 bits as the tensor cores take them, which are those of every device.
#pragma once

#include "cuda/gemm_index.h"
#include "cuda/math.cuh"
#include "math/half.h"
