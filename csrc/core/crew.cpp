#include "core/crew.h"

#include <omp.h>
#include <sched.h>

#include <exception>

namespace nn {
namespace {

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits a little longer each time: at first the answer is nanoseconds away, later somebody else may need the processor.
class Patience {
 public:
  void wait() {
    if (++rounds_ < 4000)
      relax();
    else
      sched_yield();
  }

 private:
  int rounds_ = 0;
};

constexpr uint64_t kJob = uint64_t{1} << 32;

}  // namespace

void Crew::run(int threads, void (*lead)(Crew& crew, void* data), void* data) {
  Crew crew;
  std::exception_ptr thrown;
#pragma omp parallel num_threads(threads)
  {
    if (omp_get_thread_num() == 0) {
      try {
        lead(crew, data);
      } catch (...) {
        thrown = std::current_exception();
      }
      crew.over_.store(true, std::memory_order_release);
    } else {
      crew.wait_for_work();
    }
  }
  if (thrown) std::rethrow_exception(thrown);
}

void Crew::share(int64_t parts, Part part, const void* body) {
  if (sharing_.load(std::memory_order_relaxed)) {  // a part that has parts of its own does them itself
    for (int64_t i = 0; i < parts; ++i) part(body, i, parts);
    return;
  }
  sharing_.store(true, std::memory_order_relaxed);
  ++shared_;
  // Nobody works on the job before: all its parts are done. Who still looks at it sees that nothing is left.
  parts_.store(parts, std::memory_order_relaxed);
  part_.store(part, std::memory_order_relaxed);
  body_.store(body, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const uint64_t job = left_.load(std::memory_order_relaxed) / kJob + 1;
  left_.store(job * kJob + static_cast<uint64_t>(parts), std::memory_order_release);
  while (take()) {
  }
  for (Patience patience; done_.load(std::memory_order_acquire) < parts;) patience.wait();
  sharing_.store(false, std::memory_order_relaxed);
}

bool Crew::take() {
  uint64_t seen = left_.load(std::memory_order_acquire);
  while (seen % kJob > 0) {
    // Those of the job that was seen, if the exchange below succeeds: as long as it has parts left there is no other.
    const int64_t parts = parts_.load(std::memory_order_relaxed);
    const Part part = part_.load(std::memory_order_relaxed);
    const void* const body = body_.load(std::memory_order_relaxed);
    if (!left_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    part(body, parts - static_cast<int64_t>(seen % kJob), parts);
    done_.fetch_add(1, std::memory_order_release);
    return true;
  }
  return false;
}

void Crew::wait_for_work() {
  Patience patience;
  while (!over_.load(std::memory_order_acquire)) {
    if (take())
      patience = Patience();
    else
      patience.wait();
  }
}

}  // namespace nn
