#include "ops/conv.h"

#include "core/launch.h"
#include "math/conv_window.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/same_device.h"

namespace nn {
namespace {

// The shapes of a convolution with its batch dimension, and how messages call it.
struct ConvShapes {
  std::string name;
  Dims x, w;
  bool batched;
  std::string described() const { return text("(input ", x, ", weight ", w, ")"); }
};

ConvShapes shapes_of(const std::string& suffix, const Dims& x, const Dims& w) {
  const int spatial = w.size() - 2;
  check(spatial >= 1 && spatial <= 3, "conv: expected a weight of 3 to 5 dimensions, got ", w);
  ConvShapes s{text("conv", spatial, "d", suffix), x, w, x.size() == w.size()};
  check(s.batched || x.size() == w.size() - 1, s.name, ": expected ", spatial + 1, "D (unbatched) or ", spatial + 2,
        "D (batched) input, got input of size ", x);
  if (!s.batched) s.x.insert(0, 1);
  return s;
}

void check_option(const ConvShapes& s, const char* what, const Dims& values, int64_t least) {
  check(values.size() == s.w.size() - 2, s.name, ": expected ", s.w.size() - 2, " values of ", what, ", got ", values);
  for (int64_t v : values) check(v >= least, s.name, ": ", what, " must be at least ", least, ", got ", values);
}

void check_options(const ConvShapes& s, const ConvOptions& o) {
  check_option(s, "stride", o.stride, 1);
  check_option(s, "padding", o.pad_begin, 0);
  check_option(s, "padding at the end", o.pad_end, INT64_MIN);
  check_option(s, "dilation", o.dilation, 1);
  check(o.groups >= 1, s.name, ": groups must be at least 1, got ", o.groups);
  check(s.w[0] % o.groups == 0, s.name, ": expected a number of output channels divisible by groups, got ", s.w[0],
        " channels and groups ", o.groups, " (weight ", s.w, ")");
  check(s.x[1] == s.w[1] * o.groups, s.name, ": weight expects ", s.w[1], " input channels per group, input has ",
        o.groups == 1 ? text(s.x[1]) : text(s.x[1], " channels in all"), " (input ", s.x, ", weight ", s.w, ", groups ",
        o.groups, ")");
  for (int i = 2; i < s.w.size(); ++i)
    check(s.w[i] >= 1, s.name, ": expected a kernel of at least 1, got weight ", s.w);
}

void check_arrays(const std::string& name, const Array& a, const Array& b) {
  check(a.dtype == b.dtype, name, ": expected both inputs to have the same dtype, got ", info(a.dtype).name, " and ",
        info(b.dtype).name);
  check(is_floating(a.dtype), name, ": expected dtype float32 or float64, got ", info(a.dtype).name);
  check_same_device(name, a, b);
}

std::optional<Array> check_bias(const ConvShapes& s, const Array& x, const std::optional<Array>& bias,
                                int64_t channels) {
  if (!bias) return std::nullopt;
  check(bias->ndim() == 1 && bias->shape[0] == channels, s.name, ": expected a bias of ", channels, " elements, got ",
        bias->shape, " (weight ", s.w, ")");
  check_arrays(s.name, x, *bias);
  return contiguous(*bias);
}

// Leading spatial dimensions that are not there have extent 1. `out` holds the extents of y.
ConvGeometry geometry_of(const ConvShapes& s, const ConvOptions& o, const int64_t* out) {
  ConvGeometry g{s.x[0], s.x[1], s.w[0], o.groups, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}};
  const int spatial = s.w.size() - 2, lead = 3 - spatial;
  for (int i = 0; i < spatial; ++i) {
    g.in[lead + i] = s.x[2 + i];
    g.out[lead + i] = out[i];
    g.kernel[lead + i] = s.w[2 + i];
    g.stride[lead + i] = o.stride[i];
    g.pad[lead + i] = o.pad_begin[i];
    g.dilation[lead + i] = o.dilation[i];
  }
  return g;
}

Dims out_shape(const ConvShapes& s, const ConvOptions& o) {
  Dims shape{s.x[0], s.w[0]};
  for (int i = 0; i < s.w.size() - 2; ++i) {
    const int64_t padded = s.x[2 + i] + o.pad_begin[i] + o.pad_end[i], span = o.dilation[i] * (s.w[2 + i] - 1) + 1;
    check(span <= padded, s.name, ": kernel does not fit into the padded input: it spans ", span, " of ", padded,
          " elements in spatial dimension ", i, " ", s.described());
    shape.push_back(
        host::window_out_size(s.x[2 + i], s.w[2 + i], o.stride[i], o.pad_begin[i], o.pad_end[i], o.dilation[i]));
  }
  return shape;
}

Dims without_batch(const Dims& shape) { return Dims(shape.begin() + 1, shape.end()); }

// gy as it must be for these shapes, with its batch dimension.
Dims check_gy(const ConvShapes& s, const Array& gy) {
  Dims shape = gy.shape;
  if (!s.batched) shape.insert(0, 1);
  check(shape.size() == s.w.size() && shape[0] == s.x[0] && shape[1] == s.w[0], s.name, ": expected a gradient of ",
        s.x[0], " images and ", s.w[0], " channels, got ", gy.shape, " ", s.described());
  return shape;
}

void run(const Kernel<ConvArgs>& kernel, const ConvGeometry& g, const Array& x, const Array& w, const void* bias,
         const Array& y) {
  launch(kernel, ConvArgs{x.dtype, g, x.data(), w.data(), bias, y.data(), float32_matmul_precision()}, x.device());
}

}  // namespace

Array conv(const Array& x, const Array& w, const std::optional<Array>& bias, const ConvOptions& options) {
  const ConvShapes s = shapes_of("", x.shape, w.shape);
  check_arrays(s.name, x, w);
  check_options(s, options);
  const std::optional<Array> b = check_bias(s, x, bias, w.shape[0]);
  const Dims shape = out_shape(s, options);
  const Array xc = contiguous(x), wc = contiguous(w);
  const Array y = empty(s.batched ? shape : without_batch(shape), x.dtype, x.device());
  run(kernels(x.device()).conv.forward, geometry_of(s, options, shape.begin() + 2), xc, wc, b ? b->data() : nullptr, y);
  return y;
}

Array conv_backward_input(const Array& gy, const Array& w, const std::optional<Array>& bias, const Dims& x_shape,
                          const ConvOptions& options) {
  const ConvShapes s = shapes_of("_backward_input", x_shape, w.shape);
  check_arrays(s.name, gy, w);
  check_options(s, options);
  const Dims shape = check_gy(s, gy);
  const std::optional<Array> b = check_bias(s, gy, bias, s.x[1]);
  const Array gyc = contiguous(gy), wc = contiguous(w);
  const Array gx = empty(x_shape, gy.dtype, gy.device());
  run(kernels(gy.device()).conv.backward_input, geometry_of(s, options, shape.begin() + 2), gx, wc,
      b ? b->data() : nullptr, gyc);
  return gx;
}

Array conv_backward_weight(const Array& gy, const Array& x, const Dims& w_shape, const ConvOptions& options) {
  const ConvShapes s = shapes_of("_backward_weight", x.shape, w_shape);
  check_arrays(s.name, gy, x);
  check_options(s, options);
  const Dims shape = check_gy(s, gy);
  const Array gyc = contiguous(gy), xc = contiguous(x);
  const Array gw = empty(w_shape, gy.dtype, gy.device());
  run(kernels(gy.device()).conv.backward_weight, geometry_of(s, options, shape.begin() + 2), xc, gw, nullptr, gyc);
  return gw;
}

}  // namespace nn
