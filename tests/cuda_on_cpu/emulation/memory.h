// The device's memory: one range of addresses, closed to the host. Fresh memory is full of ones, which is NaN for
// floating types. Between allocations lies a gap that belongs to none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda_on_cpu {

void* device_allocate(size_t bytes);  // null where the device has no more
bool device_release(void* pointer);   // false where nothing was allocated there
size_t device_bytes_free();
bool in_device(const void* pointer);                  // in the range, allocated or not
bool device_owns(const void* pointer, size_t bytes);  // within one allocation

// Opens the device's memory while it lives. Kernels and copies have one.
class DeviceAccess {
 public:
  DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  ~DeviceAccess();
};

}  // namespace cuda_on_cpu
