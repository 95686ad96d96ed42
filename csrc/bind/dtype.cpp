// The dtypes as Python sees them.
#include "bind/bind.h"

namespace nn {
namespace {

py::handle objects[kDTypeCount];

}  // namespace

py::handle dtype_object(DType dtype) { return objects[static_cast<int>(dtype)]; }

void bind_dtype(py::module_& m) {
  py::class_<DTypeObject> dtype(m, "dtype", "The type of an array's elements.");
  const auto repr = [](const DTypeObject& d) { return text("nncore.", info(d.dtype).name); };
  dtype.def("__repr__", repr)
      .def("__reduce__", [](const DTypeObject& d) { return info(d.dtype).name; })  // pickled and copied by name
      .def_property_readonly("name", [](const DTypeObject& d) { return info(d.dtype).name; })
      .def_property_readonly(
          "itemsize", [](const DTypeObject& d) { return itemsize(d.dtype); }, "Bytes of one element.")
      .def_property_readonly(
          "is_floating_point", [](const DTypeObject& d) { return is_floating(d.dtype); },
          "Whether its numbers have a point: bfloat16, float16, float32, float64.");
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto value = static_cast<DType>(i);
    py::object object = py::cast(DTypeObject{value});
    objects[i] = py::object(object).release();  // immortal, as the module is
    dtype.attr(info(value).name) = object;
    m.attr(info(value).name) = object;
  }
  m.def(
      "promote_types", [](DType a, DType b) { return promote(a, b); }, py::arg("type1"), py::arg("type2"),
      "The dtype in which two arrays meet.");
}

}  // namespace nn
