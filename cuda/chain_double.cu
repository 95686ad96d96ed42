// Chains of float64: see chain.cuh.
#include "cuda/chain.cuh"

namespace nn::cuda {

NN_CHAIN_OF(double);

}  // namespace nn::cuda
