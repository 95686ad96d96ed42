// What every binding file shares: the conversions between Python and native arguments, and the list of families.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include "core/array.h"
#include "ops/opmath.h"

namespace py = pybind11;

namespace nn {

// Scopes without and with the interpreter lock. A daemon thread that asks for the lock while the interpreter shuts down
// gets pthread_exit from Python before 3.14, and its unwinding would end the process at the first destructor on its
// way. Such a thread sleeps here until the process is gone, which is what Python does from 3.14 on.
template <class Ask>
auto ask_for_lock(const Ask& ask) noexcept {
  try {
    return ask();
  } catch (...) {  // the unwinding of pthread_exit; Python throws nothing
    for (;;) pause();
  }
}

class WithoutLock {
 public:
  WithoutLock() = default;
  ~WithoutLock() {
    ask_for_lock([this] { PyEval_RestoreThread(state_); });
  }
  WithoutLock(const WithoutLock&) = delete;
  WithoutLock& operator=(const WithoutLock&) = delete;

 private:
  PyThreadState* state_ = PyEval_SaveThread();
};

class WithLock {
 public:
  WithLock() = default;
  ~WithLock() { PyGILState_Release(state_); }
  WithLock(const WithLock&) = delete;
  WithLock& operator=(const WithLock&) = delete;

 private:
  PyGILState_STATE state_ = ask_for_lock([] { return PyGILState_Ensure(); });
};

// Every function that may run a kernel releases the interpreter lock: m.def("name", f, ..., Nogil()).
using Nogil = py::call_guard<WithoutLock>;

// The Python objects of the dtypes: one each, so that `is` compares them and no call creates any.
struct DTypeObject {
  DType dtype;
};
py::handle dtype_object(DType dtype);

// Where operations are bound: what arrays of 16 bits they get is computed in float32 (ops/opmath.h).
class OpModule {
 public:
  OpModule(const py::module_& m, OpmathRule rule) : module_(m), rule_(rule) {}

  template <class F, class... Extra>
  OpModule& def(const char* name, const F& f, const Extra&... extra) {
    if constexpr (std::is_class_v<F>)
      module_.def(name, with_signature(f, &F::operator()), extra...);
    else
      module_.def(name, of_function(f), extra...);
    return *this;
  }

 private:
  template <class R, class... A>
  auto of_function(R (*f)(A...)) const {
    return [rule = rule_, f](A... args) -> R { return in_float32(rule, f, args...); };
  }
  template <class F, class R, class... A>
  auto with_signature(const F& f, R (F::*)(A...) const) const {
    return [rule = rule_, f](A... args) -> R { return in_float32(rule, f, args...); };
  }

  py::module_ module_;
  OpmathRule rule_;
};

void bind_dtype(py::module_& m);
void bind_array(py::module_& m);
void bind_interop(py::module_& m);
void bind_runtime(py::module_& m);
void bind_cuda(py::module_& m);
void bind_shape(py::module_& m);
void bind_elementwise(py::module_& m);
void bind_gemm(py::module_& m);
void bind_conv(py::module_& m);
void bind_optim(py::module_& m);
void bind_reduce(py::module_& m);
void bind_pool(py::module_& m);
void bind_softmax_xent(py::module_& m);
void bind_ctc(py::module_& m);
void bind_rnn(py::module_& m);
void bind_norm(py::module_& m);
void bind_index(py::module_& m);
void bind_random(py::module_& m);
void bind_plan(py::module_& m);

}  // namespace nn

namespace pybind11::detail {

// A shape: any sequence of integers.
template <>
struct type_caster<nn::Dims> {
  PYBIND11_TYPE_CASTER(nn::Dims, const_name("tuple[int, ...]"));

  bool load(handle source, bool) {
    if (!PyTuple_Check(source.ptr()) && !PyList_Check(source.ptr())) return false;
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(source.ptr());
    value = nn::Dims();
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* item = PySequence_Fast_GET_ITEM(source.ptr(), i);
      if (!PyIndex_Check(item)) return false;
      const Py_ssize_t extent = PyNumber_AsSsize_t(item, PyExc_OverflowError);
      if (extent == -1 && PyErr_Occurred()) throw error_already_set();
      value.push_back(extent);
    }
    return true;
  }

  static handle cast(const nn::Dims& dims, return_value_policy, handle) {
    PyObject* result = PyTuple_New(dims.size());
    for (int i = 0; i < dims.size(); ++i) PyTuple_SET_ITEM(result, i, PyLong_FromLongLong(dims[i]));
    return result;
  }
};

template <>
struct type_caster<nn::DType> {
  PYBIND11_TYPE_CASTER(nn::DType, const_name("nncore._core.dtype"));

  bool load(handle source, bool) {
    for (int i = 0; i < nn::kDTypeCount; ++i) {
      value = static_cast<nn::DType>(i);
      if (nn::dtype_object(value).ptr() == source.ptr()) return true;
    }
    return false;
  }

  static handle cast(nn::DType dtype, return_value_policy, handle) { return nn::dtype_object(dtype).inc_ref(); }
};

// A Python number; bool before int, because a bool is an int.
template <>
struct type_caster<nn::Scalar> {
  PYBIND11_TYPE_CASTER(nn::Scalar, const_name("float"));

  bool load(handle source, bool) {
    PyObject* object = source.ptr();
    if (PyBool_Check(object)) {
      value = nn::Scalar::of(object == Py_True);
    } else if (PyFloat_Check(object)) {
      value = nn::Scalar::of(PyFloat_AS_DOUBLE(object));
    } else if (PyIndex_Check(object)) {
      const int64_t integer = PyNumber_AsSsize_t(object, PyExc_OverflowError);
      if (integer == -1 && PyErr_Occurred()) throw error_already_set();
      value = nn::Scalar::of(integer);
    } else {
      return false;
    }
    return true;
  }

  static handle cast(const nn::Scalar& scalar, return_value_policy, handle) {
    if (scalar.category == 0) return PyBool_FromLong(scalar.integer != 0);
    return scalar.category == 1 ? PyLong_FromLongLong(scalar.integer) : PyFloat_FromDouble(scalar.real);
  }
};

}  // namespace pybind11::detail
