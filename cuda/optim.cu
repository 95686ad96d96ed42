// Optimizer steps: all parameters of an optimizer in one launch, after a short one that prepares their numbers.
//
// The idea: the table of tensors lies in the device's memory. A first launch, a thread for each tensor, counts its
// step, moves its scalars and works out what the step's elements have in common, bias corrections among it, once. Then
// a block takes kOptimBlock elements: its warps find the tensor with 32 probes of the table at a time, and a thread has
// 16 bytes of each array. Parallel: the elements of all tensors. Bound: the memory's bandwidth, 28 bytes a parameter
// for Adam in float32; for small models the two launches.
#include "core/kernels/optim.h"
#include "cuda/loops.cuh"
#include "cuda/math.cuh"
#include "math/optim_more.h"

namespace nn::cuda {
extern const OptimKernels optim_kernels;

namespace {

constexpr int kLanes = 32;

// What the elements of one tensor have in common: a Step<float> or Step<double>.
template <template <class> class Step>
struct alignas(16) Prepared {
  unsigned char bytes[sizeof(Step<double>) > sizeof(Step<float>) ? sizeof(Step<double>) : sizeof(Step<float>)];

  template <class T>
  __device__ const Step<T>& as() const {
    return *reinterpret_cast<const Step<T>*>(bytes);
  }
};

template <template <class> class Step>
__global__ void __launch_bounds__(kThreads) prepare_kernel(OptimArgs a, Prepared<Step>* prepared) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= a.count) return;
  const OptimTensor t = a.tensors[i];
  if (t.step != nullptr) *t.step += 1;
  if constexpr (requires { Step<float>::begin(t); }) Step<float>::begin(t);
  const double n = t.step != nullptr ? static_cast<double>(*t.step) : 0.0;
  if (t.dtype == DType::float32)
    new (prepared[i].bytes) Step<float>(t, n);
  else
    new (prepared[i].bytes) Step<double>(t, n);
  if constexpr (requires { Step<float>::finish(t); }) Step<float>::finish(t);
}

// The tensor that block `b` belongs to: the last that does not begin after it. (Empty ones begin where the next does.)
// All lanes of a warp ask together.
__device__ int64_t find(const OptimArgs& a, int64_t b, int lane) {
  int64_t low = 0, high = a.count;
  while (high - low > 1) {
    const int64_t step = ceil_div(high - low, int64_t{kLanes}), i = low + lane * step;
    const unsigned begun = __ballot_sync(0xFFFFFFFFu, i < high && a.tensors[i].first_block <= b);
    low += (__popc(begun) - 1) * step;
    high = low + step < high ? low + step : high;
  }
  return low;
}

// The same pointer, of which the compiler now knows that it needs no lookup of the kind of memory.
template <class T>
__device__ __forceinline__ T* in_global_memory(T* p) {
#ifdef __CUDACC__
  __builtin_assume(__isGlobal(p));
#endif
  return p;
}

// Stores of 16 bytes, which ask the caches to drop them first: what a step writes is next read when everything else has
// been. (Of a plain store of a structure the compiler makes one for each element here.)
__device__ __forceinline__ void store(float* to, const Pack<float, 4>& x) {
  __stcs(reinterpret_cast<float4*>(to), make_float4(x.at[0], x.at[1], x.at[2], x.at[3]));
}
__device__ __forceinline__ void store(double* to, const Pack<double, 2>& x) {
  __stcs(reinterpret_cast<double2*>(to), make_double2(x.at[0], x.at[1]));
}
template <class T>
__device__ __forceinline__ void store(T* to, const Pack<T, 1>& x) {
  *in_global_memory(to) = x.at[0];
}

// kCount elements from the i-th on of each array.
template <int kCount, class T, class Step>
__device__ __forceinline__ void update(const Step& step, const OptimTensor& t, int64_t i) {
  using P = Pack<T, kCount>;
  const auto in = [i](const void* data) {
    return *in_global_memory(reinterpret_cast<const P*>(static_cast<const T*>(data) + i));
  };
  const auto out = [i](void* data, const P& x) { store(static_cast<T*>(data) + i, x); };
  P p = in(t.param), s[kOptimStates];
  const P g = in(t.grad);
#pragma unroll
  for (int k = 0; k < kOptimStates; ++k) s[k] = t.state[k] != nullptr ? in(t.state[k]) : P{};
#pragma unroll
  for (int e = 0; e < kCount; ++e) step(p.at[e], g.at[e], s[0].at[e], s[1].at[e], s[2].at[e]);
  out(t.param, p);
#pragma unroll
  for (int k = 0; k < kOptimStates; ++k)
    if (t.state[k] != nullptr) out(t.state[k], s[k]);
}

__device__ __forceinline__ bool is_aligned(const OptimTensor& t) {
  uintptr_t bits = reinterpret_cast<uintptr_t>(t.param) | reinterpret_cast<uintptr_t>(t.grad);
  for (int k = 0; k < kOptimStates; ++k) bits |= reinterpret_cast<uintptr_t>(t.state[k]);
  return bits % 16 == 0;
}

// The elements of one tensor that a block has, from `begin` on.
template <class T, class Step>
__device__ __forceinline__ void update_block(const Step step, const OptimTensor& t, int64_t begin) {
  constexpr int kCount = 16 / sizeof(T);
  const int64_t end = begin + kOptimBlock < t.size ? begin + kOptimBlock : t.size, thread = threadIdx.x;
  int64_t packed = begin;  // how far whole packs reach
  if (is_aligned(t)) {
    packed = end - end % kCount;
    for (int64_t i = begin + thread * kCount; i < packed; i += kThreads * kCount) update<kCount, T>(step, t, i);
  }
  for (int64_t i = packed + thread; i < end; i += kThreads) update<1, T>(step, t, i);
}

template <template <class> class Step>
__global__ void __launch_bounds__(kThreads) step_kernel(OptimArgs a, const Prepared<Step>* prepared) {
  const int64_t block = blockIdx.x, tensor = find(a, block, threadIdx.x % kLanes);
  const OptimTensor& t = a.tensors[tensor];
  const int64_t begin = (block - t.first_block) * kOptimBlock;
  if (t.dtype == DType::float32)
    update_block<float>(prepared[tensor].template as<float>(), t, begin);
  else
    update_block<double>(prepared[tensor].template as<double>(), t, begin);
}

template <template <class> class Step>
void run(const OptimArgs& a, const LaunchContext& ctx) {
  if (a.count == 0) return;
  const Workspace memory(static_cast<size_t>(a.count) * sizeof(Prepared<Step>), ctx);
  auto* const prepared = static_cast<Prepared<Step>*>(memory.data);
  NN_LAUNCH(prepare_kernel<Step>, static_cast<unsigned>(ceil_div(a.count, int64_t{kThreads})), kThreads, 0, ctx, a,
            prepared);
  if (a.blocks > 0) NN_LAUNCH(step_kernel<Step>, static_cast<unsigned>(a.blocks), kThreads, 0, ctx, a, prepared);
}

}  // namespace

const OptimKernels optim_kernels = {
    {"sgd", run<SgdStep>},     {"adagrad", run<AdagradStep>},   {"rmsprop", run<RmspropStep>},
    {"adam", run<AdamStep>},   {"adamax", run<AdamaxStep>},     {"nadam", run<NadamStep>},
    {"radam", run<RadamStep>}, {"adadelta", run<AdadeltaStep>}, {"asgd", run<AsgdStep>},
    {"rprop", run<RpropStep>},
};

}  // namespace nn::cuda
