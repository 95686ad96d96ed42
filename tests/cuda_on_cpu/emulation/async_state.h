// What threads and blocks have under way: async.cpp, wgmma.cpp.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "async.h"
#include "scheduler.h"

namespace cuda_on_cpu {

constexpr int kWarpgroup = 128;

struct AsyncCopy {
  char* to;
  const char* from;
  int bytes, source_bytes;
};
void finish_copy(const AsyncCopy& copy);

struct StoreCopy {
  Known known;
  std::function<void()> run;
};

struct AsyncState {
  std::vector<AsyncCopy> open;  // cp.async: not committed, and groups
  std::deque<std::vector<AsyncCopy>> groups;
  std::vector<StoreCopy> open_stores;  // bulk copies out of shared memory
  std::deque<std::vector<StoreCopy>> stores;
  size_t wgmma_issued = 0;  // in its life: products, groups, and groups that it knows to be complete
  size_t wgmma_committed = 0, wgmma_waited = 0;
};

struct MBarrier {
  int arrivals = 0;   // in each phase
  int pending = 0;    // in this one
  int64_t bytes = 0;  // announced and not yet copied
  uint32_t phase = 0;
  WaitList waiting;
  Clock clock, ended;  // of the arrivals so far; of the last phase
};

struct Warpgroup;  // wgmma.cpp

struct BlockAsync {
  BlockAsync();
  ~BlockAsync();
  std::map<uint32_t, MBarrier> barriers;  // by address
  std::map<int, std::unique_ptr<Warpgroup>> warpgroups;
};

}  // namespace cuda_on_cpu
