// Threads, instruction sets, memory and the profile.
#include "bind/bind.h"
#include "core/allocator.h"
#include "core/launch.h"
#include "core/threads.h"
#include "ops/probe.h"

namespace nn {

void bind_runtime(py::module_& m) {
  m.attr("version") = NNCORE_VERSION;
  m.attr("build_flags") = NNCORE_BUILD_FLAGS;
#ifdef __clang__
  m.attr("compiler") = "Clang " __clang_version__;
#else
  m.attr("compiler") = "GCC " __VERSION__;
#endif
  m.def("get_num_threads", &get_num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("threads"));
  m.def("cgroup_cpus", &cgroup_cpus, py::arg("mount"), py::arg("groups_file"));
  m.def("describe_threads", &describe_threads);
  m.def("available_isas", &available_isas);
  m.def("current_isa", &current_isa);
  m.def("use_isa", &use_isa, py::arg("name"));
  const auto device = py::arg_v("device", Device{}, "'cpu'");
  m.def("empty_cache", [](Device d) { allocator(d).empty_cache(); }, device, Nogil());
  m.def("reset_peak_memory_stats", [](Device d) { allocator(d).reset_peak(); }, device);
  m.def(
      "memory_stats",
      [](Device d) {
        const MemoryStats stats = allocator(d).stats();
        py::dict result;
        result["live_bytes"] = stats.live_bytes;
        result["cached_bytes"] = stats.cached_bytes;
        result["peak_bytes"] = stats.peak_bytes;
        result["allocations"] = stats.allocations;
        result["system_allocations"] = stats.system_allocations;
        return result;
      },
      device);
  m.def("measure_fma_peak", &measure_fma_peak, py::arg("dtype"), py::arg("device"), Nogil(),
        "Floating operations per second of independent multiply-adds.");
  m.def(
      "check_interpreter_lock",
      [](bool on) {
        const LaunchCheck refuse = [](const char* kernel) {
          check(!PyGILState_Check(), "kernel ", kernel, " was started by a thread that holds the interpreter lock");
        };
        set_launch_check(on ? refuse : nullptr);
      },
      py::arg("on"), "Makes it an error to start a kernel without having released the interpreter lock; for tests.");
  m.def("set_profiling", &set_profiling, py::arg("on"));
  m.def("take_profile", [] {
    py::list rows;
    for (const KernelTime& k : take_profile()) rows.append(py::make_tuple(k.name, k.launches, k.seconds));
    return rows;
  });
  // Read the environment now, so that a wrong NNCORE_ISA fails at import and not at the first kernel.
  current_isa();
  get_num_threads();
}

}  // namespace nn
