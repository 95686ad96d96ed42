// Array: a strided view of typed memory on a device. Copying an Array copies the view, never the memory.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "core/device.h"
#include "core/dims.h"
#include "core/dtype_info.h"

namespace nn {

class PlanMemory;

// Whether some thread records a plan (core/plan.h). Then what arrays of that thread are used for is noted.
extern std::atomic<int> recordings;
inline bool some_thread_records() { return recordings.load(std::memory_order_relaxed) != 0; }

// A block of memory that arrays share. `version` counts the writes to it, so that the tape can tell whether a value
// that it saved is still the one it saved.
struct Storage {
  // Owned: from the device's allocator, or from the plan that this thread records.
  Storage(size_t bytes, Device device);
  // Borrowed; `free` gives it back.
  Storage(void* data, size_t bytes, Device device, std::function<void()> free);
  // The same memory with a count of writes of its own.
  explicit Storage(std::shared_ptr<Storage> base);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data;
  size_t bytes;
  Device device;
  std::atomic<int64_t> version{0};
  const std::shared_ptr<Storage> base;
  const std::shared_ptr<PlanMemory> plan_memory;
  bool owned() const { return !free_ && !base; }

 private:
  std::function<void()> free_;
};

struct Array {
  std::shared_ptr<Storage> storage;
  DType dtype = DType::float32;
  Dims shape;
  Dims strides;        // in elements; may be 0 or negative
  int64_t offset = 0;  // of the first element, in elements

  int ndim() const { return shape.size(); }
  int64_t numel() const { return shape.product(); }
  Device device() const { return storage->device; }
  bool is_contiguous() const;
  void* data() const {
    if (some_thread_records()) [[unlikely]]
      note_use(false);
    return address();
  }
  void* address() const {  // the same for who does not read or write there
    return static_cast<char*>(storage->data) + offset * static_cast<int64_t>(itemsize(dtype));
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data());
  }
  void touch() const {  // call after every write
    storage->version.fetch_add(1, std::memory_order_relaxed);
    if (some_thread_records()) [[unlikely]]
      note_use(true);
  }

 private:
  void note_use(bool written) const;
};

Dims contiguous_strides(const Dims& shape);

// Of the elements that a view shows, where the lowest and the highest lie from its first one, in elements.
struct Span {
  int64_t low, high;
  int64_t size() const { return high - low + 1; }
};
Span span_of(const Dims& shape, const Dims& strides);
Array empty(const Dims& shape, DType dtype, Device device);

// The same array with another shape and strides over the same memory.
Array view(const Array& x, const Dims& shape, const Dims& strides, int64_t offset);

// The same array over the same memory, with a count of writes of its own: what is written to one is not counted by the
// other.
Array alias(const Array& x);

// Whether two arrays look at one block of memory, though perhaps at different parts of it.
inline bool share_memory(const Array& x, const Array& y) { return x.storage->data == y.storage->data; }

}  // namespace nn
