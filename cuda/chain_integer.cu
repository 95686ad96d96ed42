// Chains of integers and booleans: see chain.cuh.
#include "cuda/chain.cuh"

namespace nn::cuda {

NN_CHAIN_OF(int32_t);
NN_CHAIN_OF(int64_t);
NN_CHAIN_OF(uint8_t);
NN_CHAIN_OF(bool);

}  // namespace nn::cuda
