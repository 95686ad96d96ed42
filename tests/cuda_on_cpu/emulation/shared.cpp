// Shared memory: a window of addresses for each block of a cluster. Variables get their places when a thread first
// comes to them, with a gap between, and are full of ones, which is NaN for floating types.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "scheduler.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_on_cpu {
namespace {

constexpr size_t kMaxCluster = 16;
constexpr size_t kWindow = size_t{1} << kWindowBits;

}  // namespace

char* shared_memory() {
  static char* const memory = [] {
    const size_t bytes =
        kWindow * (kMaxCluster + 1);  // aligned to a window: low bits of an address are the place in it
    void* raw = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(raw) + kWindow - 1) & ~(kWindow - 1));
  }();
  return memory;
}

bool in_shared(const void* pointer) {
  const auto* p = static_cast<const char*>(pointer);
  return p >= shared_memory() && p < shared_memory() + kWindow * kMaxCluster;
}

uint32_t shared_address(const void* pointer) {
  if (!in_shared(pointer)) report("a pointer that is not into shared memory is used as one");
  return static_cast<uint32_t>(static_cast<const char*>(pointer) - shared_memory());
}

char* shared_pointer(uint32_t address) { return shared_memory() + address; }

void* shared_variable(SharedSite& site, size_t bytes, size_t alignment) {
  Block& block = *current_thread()->block;
  if (site.block == block.number) return site.place;
  for (const Block::Variable& variable : block.variables)
    if (variable.site == &site) return variable.begin;
  const size_t start = (block.shared_used + 16 + alignment - 1) / alignment * alignment;  // a gap before each
  size_t static_bytes = bytes;
  for (const Block::Variable& variable : block.variables)
    if (variable.site != nullptr) static_bytes += static_cast<size_t>(variable.end - variable.begin);
  if (static_bytes > kStaticShared)
    report("%zu bytes of static shared memory, the limit is %zu", static_bytes, kStaticShared);
  if (static_bytes + current_launch().dynamic_shared > kSharedLimit)
    report("more than %zu bytes of shared memory", kSharedLimit);
  if (start + bytes > kWindow) std::abort();
  block.shared_used = start + bytes;
  site.block = block.number;
  site.place = block.shared + start;
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(site.place, bytes);
#endif
  std::memset(site.place, 0xff, bytes);
  block.variables.push_back({&site, site.place, site.place + bytes});
  return site.place;
}

void* dynamic_shared() { return current_thread()->block->shared + kReservedShared; }

}  // namespace cuda_on_cpu
