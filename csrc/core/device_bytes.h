// Bytes of the host that stay on a device, outside of any array.
#pragma once

#include "core/allocator.h"
#include "core/backend.h"

namespace nn {

struct DeviceBytes {
  DeviceBytes(Device where, const void* from, size_t count)
      : device(where), bytes(count), data(allocator(where).allocate(count)) {
    backend(where).upload(where.index, data, from, count);
    backend(where).synchronize(where.index);  // whichever stream reads them
  }
  ~DeviceBytes() { allocator(device).release(data, bytes); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;

  const Device device;
  const size_t bytes;
  void* const data;
};

}  // namespace nn
