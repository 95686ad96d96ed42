#include "cuda/allocator.h"

#include <string>

#include "core/size_class.h"
#include "cuda/device.h"
#include "cuda/streams.h"

namespace nn::cuda {

void* DeviceAllocator::allocate(size_t bytes) {
  if (bytes > (size_t{1} << 62)) throw OutOfMemory("out of memory: " + std::to_string(bytes) + " bytes asked for");
  const SizeClass c = size_class(bytes);
  const cudaStream_t stream = current_stream(index_);
  const std::lock_guard lock(mutex_);
  if (!waiting_.empty()) take_back_finished();
  ++stats_.allocations;
  void* data = nullptr;
  auto& lists = cached_[stream].of_class;
  if (static_cast<size_t>(c.index) < lists.size() && !lists[c.index].empty()) {
    data = lists[c.index].back();
    lists[c.index].pop_back();
    stats_.cached_bytes -= static_cast<int64_t>(c.bytes);
  } else {
    data = from_device(c.bytes);
  }
  live_[data] = {stream, {}};
  stats_.live_bytes += static_cast<int64_t>(c.bytes);
  if (stats_.live_bytes > stats_.peak_bytes) stats_.peak_bytes = stats_.live_bytes;
  return data;
}

void DeviceAllocator::release(void* data, size_t bytes) noexcept {
  const SizeClass c = size_class(bytes);
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(data);
  if (found == live_.end()) return;
  const Live live = std::move(found->second);
  live_.erase(found);
  stats_.live_bytes -= static_cast<int64_t>(c.bytes);
  stats_.cached_bytes += static_cast<int64_t>(c.bytes);
  if (live.others.empty()) {
    keep(data, c.index, c.bytes, live.stream);
    return;
  }
  Waiting waiting{data, bytes, live.stream, {}};
  for (cudaStream_t other : live.others) {
    cudaEvent_t event = nullptr;
    if (cudaEventCreateWithFlags(&event, cudaEventDisableTiming) != cudaSuccess) continue;
    cudaEventRecord(event, other);
    waiting.events.push_back(event);
  }
  waiting_.push_back(std::move(waiting));
}

void DeviceAllocator::keep(void* data, int index, size_t, cudaStream_t stream) {
  auto& lists = cached_[stream].of_class;
  if (static_cast<size_t>(index) >= lists.size()) lists.resize(static_cast<size_t>(index) + 1);
  lists[index].push_back(data);
}

void DeviceAllocator::take_back_finished() {
  std::erase_if(waiting_, [this](Waiting& w) {
    std::erase_if(w.events, [](cudaEvent_t event) {
      if (cudaEventQuery(event) == cudaErrorNotReady) return false;
      cudaEventDestroy(event);
      return true;
    });
    if (!w.events.empty()) return false;
    const SizeClass c = size_class(w.bytes);
    keep(w.data, c.index, c.bytes, w.stream);
    return true;
  });
}

void* DeviceAllocator::from_device(size_t bytes) {
  make_current(index_);
  ++stats_.system_allocations;
  void* data = nullptr;
  cudaError_t error = cudaMalloc(&data, bytes);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();  // this error is dealt with here
    drop_cached();
    error = cudaMalloc(&data, bytes);
  }
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    size_t free = 0, total = 0;
    (void)cudaMemGetInfo(&free, &total);
    throw OutOfMemory("CUDA out of memory: " + std::to_string(bytes) + " bytes asked for on cuda:" +
                      std::to_string(index_) + ", " + std::to_string(free) + " of " + std::to_string(total) +
                      " bytes are free, " + std::to_string(stats_.live_bytes) + " are in use by arrays");
  }
  check(error, "cudaMalloc");
  return data;
}

// cudaFree waits for the device, so that nothing is in use any more. What waits for other streams stays.
void DeviceAllocator::drop_cached() {
  for (auto& [stream, lists] : cached_)
    for (auto& blocks : lists.of_class) {
      for (void* data : blocks) (void)cudaFree(data);
      blocks.clear();
    }
  stats_.cached_bytes = 0;
  for (const Waiting& w : waiting_) stats_.cached_bytes += static_cast<int64_t>(size_class(w.bytes).bytes);
}

void DeviceAllocator::empty_cache() {
  make_current(index_);
  check(cudaDeviceSynchronize(), "emptying the cache");
  const std::lock_guard lock(mutex_);
  take_back_finished();
  drop_cached();
}

MemoryStats DeviceAllocator::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void DeviceAllocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak_bytes = stats_.live_bytes;
}

void DeviceAllocator::record_use(void* data, cudaStream_t stream) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(data);
  if (found != live_.end() && found->second.stream != stream) found->second.others.push_back(stream);
}

void DeviceAllocator::forget_stream(cudaStream_t stream) {
  const std::lock_guard lock(mutex_);
  const auto found = cached_.find(stream);
  if (found == cached_.end()) return;
  const Lists lists = std::move(found->second);
  cached_.erase(found);
  for (size_t i = 0; i < lists.of_class.size(); ++i)
    for (void* data : lists.of_class[i]) keep(data, static_cast<int>(i), 0, nullptr);
  for (auto& [data, live] : live_)
    if (live.stream == stream) live.stream = nullptr;
}

}  // namespace nn::cuda
