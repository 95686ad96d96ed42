// Contract of the probe: how fast the machine multiplies and adds when nothing else holds it up.
#pragma once

#include "core/kernels/kernel.h"

namespace nn {

// Every thread runs `rounds` rounds of multiply-adds that depend on nothing but the round before.
// flops[0] = the floating operations done (two for each multiply-add), flops[1] = a number that depends on all of them.
struct ProbeArgs {
  DType dtype;  // float32 or float64
  int64_t rounds;
  double* flops;
};

struct ProbeKernels {
  Kernel<ProbeArgs> fma;
};

}  // namespace nn
