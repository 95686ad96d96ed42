// The current stream of each thread and device. The default is the device's default stream, null.
#pragma once

#include <cuda_runtime.h>

namespace nn::cuda {

inline constexpr int kMaxDevices = 64;

cudaStream_t current_stream(int index);
void set_current_stream(int index, cudaStream_t stream);

}  // namespace nn::cuda
