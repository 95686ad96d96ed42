// Memory of one GPU, cached per stream. A block that was used on a stream is handed out again to that stream only: what
// is launched later runs later, so nobody has to wait for the block. Blocks used on other streams too wait for these.
#pragma once

#include <cuda_runtime.h>

#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/allocator.h"

namespace nn::cuda {

class DeviceAllocator final : public Allocator {
 public:
  explicit DeviceAllocator(int index) : index_(index) {}

  void* allocate(size_t bytes) override;  // for the current stream of this thread
  void release(void* data, size_t bytes) noexcept override;
  void empty_cache() override;
  MemoryStats stats() override;
  void reset_peak() override;

  void record_use(void* data, cudaStream_t stream);
  void forget_stream(cudaStream_t stream);  // which is idle, and about to be destroyed

 private:
  struct Live {
    cudaStream_t stream;
    std::vector<cudaStream_t> others;
  };
  struct Waiting {
    void* data;
    size_t bytes;
    cudaStream_t stream;
    std::vector<cudaEvent_t> events;
  };
  struct Lists {
    std::vector<std::vector<void*>> of_class;
  };

  void* from_device(size_t bytes);
  void keep(void* data, int size_class, size_t bytes, cudaStream_t stream);
  void take_back_finished();
  void drop_cached();

  const int index_;
  std::mutex mutex_;
  std::unordered_map<void*, Live> live_;
  std::unordered_map<cudaStream_t, Lists> cached_;
  std::vector<Waiting> waiting_;
  MemoryStats stats_{};
};

}  // namespace nn::cuda
