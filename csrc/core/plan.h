// A plan: the launches of a function, recorded while it ran, to be run again as one call without the interpreter.
//
// While a thread records, everything runs as always. The launch funnel copies each kernel and its arguments here,
// arrays come from memory of the plan, and what ran on the host between the kernels (checks of indices, tables written
// into arrays) is kept too. Replaying does the same again at the same addresses. A block that an array gave back while
// recording serves later arrays of the same plan, so the plan needs the memory that the function needed at its peak.
//
// On a GPU the launches become a graph of its driver (LaunchGraph in backend.h), and one launch of that is a replay.
//
// What a replay reads anew lies in memory: inputs, parameters, states, step counters, rates, the random counter. Arrays
// from before the recording stay alive with the plan.
#pragma once

#include <atomic>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/array.h"
#include "core/backend.h"
#include "core/launch.h"
#include "core/plan_memory.h"

namespace nn {

// A piece of memory that launches of a plan may touch: an array's, until it was dropped.
struct PlanBlock {
  const char* data;
  size_t bytes;
  bool external;  // from before the recording
  int died;       // before this step, counted as recorded, or kAlive
  static constexpr int kAlive = 1 << 30;
};

// An array as a launch sees it.
struct PlanOperand {
  int block;
  DType dtype;
  Dims shape;
};

// A kernel with its arguments, or work of the host.
struct PlanStep {
  ErasedKernel kernel{};  // null: work of the host
  std::vector<std::byte> args;
  std::function<void()> host;
  std::vector<PlanOperand> operands;  // the arrays that the arguments point into: perhaps too many, never too few
  std::string where;                  // in the user's program

  // What was written into an array from the host, and where: for plan_fuse.h.
  std::vector<std::byte> uploaded;
  const void* upload_to = nullptr;

  // What fusing made: a table that the arguments point to; several steps as one, and its name.
  std::shared_ptr<const void> table;
  std::function<void(const LaunchContext&)> chain;
  std::string label;

  bool on_host() const { return kernel.run == nullptr && !chain; }
  const char* name() const { return !label.empty() ? label.c_str() : on_host() ? "host" : kernel.name; }
};

struct StepTime {
  double start;  // seconds since the replay began
  double seconds;
};

class Plan {
 public:
  ~Plan();

  void replay();
  std::vector<StepTime> replay_timed();

  // On a GPU: what this thread's stream is told from now on comes after the last replay.
  void follow() const;

  // What the function is called with: copied into `inputs`, which it was recorded with, before a replay.
  void set_inputs(const std::vector<Array>& inputs) { inputs_ = inputs; }
  const std::vector<Array>& inputs() const { return inputs_; }

  // What a replay writes and somebody outside can see: these arrays count as written with each replay.
  void add_results(const std::vector<Array>& results);

  // The line where an array from outside was used that nobody but the plan holds any more, so that it cannot be what
  // the function would use now; null where there is none.
  const std::string* orphan() const;

  // Whether its kernels are those that would be launched now.
  bool is_current() const { return table_ == &kernels(device_); }

  const std::vector<PlanStep>& steps() const { return steps_; }
  const std::vector<PlanBlock>& blocks() const { return blocks_; }
  int recorded_launches() const { return recorded_launches_; }
  const PlanMemory& memory() const { return *memory_; }
  size_t fixed_bytes() const;                       // of arrays from outside
  std::vector<Array> written_from_outside() const;  // arrays from before the recording that a replay changes

 private:
  friend class Recording;
  struct External {
    std::shared_ptr<Storage> storage;
    std::string where;
    bool constant, written;
  };
  explicit Plan(Device device);
  template <class Around>
  void run(const Around& around);
  template <class Around>
  void go_through(const LaunchContext& context, const Around& around);
  template <class Around>
  void run_on_cpu(const Around& around);
  void count_writes();

  const Device device_;
  const KernelTable* const table_ = &kernels(device_);
  std::unique_ptr<LaunchGraph> graph_;  // on a GPU
  std::shared_ptr<PlanMemory> memory_;
  std::vector<PlanStep> steps_;
  std::vector<PlanBlock> blocks_;
  std::vector<External> externals_;
  std::vector<Array> inputs_, results_;
  int recorded_launches_ = 0;
  bool shares_work_ = true;  // among threads
  std::mutex replaying_;
};

// The recording of this thread, from construction to finish() or the destructor, which must come on the same thread.
class Recording {
 public:
  // `where` tells the line of the user's program that runs now. Everything is to happen on the one device.
  Recording(std::function<std::string()> where, Device device);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // Ends the recording. Throws where something was refused, also when the program caught that, or where an array from
  // outside was replaced meanwhile. `fuse` allows launches to be joined (plan_fuse.h).
  std::unique_ptr<Plan> finish(bool fuse);
  void stop() noexcept;  // ends it without a plan

  static Recording* current();
  Device device() const { return plan_->device_; }
  const std::shared_ptr<PlanMemory>& memory() const { return plan_->memory_; }

  void launched(const ErasedKernel& kernel, const void* args, size_t bytes, Device device);
  void on_host(std::function<void()> work, const std::vector<const void*>& touched);
  void uploaded(const Array& to, const void* from, size_t bytes);  // from the host: the same bytes each time
  void use(const Array& x);
  void wrote(const Array& x);
  void constant(const std::shared_ptr<Storage>& storage);
  bool is_constant(const Array& x) const;
  void born(const void* data, size_t bytes);
  void died(const void* data);
  [[noreturn]] void refuse(const std::string& what, const std::string& instead);

 private:
  size_t external(const std::shared_ptr<Storage>& storage);  // its place among the plan's externals
  int block_at(uintptr_t address) const;
  std::vector<int> blocks_in(const void* words, size_t bytes) const;
  std::vector<PlanOperand> operands_in(const void* words, size_t bytes) const;

  std::unique_ptr<Plan> plan_;
  std::function<std::string()> where_;
  std::string refused_;
  std::vector<std::pair<uintptr_t, int>> live_;  // blocks by address, sorted
  std::unordered_map<const Storage*, size_t> known_;
  std::unordered_map<int, PlanOperand> views_;        // of blocks: how the array looked that was used last
  std::unordered_map<int, std::vector<int>> tables_;  // block -> blocks that a table written into it points at
  bool running_ = true;
};

struct CaptureError : Error {  // CaptureError, a RuntimeError: what cannot be part of a plan
  using Error::Error;
};

// Throws while this thread records: what is named cannot be part of a plan, and what to do instead.
inline void refuse_while_recording(const char* what, const char* instead) {
  if (some_thread_records()) [[unlikely]]
    if (Recording* recording = Recording::current()) recording->refuse(what, instead);
}

// A read of elements by Python or by the host, for the program to go on from.
inline void refuse_reading(const char* what) {
  refuse_while_recording(
      what, "Return the tensor and read it after the call, or compute with it as a tensor (nncore.where, masks).");
}

// Runs work of the host that belongs to an operation, such as throwing for what a check found; a plan runs it again at
// this place. It captures plain data: pointers into arrays stay valid in the plan, an Array would keep memory from use.
template <class Work>
void on_host(const Work& work, std::initializer_list<const void*> touched) {
  work();
  if (some_thread_records()) [[unlikely]]
    if (Recording* recording = Recording::current()) recording->on_host(work, touched);
}

}  // namespace nn
