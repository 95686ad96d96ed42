// What cuda/device.h promises to kernels, for test programs that have no backend: straight from the emulated runtime.
#include <stdexcept>
#include <string>

#include "cuda/device.h"

namespace nn::cuda {

void check(cudaError_t error, const char* tried) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // the next call is not to blame
  throw std::runtime_error(std::string(tried) + ": " + cudaGetErrorString(error));
}

void make_current(int index) { check(cudaSetDevice(index), "choosing a device"); }

int64_t multiprocessors() {
  int count = 0;
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0), "counting multiprocessors");
  return count;
}

void* allocate_workspace(size_t bytes) {
  void* data = nullptr;
  check(cudaMalloc(&data, bytes), "working memory");
  return data;
}

// In the order of the null stream, on which the programs launch.
void release_workspace(void* data, size_t) noexcept { cudaFreeAsync(data, nullptr); }

}  // namespace nn::cuda
