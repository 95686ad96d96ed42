// What a device is for the rest of the core: its kernels, its memory, the way there and back, its streams. The CPU
// needs none: its memory is the host's, and its launches are over when they return. The CUDA backend lives in a module
// of its own, nncore._cuda, which is loaded when a CUDA device is first asked for.
//
// A backend's functions throw the standard library's exceptions only, because they cross from module to module:
// runtime_error, and for memory that ran out a class of its own that is derived from bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/allocator.h"
#include "core/device.h"
#include "core/kernel_table.h"
#include "core/kernels/fault.h"
#include "core/kernels/kernel.h"

namespace nn {

struct DeviceProperties {
  std::string name;
  int major, minor;  // compute capability
  int64_t total_memory;
  int multi_processor_count, max_threads_per_multi_processor, warp_size;
  int64_t shared_memory_per_block, l2_cache_size;  // bytes; the former as a kernel may opt in to
};

// Launches that are made again and again, in one order and with the same arguments: a CUDA graph.
class LaunchGraph {
 public:
  virtual ~LaunchGraph() = default;  // when the device is done with it

  // Does what `work` launches. The first time it is called; the second time its launches become the graph; from then on
  // the graph is launched. `work` launches and copies on the stream that it is given, allocates nothing but working
  // memory, which belongs to the graph, and waits for nothing.
  virtual void run(const std::function<void(const LaunchContext&)>& work) = 0;

  // What the current stream is told from now on comes after the last run, on whichever stream that was.
  virtual void follow() = 0;
};

// `index` is the device's number. Functions that launch or copy do so on the current stream of this thread and device.
class Backend {
 public:
  virtual ~Backend() = default;

  // Why no device can be used, or nothing. Asked first; everything below may count on at least one device.
  virtual std::string unavailable() = 0;
  virtual int device_count() = 0;
  virtual DeviceProperties properties(int index) = 0;

  virtual const KernelTable& kernels(int index) = 0;
  virtual Allocator& allocator(int index) = 0;

  // Before and after each launch: where it goes; and whether it could start, with the name of the kernel for messages.
  virtual LaunchContext begin_launch(int index) = 0;
  virtual void end_launch(int index, const char* kernel) = 0;

  // When upload returns, `from` may be overwritten; when download returns, `to` is there. `copy` returns at once.
  virtual void upload(int index, void* to, const void* from, size_t bytes) = 0;
  virtual void download(int index, void* to, const void* from, size_t bytes) = 0;
  virtual void copy(int to_index, void* to, int from_index, const void* from, size_t bytes) = 0;
  virtual void synchronize(int index) = 0;  // with all streams of the device

  virtual std::unique_ptr<LaunchGraph> make_graph(int index) = 0;

  // Where kernels report faults, and what was reported, which is then forgotten.
  virtual FaultWord* fault_word(int index) = 0;
  virtual FaultWord take_fault(int index) = 0;

  // Streams and events, as handles. The default stream is null.
  virtual void* current_stream(int index) = 0;
  virtual void set_current_stream(int index, void* stream) = 0;
  virtual void* create_stream(int index, int priority) = 0;
  virtual void destroy_stream(int index, void* stream) = 0;
  virtual bool stream_done(int index, void* stream) = 0;
  virtual void wait_for_stream(int index, void* stream) = 0;  // on the host
  virtual void* create_event(int index, bool timing) = 0;
  virtual void destroy_event(int index, void* event) = 0;
  virtual void record_event(int index, void* event, void* stream) = 0;
  virtual void stream_wait(int index, void* stream, void* event) = 0;  // on the device
  virtual bool event_done(int index, void* event) = 0;
  virtual void wait_for_event(int index, void* event) = 0;  // on the host
  virtual double elapsed_ms(void* start, void* end) = 0;
  // The memory at `data`, from the allocator, is in use on `stream` until what is queued there now is done.
  virtual void record_use(int index, void* data, void* stream) = 0;
};

// The backend of a device that is there; an error that says what is missing otherwise. Not for the CPU.
Backend& backend(Device device);

// The backend, or null, and then why.
Backend* find_backend(std::string& reason);
inline constexpr const char* kBackendCapsule =
    "nncore.backend";  // the name of the capsule in which a module hands it on

// How to get at the backend: null, and a reason, where there is none. Called once, when a device is first asked for.
using BackendLoader = Backend* (*)(std::string& reason);
void set_backend_loader(BackendLoader loader);

// Waits for everything on the device, then raises what its kernels have reported.
void synchronize(Device device);

// The number of the CUDA device that "cuda" names on this thread.
int current_device();
void set_current_device(int index);

}  // namespace nn
