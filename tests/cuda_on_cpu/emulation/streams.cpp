#include "streams.h"

#include <algorithm>
#include <set>

#include "report.h"

namespace cuda_on_cpu {
namespace {

std::set<CUstream_st*>& streams() {
  static auto* const all = new std::set<CUstream_st*>;
  return *all;
}

CUstream_st& null_stream() {
  static CUstream_st* const stream = [] {
    auto* s = new CUstream_st;
    streams().insert(s);
    return s;
  }();
  return *stream;
}

CUstream_st& thread_stream() {
  static thread_local CUstream_st* const stream = [] {  // lives on: its work may be waited for by others
    auto* s = new CUstream_st;
    streams().insert(s);
    return s;
  }();
  return *stream;
}

}  // namespace

std::recursive_mutex& device_mutex() {
  static auto* const mutex = new std::recursive_mutex;
  return *mutex;
}

CUstream_st& stream_of(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return null_stream();
  if (handle == cudaStreamPerThread) return thread_stream();
  return *handle;
}

void run_until(CUstream_st& stream, uint64_t place) {
  while (stream.done < place && !stream.queue.empty()) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    work();
    ++stream.done;
  }
}

void enqueue(CUstream_st& stream, Work work) {
  if (stream.capture != nullptr) {
    stream.capture->work.push_back(std::move(work));
    return;
  }
  // The null stream comes after all that was queued before in blocking streams, and they after it.
  if (&stream == &null_stream()) {
    for (CUstream_st* other : streams())
      if (other->blocking && other != &stream) run_until(*other, other->queued);
  } else if (stream.blocking) {
    run_until(null_stream(), null_stream().queued);
  }
  stream.queue.push_back(std::move(work));
  ++stream.queued;
  if (!options.late_streams) run_until(stream, stream.queued);
}

void run_all() {
  for (CUstream_st* stream : streams()) run_until(*stream, stream->queued);
}

bool is_done(const CUevent_st& event) { return event.stream == nullptr || event.stream->done >= event.place; }

bool any_capture() {
  return std::any_of(streams().begin(), streams().end(), [](const CUstream_st* s) { return s->capture != nullptr; });
}

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

cudaError_t create(cudaStream_t* stream, unsigned flags) {
  const Lock lock(device_mutex());
  *stream = new CUstream_st;
  (*stream)->blocking = flags != cudaStreamNonBlocking;
  streams().insert(*stream);
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return create(stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) { return create(stream, flags); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) { return create(stream, flags); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(device_mutex());
  if (streams().count(stream) == 0) return cudaErrorInvalidResourceHandle;
  run_until(*stream, stream->queued);
  streams().erase(stream);  // events may still name it: its memory stays
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const Lock lock(device_mutex());
  CUstream_st& stream = stream_of(handle);
  if (stream.capture != nullptr) return cudaErrorStreamCaptureUnsupported;
  run_until(stream, stream.queued);
  return cudaPeekAtLastError();
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const Lock lock(device_mutex());
  const CUstream_st& stream = stream_of(handle);
  return stream.done == stream.queued ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  const Lock lock(device_mutex());
  if (event->stream == nullptr) return cudaSuccess;
  enqueue(stream_of(handle), [stream = event->stream, place = event->place] { run_until(*stream, place); });
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  const Lock lock(device_mutex());
  enqueue(stream_of(stream), [=] { function(argument); });
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new CUevent_st;
  (*event)->timing = (flags & cudaEventDisableTiming) == 0;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  const Lock lock(device_mutex());
  CUstream_st& stream = stream_of(handle);
  event->stream = &stream;
  event->time = std::make_shared<std::chrono::steady_clock::time_point>();
  enqueue(stream, [time = event->time] { *time = std::chrono::steady_clock::now(); });
  event->place = stream.queued;
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(device_mutex());
  if (event->stream != nullptr) run_until(*event->stream, event->place);
  return cudaPeekAtLastError();
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock(device_mutex());
  return is_done(*event) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const Lock lock(device_mutex());
  if (start->stream == nullptr || end->stream == nullptr || !start->timing || !end->timing)
    return cudaErrorInvalidResourceHandle;
  if (!is_done(*start) || !is_done(*end)) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode) {
  const Lock lock(device_mutex());
  CUstream_st& stream = stream_of(handle);
  if (&stream == &stream_of(nullptr) || stream.capture != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream.capture = std::make_unique<CUgraph_st>();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const Lock lock(device_mutex());
  *graph = stream_of(handle).capture.release();
  return *graph != nullptr ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const Lock lock(device_mutex());
  *status = stream_of(handle).capture != nullptr ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  const Lock lock(device_mutex());
  for (const Work& work : executable->work) enqueue(stream_of(handle), work);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
