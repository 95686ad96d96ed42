// The runtime of the CUDA backend, as its own files use it: errors, the current device, working memory.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

#include "core/kernels/kernel.h"

namespace nn::cuda {

// No memory on the device: what csrc/core/backend.h asks for.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

// Throws std::runtime_error that names what was tried, the error, and, where the error is one of an earlier kernel, the
// kernels launched last. An error that the device does not recover from says so.
void check(cudaError_t error, const char* tried);

// Whether each launch is waited for (NNCORE_LAUNCH_BLOCKING), so that an error names its kernel.
bool is_blocking();

void make_current(int index);  // the device that this thread launches on
int64_t multiprocessors();     // of that device

// Memory from the pool of the current device for what is launched on the current stream: later launches on that stream
// may get the same memory, because they run after. For a graph, from the graph's own.
void* allocate_workspace(size_t bytes);
void release_workspace(void* data, size_t bytes) noexcept;

}  // namespace nn::cuda
