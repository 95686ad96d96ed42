// The C interface of DLPack (https://dmlc.github.io/dlpack/latest/c_api.html), version 1: the structures by which
// libraries hand tensors to each other in one process. Layouts are fixed by that specification.
#pragma once

#include <cstdint>

namespace nn::dlpack {

struct Version {
  uint32_t major, minor;
};

enum : int32_t { kCPU = 1, kCUDA = 2, kCUDAHost = 3 };
enum : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kBool = 6 };
inline constexpr uint64_t kReadOnly = 1;

struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};

struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};

struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};

struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};

struct DLManagedTensorVersioned {
  Version version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor dl_tensor;
};

}  // namespace nn::dlpack
