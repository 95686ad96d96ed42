// Unary and binary operations, element by element, and the fused derivatives of the unary ones.
//
// The idea: a thread takes 16 bytes of the result at a time where all operands are adjacent and aligned, or one element
// at a time otherwise, whose place it finds from its number by 32 bit divisions; loops too long for those are launched
// in parts. A number stands as an operand that is kept in the launch. Parallel: all elements, in a grid that strides.
// Bound: memory bandwidth, (N + 1) elements each; the functions cost 10 to 60 instructions, which hide behind it.
// The arithmetic is that of csrc/math, in the same order as on the CPU.
#include "core/kernels/elementwise.h"
#include "cuda/angles.cuh"
#include "cuda/loops.cuh"
#include "math/elementwise.h"

namespace nn::cuda {
extern const Kernel<UnaryArgs>* const unary_kernels;
extern const Kernel<UnaryBackwardArgs>* const unary_backward_kernels;
extern const Kernel<BinaryArgs>* const binary_kernels;

namespace {

// The two inputs of a binary function; operands without memory are `number`.
template <int N, class R, class T, class F>
__device__ __forceinline__ void strided(const StridedLoop<N>& loop, uint32_t count, T number, const F& f) {
  const uint32_t step = gridDim.x * kThreads;
  for (uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < count; i += step) {
    int64_t at[N];
    locate(loop, i, at);
    const auto read = [&](int n) {
      const T* const from = static_cast<const T*>(loop.data[n]);
      return from != nullptr ? from[at[n]] : number;
    };
    R* const y = static_cast<R*>(loop.data[0]) + at[0];
    if constexpr (N == 2)
      *y = f(read(1), T{});
    else
      *y = f(read(1), read(2));
  }
}

template <int N, class R, class T, class F>
__device__ __forceinline__ void packed(const StridedLoop<N>& loop, T number, const F& f) {
  constexpr int kCount = 16 / sizeof(T);
  using In = Pack<T, kCount>;
  const int64_t count = loop.shape[0], whole = count / kCount, step = int64_t{gridDim.x} * kThreads;
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  R* const y = static_cast<R*>(loop.data[0]);
  const T* const a = static_cast<const T*>(loop.data[1]);
  const T* const b = N == 3 ? static_cast<const T*>(loop.data[N - 1]) : nullptr;
  for (int64_t i = first; i < whole; i += step) {
    In u, v;
    if (a != nullptr) u = reinterpret_cast<const In*>(a)[i];
    if (b != nullptr) v = reinterpret_cast<const In*>(b)[i];
    Pack<R, kCount> r;
#pragma unroll
    for (int k = 0; k < kCount; ++k) r.at[k] = f(a != nullptr ? u.at[k] : number, b != nullptr ? v.at[k] : number);
    reinterpret_cast<Pack<R, kCount>*>(y)[i] = r;
  }
  const int64_t i = whole * kCount + first;
  if (i < count) y[i] = f(a != nullptr ? a[i] : number, b != nullptr ? b[i] : number);
}

template <int N, class R, class T, class F>
__device__ __forceinline__ void walk(const StridedLoop<N>& loop, bool is_packed, int64_t count, T number, const F& f) {
  if (is_packed)
    packed<N, R, T>(loop, number, f);
  else
    strided<N, R, T>(loop, static_cast<uint32_t>(count), number, f);
}

template <class Op, class T>
__global__ void __launch_bounds__(kThreads) unary_kernel(StridedLoop<2> loop, bool is_packed, int64_t count, Op op) {
  walk<2, T, T>(loop, is_packed, count, T{}, [&](T x, T) { return op.forward(x); });
}

template <class Op, class T>
__global__ void __launch_bounds__(kThreads) backward_kernel(StridedLoop<3> loop, bool is_packed, int64_t count, Op op) {
  walk<3, T, T>(loop, is_packed, count, T{}, [&](T gy, T saved) { return op.backward(gy, saved); });
}

template <class Op, class T>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(StridedLoop<3> loop, bool is_packed, int64_t count, T number) {
  using R = decltype(Op{}.forward(T{}, T{}));
  walk<3, R, T>(loop, is_packed, count, number, [](T x, T y) { return Op{}.forward(x, y); });
}

// R: what the loop's first operand holds; T: what the others do.
template <class R, class T, int N, class KernelFunction, class Last>
void start(KernelFunction* kernel, const StridedLoop<N>& loop, const LaunchContext& ctx, const Last& last) {
  const int64_t count = count_of(loop);
  if (count == 0) return;
  const bool packs = is_packed(loop);
  if (!packs && !is_narrow(count)) {
    int bytes[N] = {sizeof(R)};
    for (int n = 1; n < N; ++n) bytes[n] = sizeof(T);
    const Halves<N> halves(loop, bytes);
    start<R, T>(kernel, halves.first, ctx, last);
    return start<R, T>(kernel, halves.rest, ctx, last);
  }
  const int64_t threads = packs ? ceil_div(count, int64_t{16 / sizeof(T)}) : count;
  NN_LAUNCH(kernel, blocks_for(threads), kThreads, 0, ctx, loop, packs, count, last);
}

// body(T{}) for the type of dtype, among those that the operation takes.
template <class Op, class Body>
void with_type_of(DType dtype, const Body& body) {
  with_type(dtype, [&]<class T>(T x) {
    if constexpr (is_integer<T> ? !is_floating_only<Op> : !is_integer_only<Op>) body(x);
  });
}

template <class Op>
void unary(const UnaryArgs& args, const LaunchContext& ctx) {
  with_type_of<Op>(args.dtype, [&]<class T>(T) {
    using Device = typename OnDevice<Op>::type;
    start<T, T>(unary_kernel<Device, T>, args.loop, ctx, with_params<Device>(args.params));
  });
}

template <class Op>
void unary_backward(const UnaryBackwardArgs& args, const LaunchContext& ctx) {
  const Op op = with_params<Op>(args.params);
  if (args.dtype == DType::float64)
    start<double, double>(backward_kernel<Op, double>, args.loop, ctx, op);
  else
    start<float, float>(backward_kernel<Op, float>, args.loop, ctx, op);
}

template <class Op>
void binary(const BinaryArgs& args, const LaunchContext& ctx) {
  with_type_of<Op>(args.dtype, [&]<class T>(T) {
    const T number = is_integer<T> ? static_cast<T>(args.integer) : static_cast<T>(args.real);
    start<decltype(Op{}.forward(T{}, T{})), T>(binary_kernel<Op, T>, args.loop, ctx, number);
  });
}

// The kernels of a list of operations. An operation without a backward has an empty slot, which is never launched.
template <class Op>
constexpr Kernel<UnaryBackwardArgs> backward_slot() {
  if constexpr (has_backward<Op>)
    return {Op::name, unary_backward<Op>};
  else
    return {Op::name, nullptr};
}
template <class Ops>
struct Tables;
template <class... Ops>
struct Tables<List<Ops...>> {
  static constexpr Kernel<UnaryArgs> forward[] = {{Ops::name, unary<Ops>}...};
  static constexpr Kernel<UnaryBackwardArgs> backward[] = {backward_slot<Ops>()...};
};
template <class Ops>
struct BinaryTable;
template <class... Ops>
struct BinaryTable<List<Ops...>> {
  static constexpr Kernel<BinaryArgs> forward[] = {{Ops::name, binary<Ops>}...};
};

}  // namespace

const Kernel<UnaryArgs>* const unary_kernels = Tables<UnaryOps>::forward;
const Kernel<UnaryBackwardArgs>* const unary_backward_kernels = Tables<UnaryOps>::backward;
const Kernel<BinaryArgs>* const binary_kernels = BinaryTable<BinaryOps>::forward;

}  // namespace nn::cuda
