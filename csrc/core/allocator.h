// Memory of one device. Freed blocks are kept for the next request of their size, so that a training loop in its
// steady state asks the system for nothing and takes no page faults.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device.h"

namespace nn {

struct MemoryStats {
  int64_t live_bytes;          // in use by arrays and running kernels
  int64_t cached_bytes;        // kept for reuse
  int64_t peak_bytes;          // the most that was live at once since the last reset
  int64_t allocations;         // requests since the start
  int64_t system_allocations;  // of those, the ones that went to the system
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  // `bytes` of memory, aligned to 64 at least, not initialised. Throws Error when there is none.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* data, size_t bytes) noexcept = 0;  // with the same `bytes`
  virtual void empty_cache() = 0;
  virtual MemoryStats stats() = 0;
  virtual void reset_peak() = 0;
};

Allocator& allocator(Device device);
Allocator& cpu_allocator();

}  // namespace nn
