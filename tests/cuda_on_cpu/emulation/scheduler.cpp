#include "scheduler.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <string>

#include "async_state.h"
#include "memory.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace cuda_on_cpu {
namespace {

constexpr size_t kWindow = size_t{1} << kWindowBits;

Thread* current = nullptr;
const Launch* launch_now = nullptr;
void (*body_now)(const void*) = nullptr;
const void* arguments_now = nullptr;
std::vector<Block> cluster;
Barrier cluster_barrier_state;
std::mt19937_64 random_order;
uint64_t blocks_so_far = 0;
uint64_t stamps = 0;

std::vector<Thread*> fresh;  // not started; the next is the last
std::vector<Thread*> ready;  // were woken
std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle;
Fiber* running_fiber = nullptr;
bool abandoned = false;

void put_in_order(std::vector<Thread*>& threads) {
  if (options.order == Order::reverse) std::reverse(threads.begin(), threads.end());
  if (options.order == Order::random) std::shuffle(threads.begin(), threads.end(), random_order);
}

void enter(Thread* thread) {
  current = thread;
  threadIdx = thread->index;
  blockIdx = thread->block->index;
}

void to_scheduler() {
  Fiber* const from = running_fiber;
  running_fiber = nullptr;
  current = nullptr;
  Fiber::change(from, nullptr);
}

void finish(Thread* thread) {
  Block& block = *thread->block;
  async_thread_ends(*thread);
  thread->done = true;
  --block.alive;
  if (block.barrier.arrived > 0 && block.barrier.arrived == block.alive) {
    report("__syncthreads at %s:%d: the thread exits while others wait for it", block.barrier.site->file,
           block.barrier.site->line);
    complete_meeting(block.barrier);
  }
}

// Runs threads that have not started, to their end or until one waits.
void fiber_main() {
  Fiber::entered();
  while (true) {
    while (!fresh.empty()) {
      Thread* const thread = fresh.back();
      fresh.pop_back();
      thread->fiber = running_fiber;
      thread->running = true;
      enter(thread);
      body_now(arguments_now);
      finish(current);
    }
    idle.push_back(running_fiber);
    to_scheduler();
  }
}

void resume(Fiber* fiber) {
  running_fiber = fiber;
  Fiber::change(nullptr, fiber);
}

Fiber* fiber_for_fresh() {
  if (idle.empty()) {
    fibers.push_back(std::make_unique<Fiber>(fiber_main));
    return fibers.back().get();
  }
  Fiber* const fiber = idle.back();
  idle.pop_back();
  return fiber;
}

Thread* next_ready() {
  size_t at = 0;  // forward: in the order of waking
  if (options.order == Order::reverse) at = ready.size() - 1;
  if (options.order == Order::random) at = random_order() % ready.size();
  Thread* const thread = ready[at];
  ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(at));
  return thread;
}

void report_deadlock() {
  std::map<std::string, int> waiting;
  for (const Block& block : cluster)
    for (const Thread& thread : block.threads)
      if (thread.running && !thread.done)
        ++waiting[std::string(thread.waits_for) + " at " + (thread.site ? thread.site->file : "?") + ":" +
                  std::to_string(thread.site ? thread.site->line : 0)];
  std::string text;
  for (const auto& [what, count] : waiting)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " threads wait for " + what;
  report("deadlock: %s", text.c_str());
}

void run_threads() {
  while (true) {
    // Threads that have not started come first in one order and last in another.
    const bool start = options.order == Order::random ? random_order() % 2 == 0 : options.order == Order::forward;
    if (!fresh.empty() && (start || ready.empty())) {
      resume(fiber_for_fresh());
    } else if (!ready.empty()) {
      Thread* const thread = next_ready();
      enter(thread);
      resume(thread->fiber);
    } else if (std::all_of(cluster.begin(), cluster.end(), [](const Block& b) { return b.alive == 0; })) {
      return;
    } else if (!complete_one_copy()) {
      report_deadlock();
      abandoned = true;
      return;
    }
  }
}

