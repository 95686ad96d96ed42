// Unary operations, element by element: elementwise_walk.cuh with the arithmetic of csrc/math, in the same order as on
// the CPU. One kernel for each operation on float32; other dtypes are interpreted (chain.h).
#include "cuda/angles.cuh"
#include "cuda/chain.h"
#include "cuda/elementwise_walk.cuh"

namespace nn::cuda {
extern const Kernel<UnaryArgs>* const unary_kernels;

namespace {

template <class Op>
__global__ void __launch_bounds__(kThreads) unary_kernel(StridedLoop<2> loop, bool is_packed, int64_t count, Op op) {
  walk<2, float, float>(loop, is_packed, count, 0.0f, [&](float x, float) { return op.forward(x); });
}

template <class Op>
void unary(const UnaryArgs& args, const LaunchContext& ctx) {
  if (args.dtype != DType::float32) return interpret(number_of<Op>(UnaryOps{}), args, ctx);
  using Device = typename OnDevice<Op>::type;
  start<float, float>(unary_kernel<Device>, args.loop, ctx, with_params<Device>(args.params));
}

template <class Ops>
struct Table;
template <class... Ops>
struct Table<List<Ops...>> {
  static constexpr Kernel<UnaryArgs> kernels[] = {{Ops::name, unary<Ops>}...};
};

}  // namespace

const Kernel<UnaryArgs>* const unary_kernels = Table<UnaryOps>::kernels;

}  // namespace nn::cuda
