#include "ops/reduce.h"

#include "bind/bind.h"

namespace nn {

void bind_reduce(py::module_& module) {
  OpModule m(module, {});
  OpModule native(module, {.is_native = is_on_cuda});
  const auto dims = py::arg("dims") = py::none();
  const auto keepdim = py::arg("keepdim") = false;
  native.def("sum", sum, py::arg("input"), dims, keepdim, Nogil());
  native.def("mean", mean, py::arg("input"), dims, keepdim, Nogil());
  m.def("prod", prod, py::arg("input"), dims, keepdim, Nogil());
  m.def("amax", amax, py::arg("input"), dims, keepdim, Nogil());
  m.def("amin", amin, py::arg("input"), dims, keepdim, Nogil());
  m.def("count_nonzero", count_nonzero, py::arg("input"), dims, Nogil());
  m.def("any", any, py::arg("input"), dims, keepdim, Nogil());
  m.def("all", all, py::arg("input"), dims, keepdim, Nogil());
  m.def("var_mean", var_mean, py::arg("input"), py::arg("dims"), py::arg("correction"), keepdim,
        py::arg("root") = false, Nogil(), "(variance or its root, mean)");
  m.def("vector_norm", vector_norm, py::arg("input"), py::arg("p"), dims, keepdim, Nogil());
  m.def("logsumexp", logsumexp, py::arg("input"), dims, keepdim, Nogil());
  m.def("max_with_index", max_with_index, py::arg("input"), py::arg("dim"), keepdim, Nogil());
  m.def("min_with_index", min_with_index, py::arg("input"), py::arg("dim"), keepdim, Nogil());
  m.def("cumsum", cumsum, py::arg("input"), py::arg("dim"), Nogil());
  m.def("cumprod", cumprod, py::arg("input"), py::arg("dim"), Nogil());
}

}  // namespace nn
