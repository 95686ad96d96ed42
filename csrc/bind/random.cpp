#include "ops/random.h"

#include "bind/bind.h"

namespace nn {

void bind_random(py::module_& module) {
  OpModule m(module, {});
  OpModule drops(module, {.is_native = is_on_cuda});
  m.def("uniform_into", uniform_into, py::arg("input"), py::arg("state"), py::arg("low"), py::arg("high"), Nogil());
  m.def("normal_into", normal_into, py::arg("input"), py::arg("state"), py::arg("mean"), py::arg("deviation"), Nogil());
  m.def("integers_into", integers_into, py::arg("input"), py::arg("state"), py::arg("low"), py::arg("range"), Nogil());
  drops.def("dropout", dropout, py::arg("input"), py::arg("p"), py::arg("state"), Nogil(), "(result, mask)");
  m.def("draw", draw, py::arg("weights"), py::arg("sums"), py::arg("u"), Nogil());
  drops.def("mask_scale", mask_scale, py::arg("input"), py::arg("mask"), py::arg("scale"), Nogil());
}

}  // namespace nn
