// What every kernel is: a name and a function over plain data. Included by kernel files: plain data only.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace nn {

// Arrays have at most this many dimensions; more is an error that says so.
inline constexpr int kMaxDims = 8;

class Crew;

// Where and how wide a launch runs. `stream` is null on the CPU. `crew` is null but in a plan whose launches share a
// team of threads.
struct LaunchContext {
  int threads;
  void* stream;
  Crew* crew = nullptr;
};

// One slot of a kernel table. It has no default constructor, so a backend that leaves a slot out does not compile.
// Args are trivially copyable: a launch can be timed, printed, or stored and run again later.
template <class Args>
struct Kernel {
  using Function = void (*)(const Args&, const LaunchContext&);

  constexpr Kernel(const char* kernel_name, Function function) : name(kernel_name), run(function) {}

  const char* name;
  Function run;
};

// What a backend may do to float32 factors for the sake of speed: nothing, round them to TensorFloat32, or to bfloat16.
enum class Precision : int32_t { highest, high, medium };

// N operands walked together over one shape. Strides count elements, not bytes; 0 repeats an element (broadcasting).
// Operand 0 is the result. The dimensions arrive merged and ordered so that the last one is the best inner loop;
// ndim is at least 1, and any extent may be 0.
template <int N>
struct StridedLoop {
  int ndim;
  int64_t shape[kMaxDims];
  int64_t stride[N][kMaxDims];
  void* data[N];
};

}  // namespace nn
