#include "core/array.h"

#include "core/allocator.h"

namespace nn {

Storage::Storage(size_t size, Device where) : data(allocator(where).allocate(size)), bytes(size), device(where) {}

Storage::Storage(void* memory, size_t size, Device where, std::function<void()> free)
    : data(memory), bytes(size), device(where), free_(std::move(free)) {}

Storage::~Storage() {
  if (free_)
    free_();
  else
    allocator(device).release(data, bytes);
}

bool Array::is_contiguous() const {
  int64_t expected = 1;
  for (int i = ndim() - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] == 1) continue;
    if (strides[i] != expected) return numel() == 0;
    expected *= shape[i];
  }
  return true;
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides = Dims::filled(shape.size(), 1);
  for (int i = shape.size() - 2; i >= 0; --i) strides[i] = strides[i + 1] * (shape[i + 1] > 1 ? shape[i + 1] : 1);
  return strides;
}

Array empty(const Dims& shape, DType dtype, Device device) {
  int64_t count = 1;
  for (int64_t extent : shape) {
    check(extent >= 0, "empty: expected extents of at least 0, got shape ", shape);
    check(!__builtin_mul_overflow(count, extent, &count) && count < (int64_t{1} << 59), "empty: shape ", shape,
          " is too large");
  }
  auto storage = std::make_shared<Storage>(count * itemsize(dtype), device);
  return {std::move(storage), dtype, shape, contiguous_strides(shape), 0};
}

Array view(const Array& x, const Dims& shape, const Dims& strides, int64_t offset) {
  return {x.storage, x.dtype, shape, strides, offset};
}

Array alias(const Array& x) {
  const Storage& memory = *x.storage;
  auto same = std::make_shared<Storage>(memory.data, memory.bytes, memory.device, [kept = x.storage] {});
  return {std::move(same), x.dtype, x.shape, x.strides, x.offset};
}

}  // namespace nn
