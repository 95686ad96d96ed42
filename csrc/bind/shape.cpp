#include "ops/shape.h"

#include "bind/bind.h"

namespace nn {

void bind_shape(py::module_& m) {
  m.def("permute", &permute, py::arg("input"), py::arg("dims"));
  m.def("transpose", &transpose, py::arg("input"), py::arg("dim0"), py::arg("dim1"));
  m.def("expand", &expand, py::arg("input"), py::arg("shape"));
  m.def("slice", &slice, py::arg("input"), py::arg("dim"), py::arg("start"), py::arg("stop"), py::arg("step"));
  m.def("select", &select, py::arg("input"), py::arg("dim"), py::arg("index"));
  m.def("unsqueeze", &unsqueeze, py::arg("input"), py::arg("dim"));
  m.def("squeeze", &squeeze, py::arg("input"), py::arg("dims") = py::none());
  m.def("flip_view", &flip, py::arg("input"), py::arg("dims"));
  m.def("as_strided", &as_strided, py::arg("input"), py::arg("shape"), py::arg("strides"), py::arg("offset"));
  m.def("reshape", &reshape, py::arg("input"), py::arg("shape"), Nogil());
  m.def(
      "view", [](const Array& x, const Dims& shape) { return try_view("view", x, shape); }, py::arg("input"),
      py::arg("shape"), "None where the strides do not allow a view.");
}

}  // namespace nn
