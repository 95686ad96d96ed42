#include "bind/bind.h"
#include "ops/gemm.h"

namespace nn {

void bind_gemm(py::module_& m) {
  m.def("gemm", &gemm, py::arg("a"), py::arg("b"), py::arg("bias") = py::none(), py::arg("activation") = "none",
        Nogil());
}

}  // namespace nn
