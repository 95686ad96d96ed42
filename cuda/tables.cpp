// The kernel table of CUDA devices.
#include "core/kernel_table.h"
#include "cuda/chain.h"
#include "cuda/strided.h"

#define NN_FAMILIES(X)         \
  X(Ctc, ctc)                  \
  X(Gemm, gemm)                \
  X(Conv, conv)                \
  X(Optim, optim)              \
  X(Random, random)            \
  X(Rnn, rnn)                  \
  X(SoftmaxXent, softmax_xent) \
  X(Index, index)              \
  X(Reduce, reduce)            \
  X(Scan, scan)                \
  X(Pool, pool)                \
  X(Norm, norm)                \
  X(Probe, probe)
#define NN_EXTERN(Family, family) extern const Family##Kernels family##_kernels;

namespace nn::cuda {

NN_FAMILIES(NN_EXTERN)
extern const Kernel<UnaryArgs>* const unary_kernels;  // elementwise.cu, and the files beside it
extern const Kernel<UnaryBackwardArgs>* const unary_backward_kernels;
extern const Kernel<BinaryArgs>* const binary_kernels;

namespace {

const ElementwiseKernels elementwise_kernels = {
    unary_kernels,  unary_backward_kernels, binary_kernels,   {"cast", cast},
    {"fill", fill}, {"where", where},       {"chain", chain},
};

}  // namespace

extern const KernelTable kernel_table;
const KernelTable kernel_table = {
    "cuda",         elementwise_kernels, gemm_kernels,  conv_kernels,         optim_kernels,
    reduce_kernels, scan_kernels,        pool_kernels,  softmax_xent_kernels, ctc_kernels,
    rnn_kernels,    norm_kernels,        index_kernels, random_kernels,       probe_kernels,
};

}  // namespace nn::cuda
