#include "core/launch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>

#include "core/backend.h"
#include "core/plan.h"
#include "core/threads.h"

namespace nn {
namespace {

std::atomic<bool> profiling{false};
std::atomic<LaunchCheck> launch_check{nullptr};
std::mutex profile_mutex;
std::map<std::string, KernelTime> profile;

// A launch on a device with a stream of its own: this thread goes on at once, unless it is to measure the time.
void launch_on(Device device, const ErasedKernel& kernel, const void* args) {
  Backend& b = backend(device);
  const bool timed = profiling.load(std::memory_order_relaxed);
  if (timed) b.synchronize(device.index);
  const auto start = std::chrono::steady_clock::now();
  kernel.call(kernel.run, args, b.begin_launch(device.index));
  b.end_launch(device.index, kernel.name);
  if (!timed) return;
  b.synchronize(device.index);
  add_to_profile(kernel.name, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

}  // namespace

void refuse_half(const char* kernel) {
  fail<NotImplementedError>(kernel, ": not implemented for float16 and bfloat16");
}

void launch_erased(const ErasedKernel& kernel, const void* args, size_t bytes, Device device) {
  if (const LaunchCheck check = launch_check.load(std::memory_order_relaxed)) check(kernel.name);
  if (some_thread_records()) [[unlikely]]
    if (Recording* recording = Recording::current()) recording->launched(kernel, args, bytes, device);
  if (device.type != DeviceType::cpu) {
    launch_on(device, kernel, args);
    return;
  }
  const Team team;
  const LaunchContext context{team.threads, nullptr};
  if (!profiling.load(std::memory_order_relaxed)) {
    kernel.call(kernel.run, args, context);
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  kernel.call(kernel.run, args, context);
  add_to_profile(kernel.name, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

void set_launch_check(LaunchCheck check) { launch_check = check; }

void set_profiling(bool on) { profiling = on; }

bool is_profiling() { return profiling.load(std::memory_order_relaxed); }

void add_to_profile(const char* name, double seconds) {
  const std::lock_guard lock(profile_mutex);
  KernelTime& entry = profile.try_emplace(name, KernelTime{name, 0, 0}).first->second;
  ++entry.launches;
  entry.seconds += seconds;
}

std::vector<KernelTime> take_profile() {
  std::vector<KernelTime> times;
  const std::lock_guard lock(profile_mutex);
  for (const auto& [name, entry] : profile) times.push_back(entry);
  profile.clear();
  std::sort(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return times;
}

}  // namespace nn
