#include "ops/pool.h"

#include <limits>

#include "core/launch.h"
#include "math/conv_window.h"
#include "ops/elementwise.h"
#include "ops/same_device.h"

namespace nn {
namespace {

// Only the batch may be empty; adaptive averages of no channels are no channels, as in PyTorch.
void check_input(const char* operation, const Array& x, int spatial, bool any_channels = false) {
  check(is_floating(x.dtype), operation, ": expected dtype float32 or float64, got ", info(x.dtype).name);
  bool empty = false;
  const int channels = x.ndim() == spatial + 2 ? 1 : 0;
  for (int i = channels + (any_channels ? 1 : 0); i < x.ndim(); ++i) empty |= x.shape[i] == 0;
  check((x.ndim() == spatial + 1 || x.ndim() == spatial + 2) && !empty, operation, ": Expected ", spatial + 1, "D or ",
        spatial + 2, "D (batch mode) tensor with optional 0 dim batch size for input, but got: ", x.shape);
}

void check_windows(const char* operation, const PoolWindows& w) {
  for (int64_t k : w.kernel)
    check(k > 0, operation, ": kernel size should be greater than zero, but got kernel_size ", w.kernel);
  for (int64_t s : w.stride) check(s > 0, operation, ": stride should be greater than zero, but got stride ", w.stride);
  for (int64_t d : w.dilation)
    check(d > 0, operation, ": dilation should be greater than zero, but got dilation ", w.dilation);
  for (int i = 0; i < w.kernel.size(); ++i) {
    check(w.padding[i] >= 0, operation, ": pad must be non-negative, but got pad: ", w.padding[i]);
    check(w.padding[i] <= w.kernel[i] / 2, operation,
          ": pad should be at most half of kernel size, but got pad=", w.padding[i], " and kernel_size=", w.kernel[i]);
  }
}

// What both kinds of pooling share: the input [leading..., spatial...] as planes of three dimensions.
PoolGeometry planes_of(const Dims& shape, int spatial) {
  PoolGeometry g{};
  g.planes = 1;
  for (int i = 0; i < shape.size() - spatial; ++i) g.planes *= shape[i];
  for (int i = 0; i < 3; ++i) {
    g.in[i] = g.out[i] = g.kernel[i] = g.stride[i] = g.dilation[i] = 1;
    const int from = i - (3 - spatial);
    if (from >= 0) g.in[i] = shape[shape.size() - spatial + from];
  }
  return g;
}

PoolGeometry window_geometry(const char* operation, const Dims& shape, const PoolWindows& w) {
  check_windows(operation, w);
  const int spatial = w.kernel.size();
  PoolGeometry g = planes_of(shape, spatial);
  bool fits = true;
  for (int i = 0; i < spatial; ++i) {
    const int to = i + 3 - spatial;
    g.kernel[to] = w.kernel[i];
    g.stride[to] = w.stride[i];
    g.pad[to] = w.padding[i];
    g.dilation[to] = w.dilation[i];
    g.out[to] = host::pool_out_size(g.in[to], w.kernel[i], w.stride[i], w.padding[i], w.dilation[i], w.ceil_mode);
    fits &= g.out[to] >= 1;
  }
  check(fits, operation, ": Output size is too small: the windows (kernel_size ", w.kernel, ", dilation ", w.dilation,
        ", padding ", w.padding, ") do not fit into the input ", shape);
  return g;
}

PoolGeometry adaptive_geometry(const char* operation, const Dims& shape, const Dims& output_size) {
  const int spatial = output_size.size();
  PoolGeometry g = planes_of(shape, spatial);
  g.adaptive = true;
  for (int i = 0; i < spatial; ++i) {
    check(output_size[i] >= 0, operation, ": elements of output_size must be greater than or equal to 0 but received ",
          output_size);
    g.out[i + 3 - spatial] = output_size[i];
  }
  return g;
}

Dims with_spatial(Dims shape, const PoolGeometry& g, int spatial) {
  for (int i = 0; i < spatial; ++i) shape[shape.size() - spatial + i] = g.out[i + 3 - spatial];
  return shape;
}

std::tuple<Array, std::optional<Array>> run_max(const Array& input, const PoolGeometry& g, int spatial,
                                                bool want_index) {
  check(g.in[0] * g.in[1] * g.in[2] <= std::numeric_limits<int32_t>::max(),
        "max_pool: expected fewer than 2^31 elements in a plane, got input ", input.shape);
  const Array x = contiguous(input);
  const Dims shape = with_spatial(x.shape, g, spatial);
  const Array y = empty(shape, x.dtype, x.device());
  std::optional<Array> index;
  if (want_index) index = empty(shape, DType::int32, x.device());
  const MaxPoolArgs args{x.dtype, g, x.data(), y.data(), index ? index->as<int32_t>() : nullptr};
  launch(kernels(x.device()).pool.max_forward, args, x.device());
  return {y, index};
}

// The gradient of a pooling that made `pooled` from planes of `shape`.
void check_gradient(const char* operation, const Array& gy, const Dims& pooled, const Dims& shape, int spatial) {
  check(is_floating(gy.dtype) && gy.shape == pooled && shape.size() == pooled.size() && spatial < shape.size() &&
            Dims(shape.begin(), shape.end() - spatial) == Dims(pooled.begin(), pooled.end() - spatial),
        operation, ": expected a gradient of shape ", pooled, " for input ", shape, ", got ", gy.shape, " of ",
        info(gy.dtype).name);
}

MaxPoolIndexArgs index_args(const Array& gx, const Array& gy, const Array& index, int spatial,
                            const std::optional<PoolWindows>& windows) {
  check_same_device("max_pool", gy, index);
  check(index.dtype == DType::int32 && index.is_contiguous(), "max_pool: expected the index that max_pool made");
  const Dims out(gy.shape.end() - spatial, gy.shape.end());
  const PoolGeometry g = windows ? window_geometry("max_pool_backward", gx.shape, *windows)
                                 : adaptive_geometry("max_pool_backward", gx.shape, out);
  check(with_spatial(gx.shape, g, spatial) == gy.shape, "max_pool_backward: expected the windows that made ", gy.shape,
        " of ", gx.shape);
  return {gx.dtype, g, gx.data(), gy.data(), index.as<int32_t>()};
}

Array run_avg(const Array& input, const PoolGeometry& g, int spatial, bool count_include_pad, int64_t divisor) {
  const Array x = contiguous(input);
  const Array y = empty(with_spatial(x.shape, g, spatial), x.dtype, x.device());
  const AvgPoolArgs args{x.dtype, g, count_include_pad, divisor, x.data(), y.data()};
  launch(kernels(x.device()).pool.avg_forward, args, x.device());
  return y;
}

Array run_avg_backward(const Array& gradient, const Dims& shape, const PoolGeometry& g, int spatial,
                       bool count_include_pad, int64_t divisor) {
  check_gradient("avg_pool_backward", gradient, with_spatial(shape, g, spatial), shape, spatial);
  const Array gy = contiguous(gradient);
  const Array gx = empty(shape, gy.dtype, gy.device());
  const AvgPoolArgs args{gy.dtype, g, count_include_pad, divisor, gx.data(), gy.data()};
  launch(kernels(gy.device()).pool.avg_backward, args, gy.device());
  return gx;
}

}  // namespace

std::tuple<Array, std::optional<Array>> max_pool(const Array& x, const PoolWindows& windows, bool want_index) {
  const int spatial = windows.kernel.size();
  check_windows("max_pool", windows);
  check_input("max_pool", x, spatial);
  return run_max(x, window_geometry("max_pool", x.shape, windows), spatial, want_index);
}

std::tuple<Array, std::optional<Array>> adaptive_max_pool(const Array& x, const Dims& output_size, bool want_index) {
  check_input("adaptive_max_pool", x, output_size.size());
  return run_max(x, adaptive_geometry("adaptive_max_pool", x.shape, output_size), output_size.size(), want_index);
}

Array max_pool_backward(const Array& gradient, const Array& index, const Dims& shape, int spatial,
                        const std::optional<PoolWindows>& windows) {
  check_gradient("max_pool_backward", gradient, index.shape, shape, spatial);
  const Array gy = contiguous(gradient);
  const Array gx = empty(shape, gy.dtype, gy.device());
  launch(kernels(gy.device()).pool.max_backward, index_args(gx, gy, index, spatial, windows), gy.device());
  return gx;
}

Array max_pool_gather(const Array& input, const Array& index, int spatial, const std::optional<PoolWindows>& windows) {
  check_gradient("max_pool_gather", input, input.shape, index.shape, spatial);
  const Array x = contiguous(input);
  const Array y = empty(index.shape, x.dtype, x.device());
  launch(kernels(x.device()).pool.max_gather, index_args(x, y, index, spatial, windows), x.device());
  return y;
}

Array avg_pool(const Array& x, const PoolWindows& windows, bool count_include_pad, int64_t divisor) {
  const int spatial = windows.kernel.size();
  check_windows("avg_pool", windows);
  check_input("avg_pool", x, spatial);
  return run_avg(x, window_geometry("avg_pool", x.shape, windows), spatial, count_include_pad, divisor);
}

Array avg_pool_backward(const Array& gy, const Dims& shape, const PoolWindows& windows, bool count_include_pad,
                        int64_t divisor) {
  const PoolGeometry g = window_geometry("avg_pool", shape, windows);
  return run_avg_backward(gy, shape, g, windows.kernel.size(), count_include_pad, divisor);
}

Array adaptive_avg_pool(const Array& x, const Dims& output_size) {
  const int spatial = output_size.size();
  check_input("adaptive_avg_pool", x, spatial, true);
  return run_avg(x, adaptive_geometry("adaptive_avg_pool", x.shape, output_size), spatial, false, 0);
}

Array adaptive_avg_pool_backward(const Array& gy, const Dims& shape, int spatial) {
  const Dims output_size(gy.shape.end() - spatial, gy.shape.end());
  const PoolGeometry g = adaptive_geometry("adaptive_avg_pool", shape, output_size);
  return run_avg_backward(gy, shape, g, spatial, false, 0);
}

}  // namespace nn
