// Unary operations, element by element: elementwise_walk.cuh with the arithmetic of csrc/math, in the same order as on
// the CPU.
#include "cuda/angles.cuh"
#include "cuda/elementwise_walk.cuh"

namespace nn::cuda {
extern const Kernel<UnaryArgs>* const unary_kernels;

namespace {

template <class Op, class T>
__global__ void __launch_bounds__(kThreads) unary_kernel(StridedLoop<2> loop, bool is_packed, int64_t count, Op op) {
  walk<2, T, T>(loop, is_packed, count, T{}, [&](T x, T) { return op.forward(x); });
}

template <class Op>
void unary(const UnaryArgs& args, const LaunchContext& ctx) {
  with_type_of<Op>(args.dtype, [&]<class T>(T) {
    using Device = typename OnDevice<Op>::type;
    start<T, T>(unary_kernel<Device, T>, args.loop, ctx, with_params<Device>(args.params));
  });
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
