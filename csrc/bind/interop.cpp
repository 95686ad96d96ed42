// Memory shared with other libraries: the buffer protocol and DLPack, both ways, without copying.
#include <cstring>

#include "bind/bind.h"
#include "bind/dlpack.h"
#include "core/backend.h"
#include "core/plan.h"

namespace nn {
namespace {

// A view of foreign memory: `owner` is kept alive until the last array over it is gone.
Array borrow(void* data, const Dims& shape, const Dims& strides, DType dtype, std::function<void()> release,
             Device device = {}) {
  // Negative strides reach below the first element; the storage starts at the lowest one.
  const Span span = span_of(shape, strides);
  const int64_t size = static_cast<int64_t>(itemsize(dtype));
  char* base = static_cast<char*>(data) + span.low * size;
  auto storage = std::make_shared<Storage>(base, span.size() * size, device, std::move(release));
  if (some_thread_records()) [[unlikely]]
    if (Recording* recording = Recording::current()) recording->constant(storage);
  return {std::move(storage), dtype, shape, strides, -span.low};
}

// ---- buffer protocol ----

DType dtype_of_format(const std::string& format, ssize_t size, bool bits) {
  const char* letters = format.c_str();
  if (*letters == '@' || *letters == '=' || *letters == '<') ++letters;
  const std::string code = letters;
  if (bits && code == "H") return DType::bfloat16;
  if (code == "f") return DType::float32;
  if (code == "d") return DType::float64;
  if (code == "e") return DType::float16;
  if (code == "?") return DType::boolean;
  if (code == "B") return DType::uint8;
  if ((code == "i" || code == "l" || code == "q") && size == 4) return DType::int32;
  if ((code == "i" || code == "l" || code == "q") && size == 8) return DType::int64;
  fail<TypeError>(
      "from_numpy: expected dtype float16, float32, float64, int32, int64, uint8 or bool in native byte order, got ",
      "buffer format '", format, "'");
}

Array from_buffer(const py::buffer& object, bool bits) {
  auto buffer = std::make_shared<py::buffer_info>(object.request());
  const DType dtype = dtype_of_format(buffer->format, buffer->itemsize, bits);
  Dims shape, strides;
  for (ssize_t i = 0; i < buffer->ndim; ++i) {
    shape.push_back(buffer->shape[i]);
    check<ValueError>(buffer->strides[i] % buffer->itemsize == 0 || buffer->size == 0,
                      "from_numpy: expected strides that are multiples of the element size, got ", buffer->strides[i],
                      " bytes for elements of ", buffer->itemsize);
    strides.push_back(buffer->size == 0 ? 1 : buffer->strides[i] / buffer->itemsize);
  }
  check<ValueError>(reinterpret_cast<uintptr_t>(buffer->ptr) % itemsize(dtype) == 0,
                    "from_numpy: expected memory aligned to its elements");
  void* data = buffer->ptr;
  return borrow(data, shape, strides, dtype, [buffer]() mutable {
    const WithLock locked;
    buffer.reset();
  });
}

py::buffer_info to_buffer(Array& x) {
  refuse_reading("a NumPy view of a tensor (numpy(), tolist(), printing)");
  check(x.device().type == DeviceType::cpu, "can't convert ", to_string(x.device()),
        " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
  const auto size = static_cast<ssize_t>(itemsize(x.dtype));
  std::vector<ssize_t> shape(x.shape.begin(), x.shape.end()), strides;
  for (int64_t stride : x.strides) strides.push_back(stride * size);
  return {x.data(), size, info(x.dtype).format, x.ndim(), shape, strides};
}

// ---- DLPack ----

dlpack::DLDataType to_dlpack(DType dtype) {
  const auto bits = static_cast<uint8_t>(itemsize(dtype) * 8);
  const int category = info(dtype).category;
  const uint8_t code = dtype == DType::bfloat16 ? dlpack::kBfloat
                       : category == 2          ? dlpack::kFloat
                       : category == 0          ? dlpack::kBool
                       : dtype == DType::uint8  ? dlpack::kUInt
                                                : dlpack::kInt;
  return {code, bits, 1};
}

DType from_dlpack(const dlpack::DLDataType& type) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto candidate = static_cast<DType>(i);
    const dlpack::DLDataType known = to_dlpack(candidate);
    if (known.code == type.code && known.bits == type.bits && type.lanes == 1) return candidate;
  }
  fail<TypeError>("from_dlpack: no dtype here for DLPack type code ", int{type.code}, ", ", int{type.bits}, " bits, ",
                  type.lanes, " lanes");
}

// What an exported tensor needs to live: the array, and its shape and strides where DLTensor points.
template <class Managed>
struct Exported {
  Array array;
  int64_t shape[kMaxDims], strides[kMaxDims];
  Managed managed;
};

template <class Managed>
py::capsule export_dlpack(const Array& x, const char* name) {
  refuse_reading("an export by DLPack");
  auto* exported = new Exported<Managed>{x, {}, {}, {}};
  for (int i = 0; i < x.ndim(); ++i) {
    exported->shape[i] = x.shape[i];
    exported->strides[i] = x.strides[i];
  }
  Managed& managed = exported->managed;
  const bool on_cpu = x.device().type == DeviceType::cpu;
  const dlpack::DLDevice place{on_cpu ? dlpack::kCPU : dlpack::kCUDA, x.device().index};
  managed.dl_tensor = {x.data(), place, x.ndim(), to_dlpack(x.dtype), exported->shape, exported->strides, 0};
  managed.manager_ctx = exported;
  managed.deleter = [](Managed* self) { delete static_cast<Exported<Managed>*>(self->manager_ctx); };
  if constexpr (requires { managed.flags; }) {
    managed.version = {1, 0};
    managed.flags = 0;
  }
  return py::capsule(&managed, name, [](PyObject* capsule) {
    // A consumer renames the capsule when it takes the tensor over; then it calls the deleter itself.
    const char* current = PyCapsule_GetName(capsule);
    if (current == nullptr || std::strncmp(current, "used_", 5) == 0) return;
    auto* tensor = static_cast<Managed*>(PyCapsule_GetPointer(capsule, current));
    tensor->deleter(tensor);
  });
}

template <class Managed>
Array import_dlpack(PyObject* capsule, const char* name, const char* used_name) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  const dlpack::DLTensor& tensor = managed->dl_tensor;
  const int32_t kind = tensor.device.device_type;
  check(kind == dlpack::kCPU || kind == dlpack::kCUDAHost || kind == dlpack::kCUDA,
        "from_dlpack: expected memory of the CPU or of a CUDA device, got DLPack device type ", kind);
  const Device device = kind == dlpack::kCUDA ? Device{DeviceType::cuda, tensor.device.device_id} : Device{};
  if (kind == dlpack::kCUDA) backend(device);  // an error that says what is missing where there is none
  const DType dtype = from_dlpack(tensor.dtype);
  const Dims shape(tensor.shape, tensor.shape + tensor.ndim);
  const Dims strides =
      tensor.strides != nullptr ? Dims(tensor.strides, tensor.strides + tensor.ndim) : contiguous_strides(shape);
  PyCapsule_SetName(capsule, used_name);
  return borrow(
      static_cast<char*>(tensor.data) + tensor.byte_offset, shape, strides, dtype,
      [managed] {
        if (managed->deleter == nullptr) return;
        const WithLock locked;
        managed->deleter(managed);
      },
      device);
}

