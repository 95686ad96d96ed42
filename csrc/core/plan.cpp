#include "core/plan.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/crew.h"
#include "core/device_bytes.h"
#include "core/error.h"
#include "core/plan_fuse.h"
#include "core/threads.h"

namespace nn {

std::atomic<int> recordings{0};

namespace {

thread_local Recording* current_recording = nullptr;

}  // namespace

// ---- Plan ----

Plan::Plan(Device device) : device_(device), memory_(std::make_shared<PlanMemory>(device)) {
  if (device.type != DeviceType::cpu) graph_ = backend(device).make_graph(device.index);
}

Plan::~Plan() {
  graph_.reset();  // waits for it, so that the memory is free
  if (memory_) memory_->abandon();
}

void Plan::count_writes() {
  for (const External& e : externals_)
    if (e.written) e.storage->version.fetch_add(1, std::memory_order_relaxed);
  for (const Array& result : results_) result.storage->version.fetch_add(1, std::memory_order_relaxed);
}

template <class Around>
void Plan::go_through(const LaunchContext& context, const Around& around) {
  for (const PlanStep& step : steps_)
    around(
        [&] {
          if (step.chain)
            step.chain(context);
          else if (step.on_host())
            step.host();
          else
            step.kernel.call(step.kernel.run, step.args.data(), context);
        },
        step);
}

template <class Around>
void Plan::run_on_cpu(const Around& around) {
  const Team team;
  if (team.threads == 1 || !shares_work_) {
    go_through({team.threads, nullptr}, around);
    return;
  }
  // Launches that are all too small for several threads do not wake any: the first replay tells.
  int64_t shared = 0;
  auto lead = [&](Crew& crew) {
    go_through({team.threads, nullptr, &crew}, around);
    shared = crew.shared();
  };
  Crew::run(team.threads, [](Crew& crew, void* data) { (*static_cast<decltype(lead)*>(data))(crew); }, &lead);
  shares_work_ = shared > 0;
}

template <class Around>
void Plan::run(const Around& around) {
  const std::lock_guard one_at_a_time(replaying_);
  count_writes();
  follow();
  if (device_.type == DeviceType::cpu)
    run_on_cpu(around);
  else
    go_through(backend(device_).begin_launch(device_.index), [&](const auto& work, const PlanStep& step) {
      around(
          [&] {
            work();
            backend(device_).synchronize(device_.index);  // only steps that are timed run one by one
          },
          step);
    });
}

void Plan::follow() const {
  if (graph_) graph_->follow();
}

void Plan::replay() {
  if (!is_profiling()) {
    if (!graph_) {
      run([](const auto& work, const PlanStep&) { work(); });
      return;
    }
    const std::lock_guard one_at_a_time(replaying_);
    count_writes();
    graph_->run([this](const LaunchContext& context) {
      go_through(context, [this](const auto& work, const PlanStep& step) {
        work();
        // Names are remembered for longer than the plan lives.
        backend(device_).end_launch(device_.index, step.on_host() ? "host" : step.kernel.name);
      });
    });
    return;
  }
  const std::vector<StepTime> times = replay_timed();
  for (size_t i = 0; i < times.size(); ++i)
    if (!steps_[i].on_host()) add_to_profile(steps_[i].name(), times[i].seconds);
}

std::vector<StepTime> Plan::replay_timed() {
  using Clock = std::chrono::steady_clock;
  std::vector<StepTime> times;
  times.reserve(steps_.size());
  const auto began = Clock::now();
  run([&](const auto& work, const PlanStep&) {
    const auto start = Clock::now();
    work();
    const auto end = Clock::now();
    times.push_back(
        {std::chrono::duration<double>(start - began).count(), std::chrono::duration<double>(end - start).count()});
  });
  return times;
}

void Plan::add_results(const std::vector<Array>& results) {
  results_.insert(results_.end(), results.begin(), results.end());
}

const std::string* Plan::orphan() const {
  for (const External& e : externals_)
    if (!e.constant && e.storage.use_count() == 1) return &e.where;
  return nullptr;
}

size_t Plan::fixed_bytes() const {
  size_t total = 0;
  for (const External& e : externals_) total += e.storage->bytes;
  return total;
}

std::vector<Array> Plan::written_from_outside() const {
  std::vector<Array> found;
  for (const External& e : externals_) {
    if (!e.written) continue;
    const Dims shape{static_cast<int64_t>(e.storage->bytes)};
    found.push_back({e.storage, DType::uint8, shape, Dims{1}, 0});
  }
  return found;
}

// ---- Recording ----

Recording::Recording(std::function<std::string()> where, Device device)
    : plan_(new Plan(device)), where_(std::move(where)) {
  check(current_recording == nullptr, "capture: this thread is recording already");
  current_recording = this;
  recordings.fetch_add(1, std::memory_order_relaxed);
}

Recording::~Recording() { stop(); }

Recording* Recording::current() { return current_recording; }

void Recording::stop() noexcept {
  if (!running_) return;
  running_ = false;
  current_recording = nullptr;
  recordings.fetch_sub(1, std::memory_order_relaxed);
}

std::unique_ptr<Plan> Recording::finish(bool fuse) {
  check(running_, "capture: the recording has ended");
  stop();
  if (!refused_.empty()) throw CaptureError(refused_);
  if (const std::string* where = plan_->orphan())
    throw CaptureError(text("capture: a tensor from outside of the function was used at ", *where,
                            " and is gone now, so a replay could not see what takes its place. Pass it as an argument, "
                            "or update it in place (copy_, add_) where it is a state."));
  plan_->memory_->freeze();
  if (fuse) fuse_steps(plan_->steps_, plan_->blocks_, plan_->device_);
  return std::move(plan_);
}

void Recording::launched(const ErasedKernel& kernel, const void* args, size_t bytes, Device device) {
  if (device != plan_->device_)
    refuse(text(kernel.name, " on ", to_string(device), " in a function of tensors on ", to_string(plan_->device_)),
           "Keep everything that the function uses on one device.");
  PlanStep step;
  step.kernel = kernel;
  step.operands = operands_in(args, bytes);
  step.where = where_();
  step.args.resize(bytes);
  std::memcpy(step.args.data(), args, bytes);
  plan_->steps_.push_back(std::move(step));
  ++plan_->recorded_launches_;
}

void Recording::on_host(std::function<void()> work, const std::vector<const void*>& touched) {
  PlanStep step;
  step.host = std::move(work);
  step.operands = operands_in(touched.data(), touched.size() * sizeof(void*));
  step.where = where_();
  plan_->steps_.push_back(std::move(step));
}

void Recording::uploaded(const Array& x, const void* from, size_t bytes) {
  void* const to = x.data();
  const Device device = x.device();
  const auto* first = static_cast<const std::byte*>(from);
  const std::vector<std::byte> uploaded(first, first + bytes);
  if (device.type == DeviceType::cpu) {
    on_host([=] { std::memcpy(to, uploaded.data(), bytes); }, {to});
  } else {
    // The bytes wait on the device, in memory of their own: a graph must not read the host's.
    const auto kept = std::make_shared<DeviceBytes>(device, from, bytes);
    on_host([=] { backend(device).copy(device.index, to, device.index, kept->data, bytes); }, {to});
    plan_->steps_.back().label = "copy of a table";
  }
  plan_->steps_.back().uploaded = uploaded;
  plan_->steps_.back().upload_to = to;
  if (const int table = block_at(reinterpret_cast<uintptr_t>(to)); table >= 0) tables_[table] = blocks_in(from, bytes);
}

void Recording::use(const Array& x) {
  const std::shared_ptr<Storage>& storage = x.storage->base ? x.storage->base : x.storage;
  if (storage->plan_memory != plan_->memory_) external(storage);
  if (const int block = block_at(reinterpret_cast<uintptr_t>(storage->data)); block >= 0)
    views_[block] = {block, x.dtype, x.shape};
}

void Recording::wrote(const Array& x) {
  if (x.storage->plan_memory != plan_->memory_ && !x.storage->base)
    plan_->externals_[external(x.storage)].written = true;
}

void Recording::constant(const std::shared_ptr<Storage>& storage) {
  plan_->externals_[external(storage)].constant = true;
}

bool Recording::is_constant(const Array& x) const {
  const auto found = known_.find(x.storage.get());
  return found != known_.end() && plan_->externals_[found->second].constant;
}

size_t Recording::external(const std::shared_ptr<Storage>& storage) {
  const auto [entry, added] = known_.try_emplace(storage.get(), plan_->externals_.size());
  if (!added) return entry->second;
  plan_->externals_.push_back({storage, where_(), false, false});
  const int id = static_cast<int>(plan_->blocks_.size());
  plan_->blocks_.push_back({static_cast<const char*>(storage->data), storage->bytes, true, PlanBlock::kAlive});
  const std::pair place{reinterpret_cast<uintptr_t>(storage->data), id};
  live_.insert(std::upper_bound(live_.begin(), live_.end(), place), place);
  return entry->second;
}

void Recording::born(const void* data, size_t bytes) {
  const int id = static_cast<int>(plan_->blocks_.size());
  plan_->blocks_.push_back({static_cast<const char*>(data), bytes, false, PlanBlock::kAlive});
  const std::pair entry{reinterpret_cast<uintptr_t>(data), id};
  live_.insert(std::upper_bound(live_.begin(), live_.end(), entry), entry);
}

void Recording::died(const void* data) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const auto found = std::lower_bound(live_.begin(), live_.end(), std::pair{address, 0});
  if (found == live_.end() || found->first != address) return;
  plan_->blocks_[found->second].died = static_cast<int>(plan_->steps_.size());
  tables_.erase(found->second);
  live_.erase(found);
}

