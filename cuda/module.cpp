// The extension module nncore._cuda: one attribute, a capsule with the backend, which nncore._core asks for.
#include <Python.h>

#include "cuda/backend.h"

#ifndef NNCORE_CUDA_MODULE
#define NNCORE_CUDA_MODULE _cuda
#endif
#define NN_JOIN(a, b) a##b
#define NN_INIT(name) NN_JOIN(PyInit_, name)
#define NN_TEXT(name) #name
#define NN_NAME(name) NN_TEXT(name)

PyMODINIT_FUNC NN_INIT(NNCORE_CUDA_MODULE)() {
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                   NN_NAME(NNCORE_CUDA_MODULE),
                                   "The CUDA backend of nncore.",
                                   -1,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   nullptr};
  PyObject* const module = PyModule_Create(&definition);
  if (module == nullptr) return nullptr;
  PyObject* const capsule = PyCapsule_New(&nn::cuda::the_backend(), nn::kBackendCapsule, nullptr);
  if (capsule == nullptr || PyModule_AddObject(module, "backend", capsule) < 0 ||
      PyModule_AddStringConstant(module, "architectures", NNCORE_CUDA_ARCHITECTURES) < 0) {
    Py_DECREF(module);
    return nullptr;
  }
  return module;
}
