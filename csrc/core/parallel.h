// How kernels use threads: a static split of [0, count) over ctx.threads, none of it where the work is small.
// The split may decide which thread computes an element, never the order in which an element is summed.
#pragma once

#include <omp.h>

#include "core/crew.h"
#include "core/kernels/kernel.h"
#include "core/scratch.h"

namespace nn::NN_ISA {

// The work of parallel_for on the threads of a crew.
template <class Body>
static inline void share(Crew& crew, int64_t count, int threads, const Body& body) {
  struct Work {
    const Body* body;
    int64_t count;
    bool failed;
  } work{&body, count, false};
  const Crew::Part part = [](const void* data, int64_t t, int64_t n) {
    auto& w = *static_cast<Work*>(const_cast<void*>(data));
    const int64_t begin = w.count * t / n, end = w.count * (t + 1) / n;
    try {
      if (begin < end) (*w.body)(begin, end);
    } catch (...) {
      __atomic_store_n(&w.failed, true, __ATOMIC_RELAXED);
    }
  };
  crew.share(threads, part, &work);
  if (work.failed) throw_scratch_exhausted();
}

// Calls body(begin, end) on consecutive parts that cover [0, count), in parallel. Each thread gets at least `grain`
// items, so count <= grain stays on the calling thread. All that a body may throw is that its scratch memory ran out;
// an exception must not leave the parallel region, so it is thrown anew after it.
template <class Body>
static inline void parallel_for(const LaunchContext& ctx, int64_t count, int64_t grain, const Body& body) {
  if (count <= 0) return;
  const int64_t most = grain > 0 ? (count + grain - 1) / grain : count;
  const int threads = static_cast<int>(most < ctx.threads ? most : ctx.threads);
  if (threads <= 1) {
    body(int64_t{0}, count);
    return;
  }
  if (ctx.crew != nullptr) {
    share(*ctx.crew, count, threads, body);
    return;
  }
  bool failed = false;
#pragma omp parallel num_threads(threads)
  {
    const int64_t t = omp_get_thread_num(), n = omp_get_num_threads();
    const int64_t begin = count * t / n, end = count * (t + 1) / n;
    try {
      if (begin < end) body(begin, end);
    } catch (...) {
#pragma omp atomic write
      failed = true;
    }
  }
  if (failed) throw_scratch_exhausted();
}

}  // namespace nn::NN_ISA
