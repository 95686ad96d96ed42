#include "core/launch.h"
#include "math/conv_window.h"
#include "ops/conv.h"
#include "ops/elementwise.h"

namespace nn {
namespace {

void check_each(const char* operation, const char* what, const Dims& values, int spatial, int64_t least) {
  check(values.size() == spatial, operation, ": expected ", spatial, " values of ", what, ", got ", values);
  for (int64_t v : values)
    check(v >= least, operation, ": ", what, " should be at least ", least, ", but got ", values);
}

// Windows over images of `size`; the extents of g.out tell how many fit.
ConvGeometry windows_of(const char* operation, const Dims& size, const Dims& kernel, const ConvOptions& o) {
  const int spatial = kernel.size(), lead = 3 - spatial;
  check_each(operation, "kernel_size", kernel, spatial, 1);
  check_each(operation, "stride", o.stride, spatial, 1);
  check_each(operation, "padding", o.pad_begin, spatial, 0);
  check_each(operation, "dilation", o.dilation, spatial, 1);
  ConvGeometry g{1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}};
  bool fits = true;
  for (int i = 0; i < spatial; ++i) {
    g.in[lead + i] = size[i];
    g.kernel[lead + i] = kernel[i];
    g.stride[lead + i] = o.stride[i];
    g.pad[lead + i] = o.pad_begin[i];
    g.dilation[lead + i] = o.dilation[i];
    g.out[lead + i] =
        host::window_out_size(size[i], kernel[i], o.stride[i], o.pad_begin[i], o.pad_begin[i], o.dilation[i]);
    fits = fits && g.out[lead + i] >= 1;
  }
  check(fits, operation, ": the windows (kernel_size ", kernel, ", dilation ", o.dilation, ", padding ", o.pad_begin,
        ") do not fit into spatial size ", size);
  return g;
}

int64_t count_of(const int64_t (&extents)[3]) { return extents[0] * extents[1] * extents[2]; }

void check_dtype(const char* operation, const Array& x) {
  check(is_floating(x.dtype), operation, ": expected dtype float32 or float64, got ", info(x.dtype).name);
}

}  // namespace

Array unfold(const Array& input, const Dims& kernel, const ConvOptions& options) {
  check_dtype("unfold", input);
  const int spatial = kernel.size();
  const bool batched = input.ndim() == spatial + 2;
  bool empty_image = false;
  for (int i = batched ? 1 : 0; i < input.ndim(); ++i) empty_image |= input.shape[i] == 0;
  check((batched || input.ndim() == spatial + 1) && !empty_image, "unfold: Expected ", spatial + 1, "D or ",
        spatial + 2,
        "D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
        "got: ",
        input.shape);
  const int first = batched ? 2 : 1;
  ConvGeometry g = windows_of("unfold", Dims(input.shape.begin() + first, input.shape.end()), kernel, options);
  g.N = batched ? input.shape[0] : 1;
  g.C = input.shape[first - 1];
  Dims shape{g.C * count_of(g.kernel), count_of(g.out)};
  if (batched) shape.insert(0, g.N);
  const Array x = contiguous(input), y = empty(shape, x.dtype, x.device());
  launch(kernels(x.device()).conv.unfold, UnfoldArgs{x.dtype, g, x.data(), y.data()}, x.device());
  return y;
}

Array fold(const Array& columns, const Dims& size, const Dims& kernel, const ConvOptions& options) {
  check_dtype("fold", columns);
  const bool batched = columns.ndim() == 3;
  check((batched || columns.ndim() == 2) && columns.shape[columns.ndim() - 2] != 0 && columns.shape.back() != 0,
        "fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
        "input, but got: ",
        columns.shape);
  check_each("fold", "output_size", size, kernel.size(), 1);
  ConvGeometry g = windows_of("fold", size, kernel, options);
  const int64_t rows = columns.shape[batched ? 1 : 0], taps = count_of(g.kernel);
  check(rows % taps == 0,
        "fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
        "but got input.size(1)=",
        rows, " and kernel_size=", kernel);
  check(columns.shape.back() == count_of(g.out), "fold: Given output_size=", size, ", kernel_size=", kernel,
        ", dilation=", options.dilation, ", padding=", options.pad_begin, ", stride=", options.stride,
        ", expected size of input's dimension 2 to match the calculated number of sliding blocks ", count_of(g.out),
        ", but got input.size(2)=", columns.shape.back());
  g.N = batched ? columns.shape[0] : 1;
  g.C = rows / taps;
  Dims shape{g.C};
  if (batched) shape.insert(0, g.N);
  for (int64_t extent : size) shape.push_back(extent);
  const Array y = contiguous(columns), x = empty(shape, y.dtype, y.device());
  launch(kernels(y.device()).conv.fold, UnfoldArgs{y.dtype, g, x.data(), y.data()}, y.device());
  return x;
}

}  // namespace nn
