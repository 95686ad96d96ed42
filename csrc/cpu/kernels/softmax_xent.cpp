// Softmax and its losses on the CPU: the table of their kernels.
#include "cpu/kernels/softmax_xent_kernels.h"

namespace nn::NN_ISA {

extern const SoftmaxXentKernels softmax_xent_kernels;
const SoftmaxXentKernels softmax_xent_kernels = {
    {"softmax", run_softmax},
    {"softmax_backward", run_softmax_backward},
    {"nll_loss", run_nll_forward},
    {"nll_loss_backward", run_nll_backward},
    {"cross_entropy", run_cross_entropy_forward},
    {"cross_entropy_backward", run_cross_entropy_backward},
};

}  // namespace nn::NN_ISA
