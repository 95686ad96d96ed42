// Binary operations, element by element: elementwise_walk.cuh with the arithmetic of csrc/math, in the same order as on
// the CPU. One kernel for each operation on float32; other dtypes are interpreted (chain.h).
#include "cuda/chain.h"
#include "cuda/elementwise_walk.cuh"

namespace nn::cuda {
extern const Kernel<BinaryArgs>* const binary_kernels;

namespace {

template <class Op>
using Result = decltype(Op{}.forward(0.0f, 0.0f));

template <class Op>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(StridedLoop<3> loop, bool is_packed, int64_t count, float number) {
  walk<3, Result<Op>, float>(loop, is_packed, count, number, [](float x, float y) { return Op{}.forward(x, y); });
}

template <class Op>
void binary(const BinaryArgs& args, const LaunchContext& ctx) {
  if constexpr (!is_integer_only<Op>)
    if (args.dtype == DType::float32)
      return start<Result<Op>, float>(binary_kernel<Op>, args.loop, ctx, static_cast<float>(args.real));
  interpret(number_of<Op>(BinaryOps{}), is_predicate<Op>, args, ctx);
}

template <class Ops>
struct Table;
template <class... Ops>
struct Table<List<Ops...>> {
  static constexpr Kernel<BinaryArgs> kernels[] = {{Ops::name, binary<Ops>}...};
};

}  // namespace

const Kernel<BinaryArgs>* const binary_kernels = Table<BinaryOps>::kernels;

}  // namespace nn::cuda
