// Turns arrays into the StridedLoop of an elementwise kernel: broadcast, drop, order and merge dimensions.
#pragma once

#include "core/array.h"

namespace nn {

// The shape to which two shapes broadcast; an error that names the operation and both shapes where they do not.
Dims broadcast_shapes(const char* operation, const Dims& a, const Dims& b);

// x seen with `shape`, to which its own shape broadcasts: stride 0 along repeated dimensions.
Array broadcast_to(const char* operation, const Array& x, const Dims& shape);

// The loop over `shape` for N operands with these strides: dimensions of extent 1 dropped, the others ordered by the
// strides of operand 0, the result, so that its memory is written in sequence, and merged where all operands allow it.
template <int N>
StridedLoop<N> simplify(const Dims& shape, const Dims (&strides)[N]);

// The loop for a result and inputs that broadcast to its shape.
template <int N, class... Inputs>
StridedLoop<N> loop_over([[maybe_unused]] const char* operation, const Array& result, const Inputs&... inputs) {
  static_assert(sizeof...(Inputs) == N - 1);
  const Dims strides[N] = {result.strides, broadcast_to(operation, inputs, result.shape).strides...};
  StridedLoop<N> loop = simplify<N>(result.shape, strides);
  void* const data[N] = {result.data(), inputs.data()...};
  for (int i = 0; i < N; ++i) loop.data[i] = data[i];
  return loop;
}

}  // namespace nn
