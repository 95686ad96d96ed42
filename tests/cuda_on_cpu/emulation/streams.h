// Streams and events. Work runs when it is queued or, with options.late_streams, when somebody waits for it: then only
// as much as was waited for, so that a missing wait shows.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda_runtime_api.h"

using Work = std::function<void()>;

struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};

struct CUstream_st {
  bool blocking = true;  // waits for the null stream, and the null stream for it
  std::deque<Work> queue;
  uint64_t queued = 0, done = 0;  // pieces of work in its life
  std::unique_ptr<CUgraph_st> capture;
};

// A mark in a stream. Recording again moves it.
struct CUevent_st {
  cudaStream_t stream = nullptr;  // null: never recorded
  uint64_t place = 0;             // the number of pieces of work before it
  bool timing = true;
  std::shared_ptr<std::chrono::steady_clock::time_point> time;  // when they were done
};

namespace cuda_on_cpu {

std::recursive_mutex& device_mutex();  // of everything the runtime has, kernels too
CUstream_st& stream_of(cudaStream_t handle);
void enqueue(CUstream_st& stream, Work work);
void run_until(CUstream_st& stream, uint64_t place);
void run_all();
bool is_done(const CUevent_st& event);
bool any_capture();

}  // namespace cuda_on_cpu