Array from_capsule(const py::capsule& capsule) {
  const char* name = capsule.name();
  if (name != nullptr && std::strcmp(name, "dltensor_versioned") == 0) {
    const auto* managed =
        static_cast<dlpack::DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
    check(managed->version.major == 1, "from_dlpack: expected DLPack version 1, got ", managed->version.major);
    check((managed->flags & dlpack::kReadOnly) == 0, "from_dlpack: the memory is read-only; copy it first");
    return import_dlpack<dlpack::DLManagedTensorVersioned>(capsule.ptr(), "dltensor_versioned",
                                                           "used_dltensor_versioned");
  }
  check(name != nullptr && std::strcmp(name, "dltensor") == 0,
        "from_dlpack: expected a DLPack capsule that was not used yet, got ",
        name != nullptr ? name : "one without a name");
  return import_dlpack<dlpack::DLManagedTensor>(capsule.ptr(), "dltensor", "used_dltensor");
}

}  // namespace

void bind_interop(py::module_& m) {
  static_cast<py::class_<Array>>(m.attr("Array")).def_buffer(&to_buffer);
  m.def("from_buffer", &from_buffer, py::arg("buffer"), py::arg("bits") = false,
        "An array over the memory of an object with a buffer; with bits, unsigned integers of 16 bits are bfloat16.");
  m.def(
      "to_dlpack",
      [](const Array& x, bool versioned) {
        return versioned ? export_dlpack<dlpack::DLManagedTensorVersioned>(x, "dltensor_versioned")
                         : export_dlpack<dlpack::DLManagedTensor>(x, "dltensor");
      },
      py::arg("input"), py::arg("versioned"));
  m.def("from_dlpack", &from_capsule, py::arg("capsule"));
}

}  // namespace nn
