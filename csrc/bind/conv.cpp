#include "ops/conv.h"

#include "bind/bind.h"

namespace nn {

// The options travel as one tuple from the forward call to the gradients' rules: (stride, pad_begin, pad_end, dilation,
// groups).
using Options = std::tuple<Dims, Dims, Dims, Dims, int64_t>;

static ConvOptions unpack(const Options& o) {
  return {std::get<0>(o), std::get<1>(o), std::get<2>(o), std::get<3>(o), std::get<4>(o)};
}

void bind_conv(py::module_& module) {
  OpModule m(module, {});
  m.def(
      "conv",
      [](const Array& x, const Array& w, const std::optional<Array>& bias, const Options& options) {
        return conv(x, w, bias, unpack(options));
      },
      py::arg("x"), py::arg("w"), py::arg("bias"), py::arg("options"), Nogil());
  m.def(
      "conv_backward_input",
      [](const Array& gy, const Array& w, const std::optional<Array>& bias, const Dims& x_shape,
         const Options& options) { return conv_backward_input(gy, w, bias, x_shape, unpack(options)); },
      py::arg("gy"), py::arg("w"), py::arg("bias"), py::arg("x_shape"), py::arg("options"), Nogil());
  m.def(
      "conv_backward_weight",
      [](const Array& gy, const Array& x, const Dims& w_shape, const Options& options) {
        return conv_backward_weight(gy, x, w_shape, unpack(options));
      },
      py::arg("gy"), py::arg("x"), py::arg("w_shape"), py::arg("options"), Nogil());
  m.def(
      "unfold",
      [](const Array& x, const Dims& kernel, const Dims& dilation, const Dims& padding, const Dims& stride) {
        return unfold(x, kernel, {stride, padding, padding, dilation, 1});
      },
      py::arg("x"), py::arg("kernel"), py::arg("dilation"), py::arg("padding"), py::arg("stride"), Nogil());
  m.def(
      "fold",
      [](const Array& columns, const Dims& size, const Dims& kernel, const Dims& dilation, const Dims& padding,
         const Dims& stride) { return fold(columns, size, kernel, {stride, padding, padding, dilation, 1}); },
      py::arg("columns"), py::arg("size"), py::arg("kernel"), py::arg("dilation"), py::arg("padding"),
      py::arg("stride"), Nogil());
}

}  // namespace nn
