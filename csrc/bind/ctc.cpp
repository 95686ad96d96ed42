#include "ops/ctc.h"

#include "bind/bind.h"

namespace nn {

void bind_ctc(py::module_& module) {
  OpModule m(module, {});
  m.def("ctc_loss", ctc_loss, py::arg("log_probs"), py::arg("labels"), py::arg("frames"), py::arg("lengths"),
        py::arg("blank"), py::arg("zero_infinity"), py::arg("gradient"), Nogil());
}

}  // namespace nn
