// csrc/math for kernels: its functions run on both sides. Included before any other header of csrc/math.
#pragma once

#include "math/config.h"

#ifdef __CUDACC__
#undef NN_FN
#undef NN_MEMBER
#undef NN_LAMBDA
#define NN_FN static __host__ __device__ __forceinline__
#define NN_MEMBER __host__ __device__ __forceinline__
#define NN_LAMBDA             // a lambda runs where the function runs that it stands in
#pragma nv_diag_suppress 186  // x < 0 is written for every type, and is false for some
#endif
