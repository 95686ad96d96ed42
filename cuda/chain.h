// Chains of elementwise operations, and single operations as chains of one link: for dtypes that have no kernel for
// each operation.
#pragma once

#include "core/kernels/chain.h"
#include "core/kernels/elementwise.h"

namespace nn::cuda {

void chain(const ChainArgs& args, const LaunchContext& ctx);

// Number `op` of its list, on any dtype that it takes.
void interpret(int op, const UnaryArgs& args, const LaunchContext& ctx);
void interpret(int op, const UnaryBackwardArgs& args, const LaunchContext& ctx);
void interpret(int op, bool is_predicate, const BinaryArgs& args, const LaunchContext& ctx);

// The kernels, one for each dtype that is computed with: chain.cu, chain_double.cu, chain_integer.cu.
struct LinkLoop;  // chain.cuh
template <class T>
void run_chain(const ChainArgs& args, const LinkLoop& loop, const LaunchContext& ctx);

#define NN_CHAIN_OF(T) template void run_chain<T>(const ChainArgs& args, const LinkLoop& loop, const LaunchContext& ctx)
extern NN_CHAIN_OF(float);
extern NN_CHAIN_OF(double);
extern NN_CHAIN_OF(int32_t);
extern NN_CHAIN_OF(int64_t);
extern NN_CHAIN_OF(uint8_t);
extern NN_CHAIN_OF(bool);

}  // namespace nn::cuda
