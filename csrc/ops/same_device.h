// The arrays of one operation lie on one device: its kernels follow all their pointers there.
#pragma once

#include <optional>

#include "core/array.h"

namespace nn {

[[noreturn]] void fail_devices(const std::string& operation, Device a, Device b);  // csrc/ops/elementwise.cpp

inline bool lies_on(Device device, const Array& x) { return x.device() == device; }
inline bool lies_on(Device device, const std::optional<Array>& x) { return !x || x->device() == device; }
inline Device device_of(const Array& x) { return x.device(); }
inline Device device_of(const std::optional<Array>& x) { return x->device(); }

// Arrays, or optional ones, against the device of the first.
template <class Name, class... Others>
void check_same_device(const Name& operation, const Array& x, const Others&... others) {
  const Device device = x.device();
  ((lies_on(device, others) ? void() : fail_devices(operation, device, device_of(others))), ...);
}

}  // namespace nn
