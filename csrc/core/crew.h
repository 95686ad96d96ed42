// Threads that stay together over many launches of a plan.
//
// Opening a parallel region costs a microsecond, and where another process has taken a thread's processor everybody
// waits for that thread's next time slice. A crew is entered once. One thread goes through the launches; whenever one
// of them has work for several, the others take parts of it, each of them the next one that nobody has. A thread that
// is late takes none, and nobody waits for it.
//
// Members are not inline, because kernel files of several instruction sets share this class.
#pragma once

#include <atomic>
#include <cstdint>

namespace nn {

class Crew {
 public:
  using Part = void (*)(const void* body, int64_t part, int64_t parts);

  // Calls lead() on this thread, while the other threads of a team of `threads` wait for work. What it throws is thrown
  // anew after all have left.
  static void run(int threads, void (*lead)(Crew& crew, void* data), void* data);

  // Calls part(body, i, parts) for i = 0 ... parts - 1 on the crew's threads. Only from within lead().
  void share(int64_t parts, Part part, const void* body);

  int64_t shared() const { return shared_; }  // how often there was work for several

 private:
  Crew() = default;
  bool take();  // and do one part of what there is
  void wait_for_work();

  // The job's number in the upper half, how many of its parts nobody has taken in the lower.
  alignas(64) std::atomic<uint64_t> left_{0};
  alignas(64) std::atomic<int64_t> done_{0};
  alignas(64) std::atomic<int64_t> parts_{0};
  std::atomic<Part> part_{nullptr};
  std::atomic<const void*> body_{nullptr};
  std::atomic<bool> sharing_{false}, over_{false};
  int64_t shared_ = 0;
};

}  // namespace nn
