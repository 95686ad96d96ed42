#include "ops/gemm.h"

#include "bind/bind.h"

namespace nn {

void bind_gemm(py::module_& module) {
  OpModule m(module, {.is_native = is_on_cuda});
  module.def("set_float32_matmul_precision", &set_float32_matmul_precision, py::arg("precision"));
  module.def("get_float32_matmul_precision", &get_float32_matmul_precision);
  m.def("gemm", gemm, py::arg("a"), py::arg("b"), py::arg("bias") = py::none(), py::arg("activation") = "none",
        Nogil());
  m.def("matmul", matmul, py::arg("input"), py::arg("other"), Nogil());
  m.def("linear", linear, py::arg("input"), py::arg("weight"), py::arg("bias") = py::none(), Nogil());
}

}  // namespace nn
