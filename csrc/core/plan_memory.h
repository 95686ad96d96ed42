// The memory of one plan. While the plan is recorded it is an allocator of its own; then its blocks stay where they
// are, and each is given back when neither the plan nor an array needs it.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>

#include "core/device.h"

namespace nn {

class PlanMemory {
 public:
  explicit PlanMemory(Device device) : device_(device) {}
  ~PlanMemory();
  PlanMemory(const PlanMemory&) = delete;
  PlanMemory& operator=(const PlanMemory&) = delete;

  void* allocate(size_t bytes);
  void release(void* data) noexcept;

  void freeze();            // recording is over, a plan runs in these blocks
  void abandon() noexcept;  // there is no plan (any more)

  size_t total_bytes() const { return total_; }
  size_t peak_bytes() const { return peak_; }  // most bytes of arrays that lived at once while recording

 private:
  enum class Stage { recording, frozen, abandoned };
  struct Block {
    size_t bytes, asked;
    bool live;
  };

  const Device device_;
  mutable std::mutex mutex_;
  Stage stage_ = Stage::recording;
  std::unordered_map<void*, Block> blocks_;
  std::multimap<size_t, void*> free_;
  size_t total_ = 0, live_ = 0, peak_ = 0;
};

}  // namespace nn
