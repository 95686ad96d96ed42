#include "ops/index.h"

#include "bind/bind.h"

namespace nn {

void bind_index(py::module_& module) {
  OpModule m(module, {});
  OpModule moves(module, {.is_native = is_on_cuda});
  m.def("wrap_index", wrap_index, py::arg("index"), py::arg("size"), py::arg("dim"), Nogil());
  moves.def("index_select", index_select, py::arg("operation"), py::arg("input"), py::arg("dim"), py::arg("index"),
            Nogil());
  moves.def("index_copy_into", index_copy_into, py::arg("operation"), py::arg("input"), py::arg("dim"),
            py::arg("index"), py::arg("source"), Nogil());
  m.def("index_add_into", index_add_into, py::arg("operation"), py::arg("input"), py::arg("dim"), py::arg("index"),
        py::arg("source"), Nogil());
  moves.def("gather", gather, py::arg("operation"), py::arg("input"), py::arg("dim"), py::arg("index"), Nogil());
  module.def(
      "scatter_into",
      [](const char* operation, const Array& x, int64_t dim, const Array& index, const Array& source, bool accumulate) {
        const OpmathRule rule{.is_native = accumulate ? nullptr : is_on_cuda};
        in_float32(rule, scatter_into, operation, x, dim, index, source, accumulate);
      },
      py::arg("operation"), py::arg("input"), py::arg("dim"), py::arg("index"), py::arg("source"),
      py::arg("accumulate"), Nogil());
  m.def("nonzero", nonzero, py::arg("input"), Nogil());
  m.def("sort", sort, py::arg("input"), py::arg("dim"), py::arg("descending"), py::arg("keep") = py::none(), Nogil(),
        "(values, indices)");
  m.def("bag_max", bag_max, py::arg("operation"), py::arg("input"), py::arg("index"), py::arg("start"),
        py::arg("padding"), Nogil());
  m.def("sequence", sequence, py::arg("start"), py::arg("step"), py::arg("count"), py::arg("dtype"), py::arg("device"),
        py::arg("end") = py::none(), Nogil(), "start, start + step, ...; the second half counted back from the end.");
  OpModule(module, {.is_native = is_anywhere}).def("cat", cat, py::arg("arrays"), py::arg("dim"), Nogil());
}

}  // namespace nn
