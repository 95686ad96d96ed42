// Descriptions of matrices for the tensor memory accelerator, which copies boxes of them to shared memory.
#pragma once

#include <cstdint>

#include "cuda/primitives.cuh"

namespace nn::cuda {

// A matrix of `rows` rows of `cols` adjacent elements, `pitch` bytes from one row to the next, and the box of one copy:
// box_rows rows of 128 bytes, which arrive in the 128-byte swizzle (mma_index.h). `data` and `pitch` are multiples of
// 16. element_bytes: 2, or 4.
struct TensorMapSpec {
  const void* data;
  int element_bytes;
  int64_t rows, cols, pitch;
  int box_rows;
};

// Throws std::runtime_error where the driver refuses. Reads no device memory.
TensorMap make_tensor_map(const TensorMapSpec& spec);

}  // namespace nn::cuda