void start_block(Block& block, uint3 index, unsigned rank) {
  const dim3 size = launch_now->block;
  const int count = static_cast<int>(size.x * size.y * size.z);
  block.index = index;
  block.rank = rank;
  block.alive = count;
  block.number = ++blocks_so_far;
  block.stamp = ++stamps;
  block.shared = shared_memory() + rank * kWindow;
  block.shared_used = kReservedShared + launch_now->dynamic_shared;
  block.variables.clear();
  block.async.reset();
  block.barrier = Barrier();
  for (Barrier& barrier : block.named) barrier = Barrier();
  block.warps.clear();
  block.warps.resize((static_cast<size_t>(count) + kWarp - 1) / kWarp);
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(block.shared, kWindow);
  __asan_unpoison_memory_region(block.shared + kReservedShared, launch_now->dynamic_shared);
#endif
  std::memset(block.shared + kReservedShared, 0xff, launch_now->dynamic_shared);
  if (launch_now->dynamic_shared > 0)
    block.variables.push_back(
        {nullptr, block.shared + kReservedShared, block.shared + kReservedShared + launch_now->dynamic_shared});
  const bool same = block.threads.size() == static_cast<size_t>(count) && block.threads[0].block == &block;
  if (!same) block.threads = std::vector<Thread>(static_cast<size_t>(count));
  uint3 at = {0, 0, 0};
  for (int i = 0; i < count; ++i) {
    Thread& thread = block.threads[static_cast<size_t>(i)];
    thread.block = &block;
    thread.number = i;
    thread.index = at;
    thread.running = thread.done = false;
    fresh.push_back(&thread);
    if (++at.x == size.x) at.x = 0, ++at.y;
    if (at.y == size.y) at.y = 0, ++at.z;
  }
}

uint3 cluster_origin(uint64_t number) {
  const dim3 grid = launch_now->grid, size = launch_now->cluster;
  const uint64_t across = grid.x / size.x, down = grid.y / size.y;
  return {static_cast<unsigned>(number % across) * size.x, static_cast<unsigned>(number / across % down) * size.y,
          static_cast<unsigned>(number / across / down) * size.z};
}

void run_cluster(uint64_t number) {
  const uint3 origin = cluster_origin(number);
  const dim3 size = launch_now->cluster;
  cluster_barrier_state = Barrier();
  fresh.clear();
  ready.clear();
  unsigned rank = 0;
  for (unsigned z = 0; z < size.z; ++z)
    for (unsigned y = 0; y < size.y; ++y)
      for (unsigned x = 0; x < size.x; ++x, ++rank)
        start_block(cluster[rank], {origin.x + x, origin.y + y, origin.z + z}, rank);
  put_in_order(fresh);
  std::reverse(fresh.begin(), fresh.end());  // taken from the end
  race_cluster_started(static_cast<int>(fresh.size()), async_engines());
  async_cluster_started();
  run_threads();
  if (abandoned) {  // their stacks are left in the middle of a thread
    fibers.clear();
    idle.clear();
    for (Block& block : cluster) block.threads.clear();
  }
}

}  // namespace

void run(const Launch& launch, void (*body)(const void*), const void* arguments) {
  launch_now = &launch;
  body_now = body;
  arguments_now = arguments;
  abandoned = false;
  gridDim = launch.grid;
  blockDim = launch.block;
  cluster.resize(launch.cluster.x * launch.cluster.y * launch.cluster.z);
  random_order.seed(options.seed);
  race_launch_started();
  const DeviceAccess access;
  const uint64_t clusters =
      uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z / std::max<size_t>(cluster.size(), 1);
  std::vector<uint64_t> order;
  if (options.order == Order::random) {
    order.resize(clusters);
    std::iota(order.begin(), order.end(), uint64_t{0});
    std::shuffle(order.begin(), order.end(), random_order);
  }
  for (uint64_t i = 0; i < clusters && !abandoned; ++i)
    run_cluster(options.order == Order::random ? order[i] : options.order == Order::reverse ? clusters - 1 - i : i);
  launch_now = nullptr;
}

Thread* current_thread() { return current; }
const char* current_kernel() { return launch_now != nullptr ? launch_now->name : "(none)"; }
const Launch& current_launch() { return *launch_now; }
std::vector<Block>& current_cluster() { return cluster; }
int lane() { return current->number % kWarp; }

void wait(WaitList& list, const char* for_what, const Site* site) {
  Thread* const thread = current;
  thread->waits_for = for_what;
  thread->site = site;
  thread->fiber = running_fiber;
  list.threads.push_back(thread);
  to_scheduler();
}

