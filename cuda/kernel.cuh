// What every CUDA kernel file starts from: shared memory, launches, working memory.
// The macros let the same files run on the emulation of tests/cuda_on_cpu, where a kernel is an ordinary function.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "core/kernels/fault.h"
#include "core/kernels/kernel.h"
#include "cuda/device.h"

#ifdef __CUDACC__

// NN_SHARED(float, tile, [16][32]): static shared memory. NN_SHARED_DYNAMIC(float, tile): what the launch asked for.
#define NN_SHARED(type, name, dims) __shared__ type name dims
#define NN_SHARED_DYNAMIC(type, name)                            \
  extern __shared__ __align__(1024) unsigned char nn_dynamic_[]; \
  type* name = reinterpret_cast<type*>(nn_dynamic_)

// NN_LAUNCH(kernel, grid, block, shared bytes, context, arguments...): on the stream of the context.
#define NN_LAUNCH(kernel, grid, block, shared, context, ...)                                   \
  do {                                                                                         \
    kernel<<<grid, block, shared, static_cast<cudaStream_t>((context).stream)>>>(__VA_ARGS__); \
    ::nn::cuda::check(cudaGetLastError(), #kernel);                                            \
  } while (0)

#else

#define NN_SHARED(type, name, dims)           \
  using name##_type = type dims;              \
  static cuda_on_cpu::SharedSite name##_site; \
  auto& name =                                \
      *static_cast<name##_type*>(cuda_on_cpu::shared_variable(name##_site, sizeof(name##_type), alignof(name##_type)))
#define NN_SHARED_DYNAMIC(type, name) type* name = static_cast<type*>(cuda_on_cpu::dynamic_shared())
#define NN_LAUNCH(kernel, grid, block, shared, context, ...)                                       \
  do {                                                                                             \
    cudaLaunchConfig_t nn_config = {};                                                             \
    nn_config.gridDim = dim3(grid);                                                                \
    nn_config.blockDim = dim3(block);                                                              \
    nn_config.dynamicSmemBytes = static_cast<size_t>(shared);                                      \
    nn_config.stream = static_cast<cudaStream_t>((context).stream);                                \
    cuda_on_cpu::name_launch(#kernel);                                                             \
    ::nn::cuda::check(cudaLaunchKernelEx(&nn_config, kernel __VA_OPT__(, ) __VA_ARGS__), #kernel); \
  } while (0)

#endif

namespace nn::cuda {

template <class T>
__host__ __device__ constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

template <class T>
__host__ __device__ constexpr T least(T a, T b) {
  return b < a ? b : a;
}

// Working memory of what one host function launches. It may be destroyed as soon as the launches are queued: whoever
// gets the memory next on this stream runs later.
struct Workspace {
  Workspace(size_t size, const LaunchContext&) : data(size > 0 ? allocate_workspace(size) : nullptr), bytes(size) {}
  ~Workspace() {
    if (data != nullptr) release_workspace(data, bytes);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  void* const data;
  const size_t bytes;
};

// Tells the host of a value that the kernel cannot follow; the first one stays. Whoever reports works on with a value
// that it can follow.
__device__ inline void report(const FaultSite& site, int64_t value) {
  if (atomicCAS(&site.word->code, 0ull, site.code) == 0) site.word->value = value;
}

// Lets a kernel use more dynamic shared memory than the 48 KiB that every kernel may.
template <class Kernel>
void allow_shared(Kernel* kernel, size_t bytes) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
        "asking for shared memory");
}

}  // namespace nn::cuda
