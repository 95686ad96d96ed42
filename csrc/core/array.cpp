#include "core/array.h"

#include "core/allocator.h"
#include "core/plan.h"

namespace nn {
namespace {

std::shared_ptr<PlanMemory> memory_of_recording(Device device) {
  if (!some_thread_records()) [[likely]]
    return nullptr;
  Recording* const recording = Recording::current();
  return recording != nullptr && recording->device() == device ? recording->memory() : nullptr;
}

}  // namespace

Storage::Storage(size_t size, Device where) : bytes(size), device(where), plan_memory(memory_of_recording(where)) {
  if (plan_memory) {
    data = plan_memory->allocate(size);
    Recording::current()->born(data, size);
  } else {
    data = allocator(where).allocate(size);
  }
}

Storage::Storage(void* memory, size_t size, Device where, std::function<void()> free)
    : data(memory), bytes(size), device(where), free_(std::move(free)) {}

Storage::Storage(std::shared_ptr<Storage> of)
    : data(of->data), bytes(of->bytes), device(of->device), base(of->base ? of->base : of) {}

Storage::~Storage() {
  if (free_)
    free_();
  else if (plan_memory) {
    if (Recording* recording = Recording::current()) recording->died(data);
    plan_memory->release(data);
  } else if (!base) {
    allocator(device).release(data, bytes);
  }
}

void Array::note_use(bool written) const {
  Recording* const recording = Recording::current();
  if (recording == nullptr) return;
  if (written)
    recording->wrote(*this);
  else
    recording->use(*this);
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

Span span_of(const Dims& shape, const Dims& strides) {
  Span span{0, 0};
  for (int i = 0; i < shape.size(); ++i)
    (strides[i] < 0 ? span.low : span.high) += strides[i] * (shape[i] > 0 ? shape[i] - 1 : 0);
  return span;
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

Array alias(const Array& x) { return {std::make_shared<Storage>(x.storage), x.dtype, x.shape, x.strides, x.offset}; }

}  // namespace nn