void Recording::refuse(const std::string& what, const std::string& instead) {
  const std::string message =
      text("capture: ", what, " cannot be recorded (", where_(), "): a replay runs no Python. ", instead);
  if (refused_.empty()) refused_ = message;
  throw CaptureError(message);
}

int Recording::block_at(uintptr_t address) const {
  auto after = std::upper_bound(live_.begin(), live_.end(), std::pair{address, PlanBlock::kAlive});
  if (after == live_.begin()) return -1;
  const int id = (--after)->second;
  const PlanBlock& block = plan_->blocks_[id];
  return address < reinterpret_cast<uintptr_t>(block.data) + block.bytes ? id : -1;
}

// The blocks that pointers among these words lead into, and through tables that were written into them: more rather
// than fewer, for a number may look like a pointer.
std::vector<int> Recording::blocks_in(const void* words, size_t bytes) const {
  std::vector<int> found;
  const auto add = [&](int id) {
    if (std::find(found.begin(), found.end(), id) == found.end()) found.push_back(id);
  };
  for (size_t i = 0; i + sizeof(uintptr_t) <= bytes; i += sizeof(uintptr_t)) {
    uintptr_t word;
    std::memcpy(&word, static_cast<const char*>(words) + i, sizeof word);
    const int id = block_at(word);
    if (id < 0) continue;
    add(id);
    if (const auto table = tables_.find(id); table != tables_.end())
      for (const int entry : table->second) add(entry);
  }
  return found;
}

std::vector<PlanOperand> Recording::operands_in(const void* words, size_t bytes) const {
  std::vector<PlanOperand> found;
  for (const int block : blocks_in(words, bytes)) {
    const auto view = views_.find(block);
    const int64_t size = static_cast<int64_t>(plan_->blocks_[block].bytes);
    found.push_back(view != views_.end() ? view->second : PlanOperand{block, DType::uint8, Dims{size}});
  }
  return found;
}

}  // namespace nn
