// Array and device as Python sees them.
#include "bind/bind.h"
#include "core/plan.h"

namespace nn {
namespace {

// The CPU's elements are there; others are waited for, without the interpreter lock.
Scalar item_of(const Array& x) {
  if (x.device().type == DeviceType::cpu) return item(x);
  const WithoutLock unlocked;
  return item(x);
}

bool repeats_elements(const Array& x) {
  for (int i = 0; i < x.ndim(); ++i)
    if (x.strides[i] == 0 && x.shape[i] > 1) return true;
  return false;
}

void bind_device(py::module_& m) {
  py::class_<Device>(m, "device", "Where an array lives: device('cpu') or device('cuda:0').")
      .def(py::init(&parse_device), py::arg("type"))
      .def(py::init([](const Device& d) { return d; }), py::arg("device"))
      .def_property_readonly("type", [](Device d) { return d.type == DeviceType::cpu ? "cpu" : "cuda"; })
      .def_property_readonly(
          "index", [](Device d) { return d.type == DeviceType::cpu ? py::object(py::none()) : py::int_(d.index); })
      .def("__str__", [](Device d) { return to_string(d); })
      .def("__repr__",
           [](Device d) {
             if (d.type == DeviceType::cpu) return std::string("device(type='cpu')");
             return text("device(type='cuda', index=", d.index, ")");
           })
      .def(
          "__eq__", [](Device a, Device b) { return a == b; }, py::is_operator())
      .def("__hash__", [](Device d) { return static_cast<int>(d.type) * 1000 + d.index; });
  py::implicitly_convertible<py::str, Device>();
}

}  // namespace

void bind_array(py::module_& m) {
  bind_device(m);
  py::class_<Array>(m, "Array", py::buffer_protocol(), "A strided view of typed memory on a device.")
      .def_readonly("shape", &Array::shape)
      .def_readonly("strides", &Array::strides, "In elements.")
      .def_readonly("offset", &Array::offset, "Of the first element in the storage, in elements.")
      .def_readonly("dtype", &Array::dtype)
      .def_property_readonly("device", &Array::device)
      .def_property_readonly("ndim", &Array::ndim)
      .def_property_readonly("numel", &Array::numel)
      .def_property_readonly("is_floating", [](const Array& x) { return is_floating(x.dtype); })
      .def_property_readonly("nbytes", [](const Array& x) { return x.numel() * itemsize(x.dtype); })
      .def_property_readonly("data_ptr", [](const Array& x) { return reinterpret_cast<uintptr_t>(x.address()); })
      .def_property_readonly(
          "version", [](const Array& x) { return x.storage->version.load(); }, "How often the memory was written to.")
      .def(
          "matches", [](const Array& x, const Array& y) { return x.dtype == y.dtype && x.shape == y.shape; },
          py::arg("other"), "Whether both have one shape and one dtype.")
      .def(
          "laid_out_like",
          [](const Array& x, const Array& y) {
            return x.dtype == y.dtype && x.shape == y.shape && x.strides == y.strides && x.device() == y.device();
          },
          py::arg("other"), "Whether both have one shape, one dtype, one device and the same strides.")
      .def(
          "is_beside", [](const Array& x, const Array& y) { return x.device() == y.device(); }, py::arg("other"),
          "Whether both are on one device.")
      .def_property_readonly("repeats_elements", &repeats_elements, "Whether a stride of 0 shows one element twice.")
      .def("touch", &Array::touch, "Counts a write that was made from outside.")
      .def_property_readonly("is_contiguous", &Array::is_contiguous)
      .def_property_readonly(
          "sole_owner", [](const Array& x) { return x.storage.use_count() == 1 && x.storage->owned(); },
          "Whether no other array looks at the memory.")
      .def(
          "shares_memory", [](const Array& x, const Array& y) { return share_memory(x, y); }, py::arg("other"))
      .def("alias", &alias, "The same memory with a count of writes of its own.")
      .def("item", &item_of, "The only element, as a Python number.");
  m.def("empty", &empty, py::arg("shape"), py::arg("dtype"), py::arg("device"), Nogil());
  m.def(
      "full",
      [](const Dims& shape, Scalar value, DType dtype, Device device) {
        check_fits("full", value, dtype);
        return full(shape, value, dtype, device);
      },
      py::arg("shape"), py::arg("value"), py::arg("dtype"), py::arg("device"), Nogil());
  m.def(
      "fill",
      [](const Array& x, Scalar value) {
        check_fits("fill", value, x.dtype);
        fill(x, value);
      },
      py::arg("input"), py::arg("value"), Nogil());
  m.def("cast", &cast, py::arg("input"), py::arg("dtype"), Nogil(), "The input itself where it has the dtype.");
  m.def("contiguous", &contiguous, py::arg("input"), Nogil(), "The input itself where it is contiguous.");
  m.def("to_device", &to_device, py::arg("input"), py::arg("device"), Nogil(), "The input itself where it is there.");
  m.def("clone", &clone, py::arg("input"), Nogil());
  m.def("copy", &copy_into, py::arg("destination"), py::arg("source"), Nogil(), "Broadcasts and converts.");
}

}  // namespace nn
