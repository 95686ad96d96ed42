// How a kernel reports values that it cannot work with and that the host cannot look at before the launch: an index or
// a label out of range in the memory of a GPU.
#pragma once

#include <cstdint>

namespace nn {

// One for each device, in its memory. The first report stays until the host reads it, after the next synchronisation.
struct FaultWord {
  unsigned long long code;  // 0: nothing was reported
  int64_t value;            // the one that was wrong
};

// What a launch reports: its code, put where `code` is 0. `word` is null on the CPU, where the host has checked the
// values before the launch. Otherwise the kernel checks each value before it follows it, reports one that is wrong, and
// computes what it likes in its place, as long as it stays inside its arrays.
struct FaultSite {
  FaultWord* word;
  unsigned long long code;
};

}  // namespace nn
