// The CUDA backend as Python sees it, for nncore.cuda: devices, streams, events. Streams and events are handles.
#include <cstdlib>

#include "bind/bind.h"
#include "core/backend.h"
#include "core/faults.h"

namespace nn {
namespace {

// nncore._cuda, or under NNCORE_CUDA_EMULATION=1 the same kernels on the emulation that the tests use.
Backend* load_backend(std::string& reason) {
  const char* const asked = std::getenv("NNCORE_CUDA_EMULATION");
  const bool emulated = asked != nullptr && *asked != '\0' && std::string(asked) != "0";
  const WithLock locked;
  try {
    const py::object capsule =
        py::module_::import(emulated ? "nncore._cuda_emulation" : "nncore._cuda").attr("backend");
    return static_cast<Backend*>(PyCapsule_GetPointer(capsule.ptr(), kBackendCapsule));
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_ModuleNotFoundError))
      reason = error.what();
    else if (emulated)
      reason = "NNCORE_CUDA_EMULATION is set, but this build has no emulation";
    else
      reason = "this build of nncore has no CUDA backend (it was made without nvcc, or with NNCORE_CUDA=OFF)";
  }
  return nullptr;
}

using Handle = uintptr_t;
Handle handle(void* pointer) { return reinterpret_cast<Handle>(pointer); }
void* pointer(Handle handle) { return reinterpret_cast<void*>(handle); }  // NOLINT(performance-no-int-to-ptr)
Backend& at(int index) { return backend({DeviceType::cuda, index}); }

py::dict properties(int index) {
  const DeviceProperties p = at(index).properties(index);
  py::dict result;
  result["name"] = p.name;
  result["major"] = p.major;
  result["minor"] = p.minor;
  result["total_memory"] = p.total_memory;
  result["multi_processor_count"] = p.multi_processor_count;
  result["max_threads_per_multi_processor"] = p.max_threads_per_multi_processor;
  result["warp_size"] = p.warp_size;
  result["shared_memory_per_block_optin"] = p.shared_memory_per_block;
  result["L2_cache_size"] = p.l2_cache_size;
  return result;
}

void bind_streams(py::module_& m) {
  const auto index = py::arg("index"), stream = py::arg("stream"), event = py::arg("event");
  m.def("current_stream", [](int i) { return handle(at(i).current_stream(i)); }, index);
  m.def("set_current_stream", [](int i, Handle s) { at(i).set_current_stream(i, pointer(s)); }, index, stream);
  m.def(
      "create_stream", [](int i, int priority) { return handle(at(i).create_stream(i, priority)); }, index,
      py::arg("priority"));
  m.def("destroy_stream", [](int i, Handle s) { at(i).destroy_stream(i, pointer(s)); }, index, stream, Nogil());
  m.def("stream_done", [](int i, Handle s) { return at(i).stream_done(i, pointer(s)); }, index, stream);
  m.def(
      "wait_for_stream",
      [](int i, Handle s) {
        at(i).wait_for_stream(i, pointer(s));
        raise_reported({DeviceType::cuda, i});
      },
      index, stream, Nogil());
  m.def(
      "create_event", [](int i, bool timing) { return handle(at(i).create_event(i, timing)); }, index,
      py::arg("timing"));
  m.def("destroy_event", [](int i, Handle e) { at(i).destroy_event(i, pointer(e)); }, index, event);
  m.def(
      "record_event", [](int i, Handle e, Handle s) { at(i).record_event(i, pointer(e), pointer(s)); }, index, event,
      stream);
  m.def(
      "stream_wait", [](int i, Handle s, Handle e) { at(i).stream_wait(i, pointer(s), pointer(e)); }, index, stream,
      event);
  m.def("event_done", [](int i, Handle e) { return at(i).event_done(i, pointer(e)); }, index, event);
  m.def(
      "wait_for_event",
      [](int i, Handle e) {
        at(i).wait_for_event(i, pointer(e));
        raise_reported({DeviceType::cuda, i});
      },
      index, event, Nogil());
  m.def(
      "elapsed_ms", [](int i, Handle start, Handle end) { return at(i).elapsed_ms(pointer(start), pointer(end)); },
      index, py::arg("start"), py::arg("end"));
  m.def(
      "record_use",
      [](const Array& x, Handle s) {
        const Device device = x.device();
        if (device.type != DeviceType::cpu) backend(device).record_use(device.index, x.storage->data, pointer(s));
      },
      py::arg("input"), stream);
}

}  // namespace

void bind_cuda(py::module_& m) {
  set_backend_loader(&load_backend);
  m.def(
      "cuda_unavailable",
      [] {
        std::string reason;
        return find_backend(reason) != nullptr ? std::string() : reason;
      },
      "Why no CUDA device can be used; empty where one can.");
  m.def("device_count", [] {
    std::string reason;
    Backend* const found = find_backend(reason);
    return found != nullptr ? found->device_count() : 0;
  });
  m.def("device_properties", &properties, py::arg("index"));
  m.def("current_device", &current_device);
  m.def("set_current_device", &set_current_device, py::arg("index"));
  m.def("synchronize", &synchronize, py::arg("device"), Nogil(),
        "Waits for all that was started, and raises what kernels have reported.");
  bind_streams(m);
}

}  // namespace nn
