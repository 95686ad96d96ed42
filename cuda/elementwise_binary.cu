// Binary operations, element by element: elementwise_walk.cuh with the arithmetic of csrc/math, in the same order as on
// the CPU.
#include "cuda/elementwise_walk.cuh"

namespace nn::cuda {
extern const Kernel<BinaryArgs>* const binary_kernels;

namespace {

template <class Op, class T>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(StridedLoop<3> loop, bool is_packed, int64_t count, T number) {
  using R = decltype(Op{}.forward(T{}, T{}));
  walk<3, R, T>(loop, is_packed, count, number, [](T x, T y) { return Op{}.forward(x, y); });
}

template <class Op>
void binary(const BinaryArgs& args, const LaunchContext& ctx) {
  with_type_of<Op>(args.dtype, [&]<class T>(T) {
    const T number = is_integer<T> ? static_cast<T>(args.integer) : static_cast<T>(args.real);
    start<decltype(Op{}.forward(T{}, T{})), T>(binary_kernel<Op, T>, args.loop, ctx, number);
  });
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
