// The kernel table of CUDA devices. A family without kernels yet has a line of NN_NOT_YET; whoever writes it deletes
// the line and adds its name to NN_WRITTEN.
#include <cstddef>
#include <new>
#include <stdexcept>

#include "core/kernel_table.h"
#include "cuda/strided.h"

#define NN_WRITTEN(X)          \
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
  X(Norm, norm)
#define NN_EXTERN(Family, family) extern const Family##Kernels family##_kernels;

namespace nn::cuda {

NN_WRITTEN(NN_EXTERN)
extern const Kernel<UnaryArgs>* const unary_kernels;  // elementwise.cu
extern const Kernel<UnaryBackwardArgs>* const unary_backward_kernels;
extern const Kernel<BinaryArgs>* const binary_kernels;

namespace {

// Slots that throw. All slots look alike, a name and a function, so one kind stands for all.
using Slot = Kernel<ProbeArgs>;

void refuse(const ProbeArgs&, const LaunchContext&) {
  throw std::runtime_error("this operation is not available on cuda yet: compute it on the CPU");
}

template <size_t kBytes>
struct Refusing {
  alignas(Slot) std::byte bytes[kBytes];
  Refusing() {
    for (size_t at = 0; at < kBytes; at += sizeof(Slot)) new (bytes + at) Slot("not on cuda yet", refuse);
  }
};

template <class Family>
const Family& not_yet() {
  static_assert(sizeof(Family) % sizeof(Slot) == 0);
  static const Refusing<sizeof(Family)> slots;
  return *std::launder(reinterpret_cast<const Family*>(slots.bytes));
}

const ElementwiseKernels elementwise_kernels = {
    unary_kernels, unary_backward_kernels, binary_kernels, {"cast", cast}, {"fill", fill}, {"where", where},
};

#define NN_NOT_YET(Family, family) const Family##Kernels& family##_kernels = not_yet<Family##Kernels>();
NN_NOT_YET(Probe, probe)

}  // namespace

extern const KernelTable kernel_table;
const KernelTable kernel_table = {
    "cuda",         elementwise_kernels, gemm_kernels,  conv_kernels,         optim_kernels,
    reduce_kernels, scan_kernels,        pool_kernels,  softmax_xent_kernels, ctc_kernels,
    rnn_kernels,    norm_kernels,        index_kernels, random_kernels,       probe_kernels,
};

}  // namespace nn::cuda
