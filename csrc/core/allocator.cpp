#include "core/allocator.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdlib>
#include <mutex>
#include <vector>

#include "core/backend.h"
#include "core/error.h"
#include "core/scratch.h"
#include "core/size_class.h"

// Under AddressSanitizer neither a block in the cache nor what rounding added to a block in use may be touched.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(data, bytes)
#endif

namespace nn {
namespace {

constexpr size_t kAlignment = kBlockAlignment;
constexpr size_t kHugePage = size_t{2} << 20;

class CpuAllocator final : public Allocator {
 public:
  void* allocate(size_t bytes) override {
    const SizeClass c = size_class(bytes);
    std::unique_lock lock(mutex_);
    ++stats_.allocations;
    void* data = nullptr;
    if (!free_[c.index].empty()) {
      data = free_[c.index].back();
      free_[c.index].pop_back();
      stats_.cached_bytes -= c.bytes;
    } else {
      data = from_system(c.bytes, bytes);
    }
    stats_.live_bytes += c.bytes;
    if (stats_.live_bytes > stats_.peak_bytes) stats_.peak_bytes = stats_.live_bytes;
    ASAN_POISON_MEMORY_REGION(data, c.bytes);
    ASAN_UNPOISON_MEMORY_REGION(data, bytes);
    return data;
  }

  void release(void* data, size_t bytes) noexcept override {
    const SizeClass c = size_class(bytes);
    std::unique_lock lock(mutex_);
    stats_.live_bytes -= c.bytes;
    try {
      free_[c.index].push_back(data);
      stats_.cached_bytes += c.bytes;
      ASAN_POISON_MEMORY_REGION(data, c.bytes);
    } catch (const std::bad_alloc&) {
      std::free(data);
    }
  }

  void empty_cache() override {
    std::unique_lock lock(mutex_);
    drop_cached();
  }

  MemoryStats stats() override {
    std::unique_lock lock(mutex_);
    return stats_;
  }

  void reset_peak() override {
    std::unique_lock lock(mutex_);
    stats_.peak_bytes = stats_.live_bytes;
  }

  std::mutex& mutex() { return mutex_; }

 private:
  static constexpr int kClasses = 4 + 4 * 56;

  void* from_system(size_t rounded, size_t asked) {
    ++stats_.system_allocations;
    const size_t alignment = rounded >= 2 * kHugePage ? kHugePage : kAlignment;
    const size_t size = (rounded + alignment - 1) / alignment * alignment;
    if (asked > (size_t{1} << 62)) fail<OutOfMemoryError>("out of memory: ", asked, " bytes asked for");
    void* data = std::aligned_alloc(alignment, size);
    if (data == nullptr) {
      drop_cached();
      data = std::aligned_alloc(alignment, size);
    }
    if (data == nullptr)
      fail<OutOfMemoryError>("out of memory: ", asked, " bytes asked for, ", stats_.live_bytes,
                             " bytes are in use by arrays");
    // Large pages save most of the page faults of a large array's first touch. A refusal does no harm.
    if (alignment == kHugePage) madvise(data, size, MADV_HUGEPAGE);
    return data;
  }

  void drop_cached() {
    for (auto& blocks : free_) {
      for (void* data : blocks) std::free(data);
      blocks.clear();
    }
    stats_.cached_bytes = 0;
  }

  std::mutex mutex_;
  std::vector<void*> free_[kClasses];
  MemoryStats stats_{};
};

// Never destroyed: arrays may outlive every static object. Held across fork, so that a child finds it unlocked.
CpuAllocator& the_cpu_allocator() {
  static CpuAllocator* instance = [] {
    static CpuAllocator* made = new CpuAllocator;
    pthread_atfork([] { made->mutex().lock(); }, [] { made->mutex().unlock(); }, [] { made->mutex().unlock(); });
    return made;
  }();
  return *instance;
}

}  // namespace

Allocator& cpu_allocator() { return the_cpu_allocator(); }

Allocator& allocator(Device device) {
  if (device.type == DeviceType::cpu) return the_cpu_allocator();
  return backend(device).allocator(device.index);
}

Scratch::Scratch(size_t bytes) : data(the_cpu_allocator().allocate(bytes)), bytes_(bytes) {}
Scratch::~Scratch() { the_cpu_allocator().release(data, bytes_); }

void throw_scratch_exhausted() {
  fail<OutOfMemoryError>("out of memory: a kernel found no working memory for its threads");
}

}  // namespace nn
