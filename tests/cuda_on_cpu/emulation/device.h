// What the code of a kernel calls: include/cuda_runtime.h and cuda/primitives.cuh are made of this.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vector_types.h"

namespace cuda_on_cpu {

// A place in the source. Each has one static object, so that its address tells places apart.
struct Site {
  const char* file;
  int line;
};

// The place where this stands.
#define CUDA_ON_CPU_SITE                                              \
  ([]() -> const ::cuda_on_cpu::Site* {                               \
    static constexpr ::cuda_on_cpu::Site here = {__FILE__, __LINE__}; \
    return &here;                                                     \
  }())

constexpr int kWarp = 32;
constexpr uint32_t kFullMask = 0xffffffff;

struct Launch {
  const char* name;
  dim3 grid, block, cluster;
  size_t dynamic_shared;
};

// Runs a kernel: body(arguments) is one thread's work.
void run(const Launch& launch, void (*body)(const void*), const void* arguments);

// Meetings. The last to arrive goes on at once.
void block_barrier(const Site* site);
int block_vote(bool yes, const Site* site);  // a __syncthreads that counts
void named_barrier(int id, int threads, bool waits, const Site* site);
void cluster_arrive();
void cluster_wait(const Site* site);

// Meets the lanes of `mask` and returns what they brought: a slot for each lane of the warp. The slots stay until this
// lane's next meeting but one.
struct WarpSlot {
  alignas(16) char bytes[64];
};
const WarpSlot* warp_meeting(uint32_t mask, const void* value, size_t bytes, const char* operation, const Site* site);
int lane();

// Shared memory. All windows lie in one piece: the lower bits of an address are the place in its window, the upper ones
// the rank of the block in its cluster.
constexpr int kWindowBits = 18;
constexpr size_t kReservedShared = 1024;       // by the system, from compute capability 9.0
constexpr size_t kStaticShared = 48 << 10;     // limit for variables of a size that the compiler knows
constexpr size_t kSharedLimit = 227 << 10;     // with the opt-in
char* shared_memory();                         // of the first block
uint32_t shared_address(const void* pointer);  // __cvta_generic_to_shared
char* shared_pointer(uint32_t address);
bool in_shared(const void* pointer);

// A __shared__ variable: its place in the current block, the same for all threads.
struct SharedSite {
  uint64_t block = 0;  // the number of the block for which `place` holds
  char* place = nullptr;
};
void* shared_variable(SharedSite& site, size_t bytes, size_t alignment);
void* dynamic_shared();

}  // namespace cuda_on_cpu
