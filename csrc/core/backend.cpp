#include "core/backend.h"

#include <atomic>
#include <mutex>

#include "core/error.h"
#include "core/faults.h"

namespace nn {
namespace {

std::atomic<BackendLoader> loader{nullptr};
std::atomic<Backend*> available{nullptr};
thread_local int current = 0;

int count_devices() {
  static const int count = available.load()->device_count();
  return count;
}

}  // namespace

void set_backend_loader(BackendLoader load) { loader = load; }

Backend* find_backend(std::string& reason) {
  if (Backend* const found = available.load(std::memory_order_acquire)) return found;
  // Not held while loading: the loader takes the interpreter lock, which the thread that waits here might hold.
  static std::mutex mutex;
  static std::string why;
  {
    const std::lock_guard lock(mutex);
    reason = why;
  }
  if (!reason.empty()) return nullptr;
  const BackendLoader load = loader;
  Backend* const found = load != nullptr ? load(reason) : nullptr;
  if (found != nullptr) reason = found->unavailable();
  if (found != nullptr && reason.empty()) {
    available.store(found, std::memory_order_release);
    return found;
  }
  if (reason.empty()) reason = "there is no backend for it";
  const std::lock_guard lock(mutex);
  why = reason;
  return nullptr;
}

Backend& backend(Device device) {
  Backend* found = available.load(std::memory_order_acquire);
  if (found == nullptr) {
    std::string reason;
    found = find_backend(reason);
    check(found != nullptr, "device ", to_string(device), " is not available: ", reason);
  }
  check(0 <= device.index && device.index < count_devices(), "device ", to_string(device),
        " is not available: this machine has ", count_devices(), count_devices() == 1 ? " GPU" : " GPUs");
  return *found;
}

void synchronize(Device device) {
  if (device.type == DeviceType::cpu) return;
  backend(device).synchronize(device.index);
  raise_reported(device);
}

int current_device() { return current; }

void set_current_device(int index) {
  backend({DeviceType::cuda, index});
  current = index;
}

}  // namespace nn
