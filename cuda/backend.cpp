// The CUDA backend: csrc/core/backend.h in terms of the CUDA runtime.
#include "cuda/backend.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "cuda/allocator.h"
#include "cuda/device.h"
#include "cuda/graph.h"
#include "cuda/staging.h"
#include "cuda/streams.h"

namespace nn::cuda {

extern const KernelTable kernel_table;  // tables.cpp

namespace {

thread_local int selected = -1;
thread_local std::array<cudaStream_t, kMaxDevices> streams{};

// The names of the kernels launched last, for the message of an error that shows only later.
constexpr size_t kRemembered = 8;
std::array<std::atomic<const char*>, kRemembered> launched{};
std::atomic<size_t> launches{0};

std::string recent_kernels() {
  std::string names;
  const size_t count = launches.load();
  for (size_t i = 1; i <= kRemembered && i <= count; ++i) {
    const char* const name = launched[(count - i) % kRemembered].load();
    if (name != nullptr) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names.empty() ? "none" : names;
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

cudaStream_t as_stream(void* handle) { return static_cast<cudaStream_t>(handle); }
cudaEvent_t as_event(void* handle) { return static_cast<cudaEvent_t>(handle); }

// What belongs to one device, made when the device is first used.
struct PerDevice {
  explicit PerDevice(int index) : allocator(index) {
    make_current(index);
    void* memory = nullptr;
    check(cudaMalloc(&memory, sizeof(FaultWord)), "starting to use the device");
    check(cudaMemset(memory, 0, sizeof(FaultWord)), "starting to use the device");
    fault = static_cast<FaultWord*>(memory);
  }

  DeviceAllocator allocator;
  Staging staging;
  FaultWord* fault = nullptr;
};

class CudaBackend final : public Backend {
 public:
  std::string unavailable() override {
    int count = 0, driver = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    (void)cudaGetLastError();
    (void)cudaDriverGetVersion(&driver);
    if (error == cudaErrorInsufficientDriver && driver == 0) return "this machine has no NVIDIA driver";
    if (error == cudaErrorInsufficientDriver)
      return "the NVIDIA driver is too old: it is for CUDA " + version_text(driver) + ", this build needs " +
             version_text(CUDART_VERSION);
    if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0))
      return "this machine has no NVIDIA GPU, or CUDA_VISIBLE_DEVICES hides it";
    if (error != cudaSuccess) return std::string("CUDA does not start: ") + cudaGetErrorString(error);
    return "";
  }

  int device_count() override {
    int count = 0;
    check(cudaGetDeviceCount(&count), "counting devices");
    return count < kMaxDevices ? count : kMaxDevices;
  }

  DeviceProperties properties(int index) override {
    cudaDeviceProp p{};
    check(cudaGetDeviceProperties(&p, index), "asking for the properties of a device");
    return {p.name,
            p.major,
            p.minor,
            static_cast<int64_t>(p.totalGlobalMem),
            p.multiProcessorCount,
            p.maxThreadsPerMultiProcessor,
            p.warpSize,
            static_cast<int64_t>(p.sharedMemPerBlockOptin),
            p.l2CacheSize};
  }

  const KernelTable& kernels(int) override { return kernel_table; }
  Allocator& allocator(int index) override { return of(index).allocator; }

  LaunchContext begin_launch(int index) override {
    make_current(index);
    check(cudaPeekAtLastError(), "a launch that has not begun");
    return {1, cuda::current_stream(index)};
  }

  void end_launch(int index, const char* kernel) override {
    check(cudaGetLastError(), kernel);
    launched[launches.fetch_add(1) % kRemembered] = kernel;
    if (is_blocking()) check(cudaStreamSynchronize(cuda::current_stream(index)), kernel);
  }

  void upload(int index, void* to, const void* from, size_t bytes) override {
    make_current(index);
    of(index).staging.upload(to, from, bytes, cuda::current_stream(index));
  }

  void download(int index, void* to, const void* from, size_t bytes) override {
    make_current(index);
    of(index).staging.download(to, from, bytes, cuda::current_stream(index));
  }

  // The copy runs on the stream of the destination, after what the source's stream has been told so far; and what that
  // stream is told from now on comes after the copy, because it may write to the source.
  void copy(int to_index, void* to, int from_index, const void* from, size_t bytes) override {
    const cudaStream_t source = cuda::current_stream(from_index), destination = cuda::current_stream(to_index);
    const bool ordered = from_index == to_index && source == destination;
    if (!ordered) after(from_index, source, to_index, destination);
    make_current(to_index);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, destination), "copying between devices");
    if (!ordered) after(to_index, destination, from_index, source);
  }

  void synchronize(int index) override {
    make_current(index);
    check(cudaDeviceSynchronize(), "synchronize");
  }

  std::unique_ptr<LaunchGraph> make_graph(int index) override {
    of(index);
    return cuda::make_graph(index);
  }

  FaultWord* fault_word(int index) override { return of(index).fault; }

  FaultWord take_fault(int index) override {
    FaultWord word{};
    download(index, &word, of(index).fault, sizeof word);
    if (word.code != 0)
      check(cudaMemsetAsync(of(index).fault, 0, sizeof word, cuda::current_stream(index)), "clearing a reported fault");
    return word;
  }

