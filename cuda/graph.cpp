#include "cuda/graph.h"

#include <unordered_map>
#include <vector>

#include "core/size_class.h"
#include "cuda/backend.h"
#include "cuda/device.h"
#include "cuda/streams.h"

namespace nn::cuda {

// Blocks by their size class. The launches of a graph ask for the same blocks in the same order each time, so that the
// second time there is one of each, and nothing has to be allocated while the driver captures.
class GraphMemory {
 public:
  explicit GraphMemory(Allocator& allocator) : allocator_(allocator) {}
  ~GraphMemory() {
    for (const auto& [bytes, blocks] : free_)
      for (void* data : blocks) allocator_.release(data, bytes);
  }
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

  void* allocate(size_t bytes) {
    bytes = size_class(bytes).bytes;
    std::vector<void*>& blocks = free_[bytes];
    if (blocks.empty()) {
      blocks.reserve(++made_);  // so that giving back cannot fail
      return allocator_.allocate(bytes);
    }
    void* const data = blocks.back();
    blocks.pop_back();
    return data;
  }
  void release(void* data, size_t bytes) noexcept { free_[size_class(bytes).bytes].push_back(data); }

 private:
  Allocator& allocator_;
  std::unordered_map<size_t, std::vector<void*>> free_;
  size_t made_ = 0;
};

namespace {

thread_local GraphMemory* memory_of_thread = nullptr;

struct Using {
  explicit Using(GraphMemory& memory) { memory_of_thread = &memory; }
  ~Using() { memory_of_thread = nullptr; }
  Using(const Using&) = delete;
  Using& operator=(const Using&) = delete;
};

// A stream to capture on, current while it lives: the default stream cannot be captured.
struct CaptureStream {
  explicit CaptureStream(int device) : index(device), before(current_stream(device)) {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    set_current_stream(index, stream);
  }
  ~CaptureStream() {
    set_current_stream(index, before);
    cudaStreamDestroy(stream);
  }
  CaptureStream(const CaptureStream&) = delete;
  CaptureStream& operator=(const CaptureStream&) = delete;

  const int index;
  const cudaStream_t before;
  cudaStream_t stream = nullptr;
};

class Graph final : public LaunchGraph {
 public:
  explicit Graph(int index) : index_(index), memory_(the_backend().allocator(index)) {
    make_current(index);
    check(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "making an event");
  }

  ~Graph() override {
    if (runs_ > 0) (void)cudaEventSynchronize(done_);
    if (executable_ != nullptr) (void)cudaGraphExecDestroy(executable_);
    (void)cudaEventDestroy(done_);
  }

  void run(const std::function<void(const LaunchContext&)>& work) override {
    follow();
    const cudaStream_t stream = current_stream(index_);
    if (runs_ == 0 || is_blocking()) {
      const Using memory(memory_);
      work({1, stream});
    } else {
      if (executable_ == nullptr) capture(work);
      check(cudaGraphLaunch(executable_, stream), "launching a plan");
    }
    check(cudaEventRecord(done_, stream), "launching a plan");
    last_ = stream;
    ++runs_;
  }

  void follow() override {
    make_current(index_);
    const cudaStream_t stream = current_stream(index_);
    if (runs_ > 0 && stream != last_) check(cudaStreamWaitEvent(stream, done_, 0), "launching a plan");
  }

 private:
  void capture(const std::function<void(const LaunchContext&)>& work) {
    const CaptureStream own(index_);
    const Using memory(memory_);
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(own.stream, cudaStreamCaptureModeThreadLocal), "capturing a plan");
    try {
      work({1, own.stream});
    } catch (...) {
      (void)cudaStreamEndCapture(own.stream, &graph);
      if (graph != nullptr) (void)cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(own.stream, &graph), "capturing a plan");
    const cudaError_t made = cudaGraphInstantiate(&executable_, graph, 0);
    (void)cudaGraphDestroy(graph);
    check(made, "making a graph of a plan");
  }

  const int index_;
  GraphMemory memory_;
  cudaGraphExec_t executable_ = nullptr;
  cudaEvent_t done_ = nullptr;  // the last run
  cudaStream_t last_ = nullptr;
  int64_t runs_ = 0;
};

}  // namespace

std::unique_ptr<LaunchGraph> make_graph(int index) { return std::make_unique<Graph>(index); }

GraphMemory* graph_memory() { return memory_of_thread; }
void* allocate(GraphMemory& memory, size_t bytes) { return memory.allocate(bytes); }
void release(GraphMemory& memory, void* data, size_t bytes) noexcept { memory.release(data, bytes); }

}  // namespace nn::cuda
