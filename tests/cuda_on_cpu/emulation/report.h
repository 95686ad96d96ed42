// What the emulation found wrong, and how it is to run.
#pragma once

#include <cstdint>

namespace cuda_on_cpu {

// Prints a mistake with the kernel, block and thread in which it was found, and makes the device fail from now on, as a
// GPU does after a fault: the next call of the runtime returns cudaErrorLaunchFailure.
[[gnu::format(printf, 1, 2)]] void report(const char* format, ...);

// In which order the threads of a block are started and, after they waited, go on. Right kernels do not depend on it.
enum class Order { forward, reverse, random };

struct Options {
  Order order = Order::forward;
  uint64_t seed = 1;
  bool late_copies = true;    // cp.async, TMA and wgmma complete when they are waited for, not when they start
  bool late_streams = false;  // the work of a stream runs when it is waited for, not when it is queued
  uint64_t memory = uint64_t{4} << 30;  // of the device
  bool protect = true;                  // the host cannot touch the device's memory
};
extern Options options;

}  // namespace cuda_on_cpu

// For tests, which call these through ctypes or the emulated module.
extern "C" {
// The number of mistakes so far, and their text. Clearing also revives the device.
int cuda_on_cpu_report_count();
const char* cuda_on_cpu_report_text();
void cuda_on_cpu_clear_reports();
// order (0, 1, 2), seed, late_copies, late_streams, memory, protect. Returns the value it had, or -1 for a name that is
// none of these.
int64_t cuda_on_cpu_configure(const char* option, int64_t value);
}
