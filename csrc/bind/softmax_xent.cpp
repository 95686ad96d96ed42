#include "ops/softmax_xent.h"

#include "bind/bind.h"

namespace nn {

void bind_softmax_xent(py::module_& module) {
  OpModule m(module, {Rounding::first_result, Mixed::by_first_array});
  OpModule native(module, {Rounding::first_result, Mixed::by_first_array, is_on_cuda});
  native.def("softmax", softmax, py::arg("input"), py::arg("dim"), py::arg("log"), Nogil());
  native.def("softmax_backward", softmax_backward, py::arg("gy"), py::arg("y"), py::arg("dim"), py::arg("log"),
             Nogil());
  m.def(
      "nll_loss",
      [](const Array& x, const Array& target, const std::optional<Array>& weight, const std::string& reduction,
         int64_t ignore_index) { return nll_loss(x, {target, weight, reduction, ignore_index, 0}); },
      py::arg("input"), py::arg("target"), py::arg("weight"), py::arg("reduction"), py::arg("ignore_index"), Nogil());
  m.def(
      "nll_loss_backward",
      [](const Array& gy, const Dims& shape, const Array& saved, const Array& target,
         const std::optional<Array>& weight, const std::string& reduction, int64_t ignore_index) {
        return nll_loss_backward(gy, shape, {target, weight, reduction, ignore_index, 0}, saved);
      },
      py::arg("gy"), py::arg("shape"), py::arg("saved"), py::arg("target"), py::arg("weight"), py::arg("reduction"),
      py::arg("ignore_index"), Nogil());
  m.def(
      "cross_entropy",
      [](const Array& x, const Array& target, const std::optional<Array>& weight, const std::string& reduction,
         int64_t ignore_index, double smoothing, bool wants_gradient) {
        return cross_entropy(x, {target, weight, reduction, ignore_index, smoothing}, wants_gradient);
      },
      py::arg("input"), py::arg("target"), py::arg("weight"), py::arg("reduction"), py::arg("ignore_index"),
      py::arg("label_smoothing"), py::arg("wants_gradient"), Nogil());
  m.def(
      "cross_entropy_backward",
      [](const Array& gy, const Array& x, const Array& saved, const Array& target, const std::optional<Array>& weight,
         const std::string& reduction, int64_t ignore_index, double smoothing) {
        return cross_entropy_backward(gy, x, {target, weight, reduction, ignore_index, smoothing}, saved);
      },
      py::arg("gy"), py::arg("input"), py::arg("saved"), py::arg("target"), py::arg("weight"), py::arg("reduction"),
      py::arg("ignore_index"), py::arg("label_smoothing"), Nogil());
  m.def(
      "cross_entropy_scale",
      [](const Array& gy, const Array& gx, const Array& saved, const Array& target, const std::optional<Array>& weight,
         const std::string& reduction, int64_t ignore_index, double smoothing) {
        cross_entropy_scale(gy, gx, {target, weight, reduction, ignore_index, smoothing}, saved);
      },
      py::arg("gy"), py::arg("gx"), py::arg("saved"), py::arg("target"), py::arg("weight"), py::arg("reduction"),
      py::arg("ignore_index"), py::arg("label_smoothing"), Nogil());
}

}  // namespace nn
