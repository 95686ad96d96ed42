// <cuda_runtime.h> for the emulation: CUDA's names for what cuda/ uses of it, to be compiled by g++ as ordinary C++.
// A launch calls the kernel as a function, thread by thread: tests/cuda_on_cpu/emulation/scheduler.h.
#pragma once

#define NN_CUDA_EMULATION 1

#include "cuda_runtime_api.h"
#include "device_functions.h"
#include "vector_types.h"

// ---- What functions and variables are

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#define __cluster_dims__(...)

// ---- Launches

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<std::remove_cv_t<Parameters>...> arguments;
    static void run(const void* call) {
      const auto& c = *static_cast<const Call*>(call);
      std::apply(c.kernel, c.arguments);
    }
  };
  static_assert((std::is_trivially_copyable_v<std::remove_cv_t<Parameters>> && ...), "arguments are copied as bytes");
  static_assert(sizeof(Call) <= 4096, "a kernel takes up to 4 KB of arguments");
  const Call call = {kernel, {static_cast<Parameters>(arguments)...}};
  return cuda_on_cpu::launch(*config, reinterpret_cast<const void*>(kernel), &Call::run, &call, sizeof call,
                             alignof(Call));
}
