#include "core/plan_memory.h"

#include "core/allocator.h"

namespace nn {

PlanMemory::~PlanMemory() {
  for (const auto& [data, block] : blocks_) allocator(device_).release(data, block.bytes);
}

// The smallest block that is free and fits, unless most of it would lie idle.
void* PlanMemory::allocate(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = free_.lower_bound(bytes);
  void* data = nullptr;
  if (found != free_.end() && found->first <= 2 * bytes + 4096) {
    data = found->second;
    free_.erase(found);
  } else {
    data = allocator(device_).allocate(bytes);
    blocks_[data] = {bytes, 0, false};
    total_ += bytes;
  }
  Block& block = blocks_[data];
  block.asked = bytes;
  block.live = true;
  live_ += bytes;
  if (live_ > peak_) peak_ = live_;
  return data;
}

void PlanMemory::release(void* data) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(data);
  Block& block = found->second;
  block.live = false;
  live_ -= block.asked;
  if (stage_ == Stage::recording) {
    try {
      free_.emplace(block.bytes, data);
    } catch (const std::bad_alloc&) {  // then nobody reuses it
    }
  } else if (stage_ == Stage::abandoned) {
    allocator(device_).release(data, block.bytes);
    blocks_.erase(found);
  }
}

void PlanMemory::freeze() {
  const std::lock_guard lock(mutex_);
  stage_ = Stage::frozen;
  free_.clear();
}

void PlanMemory::abandon() noexcept {
  const std::lock_guard lock(mutex_);
  stage_ = Stage::abandoned;
  free_.clear();
  for (auto at = blocks_.begin(); at != blocks_.end();) {
    if (at->second.live) {
      ++at;
      continue;
    }
    allocator(device_).release(at->first, at->second.bytes);
    at = blocks_.erase(at);
  }
}

}  // namespace nn
