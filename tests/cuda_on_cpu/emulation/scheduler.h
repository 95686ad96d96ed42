// The threads of a launch. Blocks (or clusters of blocks) run one after another; the threads of a block run in turns,
// each up to the point where it has to wait for others.
//
// A thread that never waits costs a function call: one fiber runs threads to their end, one after another. Only when a
// thread waits is its fiber left standing, and another fiber goes on with the threads that have not started yet.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "device.h"
#include "fiber.h"
#include "race.h"
#include "report.h"

namespace cuda_on_cpu {

struct Thread;
struct Block;
struct AsyncState;  // async.h: copies and products that a thread has under way
struct BlockAsync;  // async.h: mbarriers

// Threads that wait for one thing.
struct WaitList {
  std::vector<Thread*> threads;
};

// A meeting of `expected` threads.
struct Barrier {
  int arrived = 0;
  uint32_t generation = 0;
  const Site* site = nullptr;
  WaitList waiting;
  Clock clock, ended;  // of the arrivals so far; of the last meeting, for those who have not gone on yet
  int votes[2] = {};   // of this meeting and the last: how many said yes
};

// A meeting of the lanes of a warp that `mask` names. Two sets of slots, because a lane may be at the next meeting
// while another still reads from this one.
struct WarpGroup {
  uint32_t mask;
  uint32_t arrived = 0;
  uint32_t generation = 0;
  const char* operation = nullptr;
  WaitList waiting;
  Clock clock, ended;
  WarpSlot slots[2][kWarp];
};

struct Thread {
  Block* block;
  int number;  // in its block, x fastest
  uint3 index;
  Fiber* fiber;
  bool running, done;
  uint32_t cluster_generation;  // at its last arrival at the barrier of the cluster
  const char* waits_for;        // for the report of a deadlock, with `site`
  const Site* site;
  std::unique_ptr<AsyncState> async;
};

struct Block {
  uint3 index;
  unsigned rank;  // in its cluster
  int alive;
  char* shared;        // its window of shared memory
  size_t shared_used;  // bytes of the window that hold variables
  struct Variable {
    const void* site;
    char *begin, *end;
  };
  std::vector<Variable> variables;
  Barrier barrier;  // __syncthreads
  Barrier named[16];
  std::vector<std::vector<std::unique_ptr<WarpGroup>>> warps;
  std::vector<Thread> threads;
  std::unique_ptr<BlockAsync> async;
  uint64_t number;  // of all blocks that ever ran
  uint64_t stamp;   // grows with each __syncthreads, and from block to block
};

Thread* current_thread();      // null on the host
const char* current_kernel();  // "(none)" on the host
const Launch& current_launch();
std::vector<Block>& current_cluster();

// For what threads wait for: stops the current thread until it is woken.
void wait(WaitList& list, const char* for_what, const Site* site);
void wake(WaitList& list);

// All have met: the next meeting begins.
template <class Meeting>
void complete_meeting(Meeting& meeting) {
  meeting.arrived = 0;
  ++meeting.generation;
  meeting.ended = std::move(meeting.clock);
  meeting.clock.clear();
  wake(meeting.waiting);
}

}  // namespace cuda_on_cpu
