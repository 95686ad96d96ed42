// Copies between pageable memory of the host and a device, by way of pinned memory: the device's copy engine reads and
// writes pinned memory alone, and while it works on one piece the host copies the next.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <mutex>

namespace nn::cuda {

class Staging {
 public:
  // `from` has been read when it returns; the copy itself may still be under way on the stream.
  void upload(void* to, const void* from, size_t bytes, cudaStream_t stream);
  // `to` is written when it returns.
  void download(void* to, const void* from, size_t bytes, cudaStream_t stream);

 private:
  static constexpr int kPieces = 4;
  static constexpr size_t kPieceBytes = size_t{1} << 20;
  void prepare();

  std::mutex mutex_;
  char* pinned_ = nullptr;
  cudaEvent_t done_[kPieces] = {};
  int next_ = 0;
};

}  // namespace nn::cuda
