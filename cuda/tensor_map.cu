// Tensor maps are made by the driver. Its function is looked up when it is first needed, so that the module loads on
// machines without a driver.
#include <stdexcept>
#include <string>

#include "cuda/tensor_map.h"

namespace nn::cuda {

#ifdef NN_CUDA_EMULATION

TensorMap make_tensor_map(const TensorMapSpec& spec) {
  TensorMap map{};
  map.base = static_cast<char*>(const_cast<void*>(spec.data));
  map.element_bytes = static_cast<uint32_t>(spec.element_bytes);
  map.dims = 2;
  map.size[0] = static_cast<uint64_t>(spec.cols), map.size[1] = static_cast<uint64_t>(spec.rows);
  map.stride[0] = map.element_bytes, map.stride[1] = static_cast<uint64_t>(spec.pitch);
  map.box[0] = 128 / map.element_bytes, map.box[1] = static_cast<uint32_t>(spec.box_rows);
  map.step[0] = map.step[1] = 1;
  map.swizzle = 128;
  return map;
}

#else

namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

Encode find_encode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found);
  if (error != cudaSuccess || found != cudaDriverEntryPointSuccess)
    throw std::runtime_error("the CUDA driver has no cuTensorMapEncodeTiled: it is older than 12.0");
  return reinterpret_cast<Encode>(function);
}

}  // namespace

TensorMap make_tensor_map(const TensorMapSpec& spec) {
  static const Encode encode = find_encode();
  TensorMap map{};
  // Both kinds of elements are moved as they are: 16 bits as bfloat16, and 32 as float32, which are not rounded.
  const CUtensorMapDataType type =
      spec.element_bytes == 2 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  const cuuint64_t size[2] = {static_cast<cuuint64_t>(spec.cols), static_cast<cuuint64_t>(spec.rows)};
  const cuuint64_t pitch[1] = {static_cast<cuuint64_t>(spec.pitch)};
  const cuuint32_t box[2] = {static_cast<cuuint32_t>(128 / spec.element_bytes), static_cast<cuuint32_t>(spec.box_rows)};
  const cuuint32_t step[2] = {1, 1};
  const CUresult result =
      encode(&map, type, 2, const_cast<void*>(spec.data), size, pitch, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
             CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw std::runtime_error("cuTensorMapEncodeTiled refused a matrix of " + std::to_string(spec.rows) + " x " +
                             std::to_string(spec.cols) + " (error " + std::to_string(static_cast<int>(result)) + ")");
  return map;
}

#endif

}  // namespace nn::cuda