void wake(WaitList& list) {
  put_in_order(list.threads);
  ready.insert(ready.end(), list.threads.begin(), list.threads.end());
  list.threads.clear();
}

namespace {

// Arrives, and waits until all have. The last one finds them all.
void meet(Barrier& barrier, int expected, bool waits, const char* what, const Site* site) {
  if (barrier.arrived == 0) barrier.site = site;
  race_release(barrier.clock);
  if (++barrier.arrived < expected) {
    if (!waits) return;
    wait(barrier.waiting, what, site);
  } else {
    complete_meeting(barrier);
  }
  race_acquire(barrier.ended);
}

}  // namespace

void block_barrier(const Site* site) {
  Block& block = *current->block;
  Barrier& barrier = block.barrier;
  const int expected = static_cast<int>(block.threads.size());
  if (barrier.arrived > 0 && barrier.site != site)
    report("divergent __syncthreads: this thread is at %s:%d, others at %s:%d", site->file, site->line,
           barrier.site->file, barrier.site->line);
  if (block.alive < expected)
    report("__syncthreads at %s:%d: %d of %d threads have exited", site->file, site->line, expected - block.alive,
           expected);
  const bool last = barrier.arrived + 1 == block.alive;
  if (last && cluster.size() == 1) block.stamp = ++stamps;
  if (last) barrier.votes[1] = barrier.votes[0], barrier.votes[0] = 0;
  meet(barrier, block.alive, true, "__syncthreads", site);
}

int block_vote(bool yes, const Site* site) {
  Barrier& barrier = current->block->barrier;
  barrier.votes[0] += yes;
  block_barrier(site);
  return barrier.votes[1];
}

void named_barrier(int id, int threads, bool waits, const Site* site) {
  if (id < 1 || id > 15) return report("named barrier %d: expected 1 to 15 (0 is __syncthreads)", id);
  if (threads % kWarp != 0) report("named barrier %d: %d threads, expected a multiple of %d", id, threads, kWarp);
  meet(current->block->named[id], threads, waits, "a named barrier", site);
}

void cluster_arrive() {
  Barrier& barrier = cluster_barrier_state;
  race_release(barrier.clock);
  int alive = 0;
  for (const Block& block : cluster) alive += block.alive;
  current->cluster_generation = barrier.generation;
  if (++barrier.arrived == alive) {
    complete_meeting(barrier);
  }
}

void cluster_wait(const Site* site) {
  if (cluster_barrier_state.generation == current->cluster_generation)
    wait(cluster_barrier_state.waiting, "the barrier of the cluster", site);
  race_acquire(cluster_barrier_state.ended);
}

const WarpSlot* warp_meeting(uint32_t mask, const void* value, size_t bytes, const char* operation, const Site* site) {
  Thread* const thread = current;
  Block& block = *thread->block;
  auto& groups = block.warps[static_cast<size_t>(thread->number / kWarp)];
  const int threads = static_cast<int>(block.threads.size()) - thread->number / kWarp * kWarp;
  if (threads < kWarp) mask &= (1u << threads) - 1;  // lanes that the block does not have
  WarpGroup* group = nullptr;
  for (auto& candidate : groups)
    if (candidate->mask == mask) group = candidate.get();
  if (group == nullptr) {
    groups.push_back(std::make_unique<WarpGroup>());
    group = groups.back().get();
    group->mask = mask;
  }
  const int me = lane();
  if ((mask >> me & 1) == 0)
    report("%s at %s:%d: lane %d is not in the mask %08x", operation, site->file, site->line, me, mask);
  if (group->arrived == 0) group->operation = operation;
  if (std::strcmp(group->operation, operation) != 0)
    report("divergent warp: this lane is at %s (%s:%d), others at %s", operation, site->file, site->line,
           group->operation);
  WarpSlot* const slots = group->slots[group->generation & 1];
  std::memcpy(slots[me].bytes, value, bytes);
  group->arrived |= 1u << me;
  race_release(group->clock);
  if (group->arrived == mask) {
    complete_meeting(*group);
  } else {
    wait(group->waiting, operation, site);
  }
  race_acquire(group->ended);
  return slots;
}

}  // namespace cuda_on_cpu