  void* current_stream(int index) override { return cuda::current_stream(index); }
  void set_current_stream(int index, void* stream) override { cuda::set_current_stream(index, as_stream(stream)); }

  void* create_stream(int index, int priority) override {
    make_current(index);
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority), "making a stream");
    return stream;
  }

  void destroy_stream(int index, void* stream) override {
    make_current(index);
    check(cudaStreamSynchronize(as_stream(stream)), "destroying a stream");
    of(index).allocator.forget_stream(as_stream(stream));
    check(cudaStreamDestroy(as_stream(stream)), "destroying a stream");
  }

  bool stream_done(int index, void* stream) override {
    make_current(index);
    return done(cudaStreamQuery(as_stream(stream)), "asking whether a stream is done");
  }

  void wait_for_stream(int index, void* stream) override {
    make_current(index);
    check(cudaStreamSynchronize(as_stream(stream)), "waiting for a stream");
  }

  void* create_event(int index, bool timing) override {
    make_current(index);
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, timing ? cudaEventDefault : cudaEventDisableTiming), "making an event");
    return event;
  }

  void destroy_event(int, void* event) override { check(cudaEventDestroy(as_event(event)), "destroying an event"); }

  void record_event(int index, void* event, void* stream) override {
    make_current(index);
    check(cudaEventRecord(as_event(event), as_stream(stream)), "recording an event");
  }

  void stream_wait(int index, void* stream, void* event) override {
    make_current(index);
    check(cudaStreamWaitEvent(as_stream(stream), as_event(event), 0), "making a stream wait");
  }

  bool event_done(int, void* event) override {
    return done(cudaEventQuery(as_event(event)), "asking whether an event is done");
  }

  void wait_for_event(int, void* event) override {
    check(cudaEventSynchronize(as_event(event)), "waiting for an event");
  }

  double elapsed_ms(void* start, void* end) override {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, as_event(start), as_event(end)), "the time between two events");
    return milliseconds;
  }

  void record_use(int index, void* data, void* stream) override {
    of(index).allocator.record_use(data, as_stream(stream));
  }

  // Never destroyed: arrays may outlive every static object.
  PerDevice& of(int index) {
    static auto* const mutex = new std::mutex;
    static auto* const all = new std::array<std::unique_ptr<PerDevice>, kMaxDevices>;
    const std::lock_guard lock(*mutex);
    auto& device = (*all)[static_cast<size_t>(index)];
    if (!device) device = std::make_unique<PerDevice>(index);
    return *device;
  }

 private:
  static bool done(cudaError_t state, const char* tried) {
    if (state == cudaErrorNotReady) {
      (void)cudaGetLastError();
      return false;
    }
    check(state, tried);
    return true;
  }

  // What `later` is told from now on runs after what `earlier` was told so far.
  static void after(int earlier_index, cudaStream_t earlier, int later_index, cudaStream_t later) {
    cudaEvent_t event = nullptr;
    make_current(earlier_index);
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "ordering two streams");
    check(cudaEventRecord(event, earlier), "ordering two streams");
    make_current(later_index);
    check(cudaStreamWaitEvent(later, event, 0), "ordering two streams");
    check(cudaEventDestroy(event), "ordering two streams");  // once it has happened
  }
};

CudaBackend& instance() {
  static auto* const backend = new CudaBackend;
  return *backend;
}

}  // namespace

bool is_blocking() {
  static const bool on = [] {
    const char* const value = std::getenv("NNCORE_LAUNCH_BLOCKING");
    return value != nullptr && *value != '\0' && std::string(value) != "0";
  }();
  return on;
}

Backend& the_backend() { return instance(); }

void check(cudaError_t error, const char* tried) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();
  const bool lost = cudaPeekAtLastError() != cudaSuccess;  // what reading an error does not clear stays for good
  std::string message =
      std::string("CUDA error in ") + tried + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")";
  if (lost) {
    message += ". This process cannot use the device any more.";
    if (!is_blocking())
      message += " Launched last: " + recent_kernels() + ". NNCORE_LAUNCH_BLOCKING=1 tells which kernel it was.";
  }
  throw std::runtime_error(message);
}

void make_current(int index) {
  if (selected == index) return;
  check(cudaSetDevice(index), "choosing a device");
  selected = index;
}

cudaStream_t current_stream(int index) { return streams[static_cast<size_t>(index)]; }
void set_current_stream(int index, cudaStream_t stream) { streams[static_cast<size_t>(index)] = stream; }

int64_t multiprocessors() {
  int count = 0;
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, selected), "counting multiprocessors");
  return count;
}

void* allocate_workspace(size_t bytes) {
  if (GraphMemory* const memory = graph_memory()) return allocate(*memory, bytes);
  return instance().of(selected).allocator.allocate(bytes);
}
void release_workspace(void* data, size_t bytes) noexcept {
  if (GraphMemory* const memory = graph_memory()) return release(*memory, data, bytes);
  instance().of(selected).allocator.release(data, bytes);
}

}  // namespace nn::cuda
