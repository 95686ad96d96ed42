#include "ops/norm.h"

#include "bind/bind.h"

namespace nn {

void bind_norm(py::module_& module) {
  OpModule m(module, {Rounding::first_result, Mixed::by_first_array});
  OpModule native(module, {Rounding::first_result, Mixed::by_first_array, is_on_cuda});
  native.def(
      "norm_forward",
      [](const Array& x, const std::optional<Array>& weight, const std::optional<Array>& bias, const Dims& extents,
         bool batch, bool centered, double eps, const std::optional<Array>& mean, const std::optional<Array>& var) {
        std::optional<Statistics> fixed;
        if (mean && var) fixed = {*mean, *var};
        return norm_forward(x, weight, bias, {extents, batch, centered, eps}, fixed);
      },
      py::arg("input"), py::arg("weight"), py::arg("bias"), py::arg("extents"), py::arg("batch"), py::arg("centered"),
      py::arg("eps"), py::arg("mean"), py::arg("var"), Nogil(),
      "(y, statistics) of x as [N, G, K, S]; groups are of a sample or of the batch (csrc/core/kernels/norm.h).");
  native.def(
      "norm_backward",
      [](const Array& gy, const Array& x, const std::optional<Array>& weight, const Array& stats, const Dims& extents,
         bool batch, bool centered, double eps, bool fixed, bool want_x, const std::optional<Dims>& weight_shape,
         const std::optional<Dims>& bias_shape) {
        return norm_backward(gy, x, weight, stats, {extents, batch, centered, eps}, fixed,
                             {want_x, weight_shape, bias_shape});
      },
      py::arg("gy"), py::arg("input"), py::arg("weight"), py::arg("stats"), py::arg("extents"), py::arg("batch"),
      py::arg("centered"), py::arg("eps"), py::arg("fixed"), py::arg("want_x"), py::arg("weight_shape"),
      py::arg("bias_shape"), Nogil());
  m.def("update_running_statistics", update_running_statistics, py::arg("running_mean"), py::arg("running_var"),
        py::arg("stats"), py::arg("count"), py::arg("momentum"), py::arg("batches"), Nogil());
  m.def(
      "local_response_norm",
      [](const Array& x, int64_t size, double alpha, double beta, double k) {
        return local_response_norm(x, {size, alpha, beta, k});
      },
      py::arg("input"), py::arg("size"), py::arg("alpha"), py::arg("beta"), py::arg("k"), Nogil());
  m.def(
      "local_response_norm_backward",
      [](const Array& gy, const Array& x, int64_t size, double alpha, double beta, double k) {
        return local_response_norm_backward(gy, x, {size, alpha, beta, k});
      },
      py::arg("gy"), py::arg("input"), py::arg("size"), py::arg("alpha"), py::arg("beta"), py::arg("k"), Nogil());
}

}  // namespace nn
