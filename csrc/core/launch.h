// The one way to start a kernel. Whatever should be known about every launch - its time, its name, its arguments - is
// known here, because the arguments are plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "core/device.h"
#include "core/kernel_table.h"

namespace nn {

// A launch with its types forgotten: call(run, args, context) calls the kernel.
struct ErasedKernel {
  const char* name;
  void (*run)();
  void (*call)(void (*run)(), const void* args, const LaunchContext& context);
};

template <class Args>
ErasedKernel erased(const Kernel<Args>& kernel) {
  const auto call = [](void (*run)(), const void* args, const LaunchContext& context) {
    reinterpret_cast<typename Kernel<Args>::Function>(run)(*static_cast<const Args*>(args), context);
  };
  return {kernel.name, reinterpret_cast<void (*)()>(kernel.run), call};
}

void launch_erased(const ErasedKernel& kernel, const void* args, size_t bytes, Device device);

// Kernels that take arrays of 16 bits have `takes_half` in their arguments, or `takes_half_on_gpu`; no other is
// launched with them.
[[noreturn]] void refuse_half(const char* kernel);

template <class Args>
void launch(const Kernel<Args>& kernel, const Args& args, Device device) {
  static_assert(std::is_trivially_copyable_v<Args>, "kernel arguments are plain data");
  if constexpr (requires { args.dtype; } && !requires { Args::takes_half; }) {
    const bool takes = requires { Args::takes_half_on_gpu; } && device.type != DeviceType::cpu;
    if (is_half(args.dtype) && !takes) refuse_half(kernel.name);
  }
  launch_erased(erased(kernel), &args, sizeof args, device);
}

// Called with a kernel's name before each launch, where it is set: bindings know of locks that nothing here knows of.
using LaunchCheck = void (*)(const char* kernel);
void set_launch_check(LaunchCheck check);

// Where the time goes: while profiling is on, the launches of each kernel are counted and timed.
struct KernelTime {
  std::string name;
  int64_t launches;
  double seconds;
};
void set_profiling(bool on);
bool is_profiling();
void add_to_profile(const char* kernel, double seconds);
std::vector<KernelTime> take_profile();  // since it was last taken, slowest first

}  // namespace nn
