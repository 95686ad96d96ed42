// Pooling: the table of its kernels.
#include "cuda/pool_kernels.h"

namespace nn::cuda {

extern const PoolKernels pool_kernels;
const PoolKernels pool_kernels = {
    {"max_pool", run_max_forward}, {"max_pool_backward", run_max_backward}, {"max_pool_gather", run_max_gather},
    {"avg_pool", run_avg_forward}, {"avg_pool_backward", run_avg_backward}, {"resample", run_resample},
};

}  // namespace nn::cuda
