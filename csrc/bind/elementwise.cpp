// One Python function for each operation of the lists: name(input, *params, out), name_backward(gy, saved, *params).
#include "core/kernels/elementwise.h"

#include "bind/bind.h"
#include "ops/op_info.h"

namespace pybind11::detail {

// An array or a number. pybind11's own caster asks first whether a number might be an array, which takes it longer than
// the operation takes.
template <>
struct type_caster<nn::Operand> {
  PYBIND11_TYPE_CASTER(nn::Operand, make_caster<nn::Array>::name + const_name(" | ") + make_caster<nn::Scalar>::name);

  bool load(handle source, bool convert) {
    make_caster<nn::Scalar> number;
    if ((PyFloat_Check(source.ptr()) || PyLong_Check(source.ptr())) && number.load(source, convert)) {
      value = cast_op<nn::Scalar&>(number);
      return true;
    }
    make_caster<nn::Array> array;
    if (array.load(source, convert)) {
      value = cast_op<nn::Array&>(array);
      return true;
    }
    if (!number.load(source, convert)) return false;
    value = cast_op<nn::Scalar&>(number);
    return true;
  }
};

}  // namespace pybind11::detail

namespace nn {
namespace {

struct Params {
  double values[kUnaryParams] = {};
};

// The numeric parameters of one call, in the order in which the operation names them.
Params read_params(const OpInfo& op, const py::args& args) {
  check<TypeError>(args.size() == op.params.size(), op.name, ": expected ", op.params.size(), " parameters, got ",
                   args.size());
  Params params;
  for (size_t i = 0; i < args.size(); ++i) params.values[i] = args[i].cast<double>();
  return params;
}

// Kernels of GPUs round once themselves where all arrays are of one dtype; numbers are none.
OpmathRule rule_for(std::initializer_list<const Array*> arrays) {
  const Array* first = nullptr;
  for (const Array* x : arrays) {
    if (x == nullptr) continue;
    if (first == nullptr) first = x;
    if (x->dtype != first->dtype || x->device() != first->device()) return {};
  }
  return {.is_native = is_on_cuda};
}
const Array* array_in(const std::optional<Array>& x) { return x ? &*x : nullptr; }
const Array* array_in(const Operand& x) { return std::get_if<Array>(&x); }

void bind_unary(py::module_& m, int index) {
  const OpInfo& op = unary_ops()[index];
  m.def(
      op.name,
      [&op, index](const Array& x, const py::args& args, const std::optional<Array>& out) {
        const Params params = read_params(op, args);
        const WithoutLock unlocked;
        return in_float32(
            rule_for({&x, array_in(out)}), [&](const Array& input) { return unary(index, input, params.values, out); },
            x);
      },
      py::arg("input"), py::arg("out") = py::none());
  if (!op.has_backward) return;
  m.def(
      text(op.name, "_backward").c_str(),
      [&op, index](const Array& gy, const Array& saved, const py::args& args) {
        const Params params = read_params(op, args);
        const WithoutLock unlocked;
        return in_float32(
            rule_for({&gy, &saved}),
            [&](const Array& g, const Array& s) { return unary_backward(index, g, s, params.values); }, gy, saved);
      },
      py::arg("gy"), py::arg("saved"));
}

}  // namespace

void bind_elementwise(py::module_& m) {
  for (size_t i = 0; i < unary_ops().size(); ++i) bind_unary(m, static_cast<int>(i));
  for (size_t i = 0; i < binary_ops().size(); ++i)
    m.def(
        binary_ops()[i].name,
        [i](const Operand& x, const Operand& y, const std::optional<Array>& out) {
          return in_float32(
              rule_for({array_in(x), array_in(y), array_in(out)}),
              [&](const Operand& a, const Operand& b) { return binary(static_cast<int>(i), a, b, out); }, x, y);
        },
        py::arg("input"), py::arg("other"), py::arg("out") = py::none(), Nogil());
  m.def("result_type", &common_dtype, py::arg("input"), py::arg("other"));
  m.def("where", &where, py::arg("condition"), py::arg("input"), py::arg("other"), Nogil());
}

}  // namespace nn
