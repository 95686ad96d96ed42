// Pooling over the last `kernel.size()` (1 to 3) dimensions of [N, C, spatial...] or, without a batch, [C, spatial...].
#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include "core/array.h"

namespace nn {

// How the windows of a pooling lie. Each list has one entry for each spatial dimension.
struct PoolWindows {
  Dims kernel, stride, padding, dilation;
  bool ceil_mode;
};

// The maximum of each window, and its position in its plane (int32), if that is wanted.
std::tuple<Array, std::optional<Array>> max_pool(const Array& x, const PoolWindows& windows, bool want_index);
std::tuple<Array, std::optional<Array>> adaptive_max_pool(const Array& x, const Dims& output_size, bool want_index);

// gy added to zeros of `shape` at the positions `index`, and the elements of x at the positions, over the last
// `spatial` dimensions. `windows` are those that the positions were found with; none stands for adaptive ones.
Array max_pool_backward(const Array& gy, const Array& index, const Dims& shape, int spatial,
                        const std::optional<PoolWindows>& windows);
Array max_pool_gather(const Array& x, const Array& index, int spatial, const std::optional<PoolWindows>& windows);

// The mean of each window; divisor 0 counts its elements.
Array avg_pool(const Array& x, const PoolWindows& windows, bool count_include_pad, int64_t divisor);
Array avg_pool_backward(const Array& gy, const Dims& shape, const PoolWindows& windows, bool count_include_pad,
                        int64_t divisor);
Array adaptive_avg_pool(const Array& x, const Dims& output_size);
Array adaptive_avg_pool_backward(const Array& gy, const Dims& shape, int spatial);

// A linear map of each of the last spatial dimensions, in which y[o] is the sum of weight[t, o] * x[index[t, o]]: one
// table for each dimension, or none where it stays as it is. An index equal to the extent names a zero.
struct ResampleTable {
  Array index;   // [taps, out], int32
  Array weight;  // [taps, out], of x's dtype
};
Array resample(const Array& x, const std::vector<std::optional<ResampleTable>>& tables);

}  // namespace nn
