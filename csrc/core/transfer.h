// Between the host's memory and an array's, wherever that is. All host code that reads or writes elements goes through
// these functions, apart from NumPy's view of a CPU array.
#pragma once

#include <cstddef>

#include "core/array.h"

namespace nn {

// Writes `bytes` from the host to the memory that begins at the first element of x. `from` may be overwritten after.
void upload(const Array& x, const void* from, size_t bytes);

// Reads it; waits for what computes it, and raises what kernels have reported.
void download(void* to, const Array& x, size_t bytes);

// The only element of x, or the first one.
template <class T>
T first_element(const Array& x) {
  T value;
  download(&value, x, sizeof value);
  return value;
}

// Copies the memory of contiguous arrays of one dtype and size that lie on different devices.
void transfer(const Array& to, const Array& from);

}  // namespace nn
