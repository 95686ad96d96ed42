#include <new>
#include <typeinfo>

#include "bind/bind.h"

namespace nn {

static py::handle out_of_memory;

static void bind_errors(py::module_& m) {
  out_of_memory = PyErr_NewExceptionWithDoc(
      "nncore.OutOfMemoryError", "A device has not the memory that was asked for.", PyExc_RuntimeError, nullptr);
  m.attr("OutOfMemoryError") = out_of_memory;
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const OutOfMemoryError& e) {
      py::set_error(out_of_memory, e.what());
    } catch (const std::bad_alloc& e) {
      if (typeid(e) == typeid(std::bad_alloc)) throw;  // the host's: MemoryError
      py::set_error(out_of_memory, e.what());          // a backend's
    } catch (const IndexError& e) {
      py::set_error(PyExc_IndexError, e.what());
    } catch (const ValueError& e) {
      py::set_error(PyExc_ValueError, e.what());
    } catch (const NotImplementedError& e) {
      py::set_error(PyExc_NotImplementedError, e.what());
    } catch (const TypeError& e) {
      py::set_error(PyExc_TypeError, e.what());
    }
  });
}

}  // namespace nn

PYBIND11_MODULE(_core, m) {
  m.doc() = "The native core of nncore: arrays and the operations on them.";
  nn::bind_errors(m);
  nn::bind_dtype(m);
  nn::bind_array(m);
  nn::bind_interop(m);
  nn::bind_runtime(m);
  nn::bind_cuda(m);
  nn::bind_shape(m);
  nn::bind_elementwise(m);
  nn::bind_gemm(m);
  nn::bind_conv(m);
  nn::bind_optim(m);
  nn::bind_reduce(m);
  nn::bind_pool(m);
  nn::bind_softmax_xent(m);
  nn::bind_ctc(m);
  nn::bind_rnn(m);
  nn::bind_norm(m);
  nn::bind_index(m);
  nn::bind_random(m);
  nn::bind_plan(m);
}
