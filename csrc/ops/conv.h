// Convolution of one to three spatial dimensions, which the number of dimensions of the weight tells:
// x [N, C, in...] or unbatched [C, in...], w [K, C / groups, kernel...], y [N, K, out...] or [K, out...].
#pragma once

#include <optional>

#include "core/array.h"

namespace nn {

// One value for each spatial dimension.
struct ConvOptions {
  Dims stride, pad_begin, pad_end, dilation;
  int64_t groups;
};

Array conv(const Array& x, const Array& w, const std::optional<Array>& bias, const ConvOptions& options);

// The gradients of sum(gy * conv(x, w)); shapes as x and w have them. pad_end is not looked at: gy tells the extents.
// With a bias, of one value for each channel of x, the first is a transposed convolution.
Array conv_backward_input(const Array& gy, const Array& w, const std::optional<Array>& bias, const Dims& x_shape,
                          const ConvOptions& options);
Array conv_backward_weight(const Array& gy, const Array& x, const Dims& w_shape, const ConvOptions& options);

// [N, C, in...] or [C, in...] to the columns of its windows, [N, C * taps, outputs] or [C * taps, outputs], and the sum
// of such columns into images of `size`. `kernel` counts the taps of each spatial dimension; pad_end and groups of the
// options are not used.
Array unfold(const Array& x, const Dims& kernel, const ConvOptions& options);
Array fold(const Array& columns, const Dims& size, const Dims& kernel, const ConvOptions& options);

}  // namespace nn
