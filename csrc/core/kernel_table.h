// The map of the native side: a backend is one KernelTable, and each family's header states what its kernels promise.
// cpu-generic, cpu-avx2, cpu-avx512 (csrc/cpu/tables.cpp) and cuda each fill one; a slot left out does not compile.
#pragma once

#include <string>
#include <vector>

#include "core/device.h"
#include "core/kernels/conv.h"
#include "core/kernels/ctc.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/gemm.h"
#include "core/kernels/index.h"
#include "core/kernels/norm.h"
#include "core/kernels/optim.h"
#include "core/kernels/pool.h"
#include "core/kernels/probe.h"
#include "core/kernels/random.h"
#include "core/kernels/reduce.h"
#include "core/kernels/rnn.h"
#include "core/kernels/softmax_xent.h"

namespace nn {

struct KernelTable {
  const char* name;
  const ElementwiseKernels& elementwise;
  const GemmKernels& gemm;
  const ConvKernels& conv;
  const OptimKernels& optim;
  const ReduceKernels& reduce;
  const ScanKernels& scan;
  const PoolKernels& pool;
  const SoftmaxXentKernels& softmax_xent;
  const CtcKernels& ctc;
  const RnnKernels& rnn;
  const NormKernels& norm;
  const IndexKernels& index;
  const RandomKernels& random;
  const ProbeKernels& probe;
};

// The table that serves a device now.
const KernelTable& kernels(Device device);

// The CPU's instruction sets: those that this build and this machine both have, best last; the one in use; and the
// choice, by name. Choosing one that is not available throws ValueError.
std::vector<std::string> available_isas();
std::string current_isa();
void use_isa(const std::string& name);

}  // namespace nn
