// The derivatives of the unary operations, each in one pass over the gradient and what forward saved:
// elementwise_walk.cuh with the arithmetic of csrc/math, in the same order as on the CPU. One kernel for each operation
// on float32; other dtypes are interpreted (chain.h).
#include "cuda/chain.h"
#include "cuda/elementwise_walk.cuh"

namespace nn::cuda {
extern const Kernel<UnaryBackwardArgs>* const unary_backward_kernels;

namespace {

template <class Op>
__global__ void __launch_bounds__(kThreads) backward_kernel(StridedLoop<3> loop, bool is_packed, int64_t count, Op op) {
  walk<3, float, float>(loop, is_packed, count, 0.0f, [&](float gy, float s) { return op.backward(gy, s); });
}

template <class Op>
void unary_backward(const UnaryBackwardArgs& args, const LaunchContext& ctx) {
  if (args.dtype != DType::float32) return interpret(number_of<Op>(UnaryOps{}), args, ctx);
  start<float, float>(backward_kernel<Op>, args.loop, ctx, with_params<Op>(args.params));
}

// An operation without a backward has an empty slot, which is never launched.
template <class Op>
constexpr Kernel<UnaryBackwardArgs> backward_slot() {
  if constexpr (has_backward<Op>)
    return {Op::name, unary_backward<Op>};
  else
    return {Op::name, nullptr};
}
template <class Ops>
struct Table;
template <class... Ops>
struct Table<List<Ops...>> {
  static constexpr Kernel<UnaryBackwardArgs> kernels[] = {backward_slot<Ops>()...};
};

}  // namespace

const Kernel<UnaryBackwardArgs>* const unary_backward_kernels = Table<UnaryOps>::kernels;

}  // namespace nn::cuda
