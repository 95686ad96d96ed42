// Arrays of the emulated device for test programs, of exactly the size asked for, so that the address sanitizer sees
// the first step beyond. What nothing was copied to is full of ones: NaN, and no result.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda/kernel.cuh"
#include "emulation/report.h"

namespace cuda_on_cpu {

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : DeviceArray(std::vector<T>(), count) {}
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values, values.size()) {}
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* at(int64_t i) const { return static_cast<T*>(data_) + i; }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    cudaDeviceSynchronize();
    if (count_ > 0) cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  DeviceArray(const std::vector<T>& values, size_t count) : count_(count) {
    if (cudaMalloc(&data_, count * sizeof(T)) != cudaSuccess) std::abort();
    if (count == 0) return;
    if (values.empty())
      cudaMemset(data_, 0xFF, count * sizeof(T));
    else
      cudaMemcpy(data_, values.data(), count * sizeof(T), cudaMemcpyHostToDevice);
  }

  size_t count_;
  void* data_ = nullptr;
};

// Prints a mistake, with what the emulation has to say, and counts it.
inline int wrong = 0;
inline void expect(bool right, const char* what, const char* where) {
  if (right && cuda_on_cpu_report_count() == 0) return;
  ++wrong;
  std::printf("%s of %s is wrong\n%s", what, where, cuda_on_cpu_report_text());
  cuda_on_cpu_clear_reports();
}

}  // namespace cuda_on_cpu
