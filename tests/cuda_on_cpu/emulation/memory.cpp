#include "memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "report.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_on_cpu {
namespace {

constexpr size_t kReserved = size_t{64} << 30;  // addresses, not memory
constexpr size_t kAlign = 512, kGap = 512;      // cudaMalloc aligns to 256 at least
constexpr size_t kPage = 4096, kLarge = 1 << 20;

struct Memory {
  char* base;
  size_t top = 0;     // all allocations lie below
  size_t opened = 0;  // bytes from base that were ever opened
  size_t used = 0;
  int openings = 0;
  std::map<char*, size_t> blocks;     // allocated: address and bytes asked for
  std::multimap<size_t, char*> free;  // by size, each with its gap

  Memory() {
    void* p = mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
      std::perror("cuda_on_cpu: no addresses for the memory of the device");
      std::abort();
    }
    base = static_cast<char*>(p);
  }

  void protect(int how) {
    if (opened > 0 && mprotect(base, opened, how) != 0) {
      std::perror("cuda_on_cpu: mprotect");
      std::abort();
    }
  }
};

Memory& memory() {
  static auto* const m = new Memory;  // lives as long as the process: arrays are freed late
  return *m;
}

size_t with_gap(size_t bytes) { return (bytes + kGap + kAlign - 1) / kAlign * kAlign; }

}  // namespace

void* device_allocate(size_t bytes) {
  Memory& m = memory();
  if (bytes == 0) bytes = 1;
  if (m.used + bytes > options.memory || with_gap(bytes) > kReserved - m.top) return nullptr;
  char* place;
  const size_t wanted = with_gap(bytes);
  const auto fit = m.free.lower_bound(wanted);
  if (fit != m.free.end() && fit->first < wanted + wanted / 2 + kPage) {
    place = fit->second;
    const size_t left = fit->first - wanted;
    m.free.erase(fit);
    if (left > 0) m.free.emplace(left, place + wanted);
  } else {
    place = m.base + m.top;
    m.top += wanted;
#ifdef __SANITIZE_ADDRESS__
    __asan_poison_memory_region(place, wanted + (kPage << 6));  // as far as DeviceAccess may open
#endif
  }
  m.blocks[place] = bytes;
  m.used += bytes;
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(place, bytes);
#endif
  const DeviceAccess access;
  std::memset(place, 0xff, bytes);
  return place;
}

bool device_release(void* pointer) {
  Memory& m = memory();
  const auto block = m.blocks.find(static_cast<char*>(pointer));
  if (block == m.blocks.end()) return false;
  const size_t bytes = block->second;
  m.used -= bytes;
  m.blocks.erase(block);
  m.free.emplace(with_gap(bytes), static_cast<char*>(pointer));
  if (bytes >= kLarge) {
    const auto from = (reinterpret_cast<uintptr_t>(pointer) + kPage - 1) / kPage * kPage;
    const auto to = (reinterpret_cast<uintptr_t>(pointer) + bytes) / kPage * kPage;
    madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  }
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(pointer, with_gap(bytes));
#endif
  return true;
}

size_t device_bytes_free() { return options.memory > memory().used ? options.memory - memory().used : 0; }

bool in_device(const void* pointer) {
  const auto* p = static_cast<const char*>(pointer);
  return p >= memory().base && p < memory().base + kReserved;
}

bool device_owns(const void* pointer, size_t bytes) {
  const Memory& m = memory();
  const auto* p = static_cast<const char*>(pointer);
  auto block = m.blocks.upper_bound(const_cast<char*>(p));
  if (block == m.blocks.begin()) return false;
  --block;
  return p + bytes <= block->first + block->second;
}

DeviceAccess::DeviceAccess() {
  Memory& m = memory();
  if (m.openings++ > 0 && m.opened >= m.top) return;
  if (m.opened < m.top) m.opened = (m.top + (kPage << 6) - 1) / (kPage << 6) * (kPage << 6);
  m.protect(PROT_READ | PROT_WRITE);
}

DeviceAccess::~DeviceAccess() {
  Memory& m = memory();
  if (--m.openings == 0 && options.protect) m.protect(PROT_NONE);
}

}  // namespace cuda_on_cpu
