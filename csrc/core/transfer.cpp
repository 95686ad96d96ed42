#include "core/transfer.h"

#include <cstring>

#include "core/backend.h"
#include "core/faults.h"
#include "core/plan.h"

namespace nn {

void upload(const Array& x, const void* from, size_t bytes) {
  if (bytes == 0) return;
  const Device device = x.device();
  if (device.type != DeviceType::cpu) {
    backend(device).upload(device.index, x.data(), from, bytes);
  } else {
    std::memcpy(x.data(), from, bytes);
  }
  if (some_thread_records()) [[unlikely]]
    if (Recording* recording = Recording::current()) recording->uploaded(x, from, bytes);
}

void download(void* to, const Array& x, size_t bytes) {
  if (bytes == 0) return;
  const Device device = x.device();
  if (device.type == DeviceType::cpu) {
    std::memcpy(to, x.data(), bytes);
    return;
  }
  refuse_reading("reading elements");  // whatever the host does with them, a replay would not
  backend(device).download(device.index, to, x.data(), bytes);
  raise_reported(device);
}

void transfer(const Array& to, const Array& from) {
  if (some_thread_records()) [[unlikely]] {
    Recording* const recording = Recording::current();
    if (recording != nullptr && !recording->is_constant(from))
      recording->refuse("moving a tensor between devices", "Move it before the call and pass it as an argument.");
  }
  const size_t bytes = static_cast<size_t>(from.numel()) * itemsize(from.dtype);
  if (from.device().type == DeviceType::cpu)
    upload(to, from.data(), bytes);
  else if (to.device().type == DeviceType::cpu)
    download(to.data(), from, bytes);
  else if (bytes > 0)
    backend(to.device()).copy(to.device().index, to.data(), from.device().index, from.data(), bytes);
}

}  // namespace nn
