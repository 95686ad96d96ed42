// Fibers: stacks between which one thread of the CPU changes by hand. Each holds one CUDA thread that waits.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

class Fiber {
 public:
  // A fiber that will run entry(), which never returns.
  explicit Fiber(void (*entry)());
  Fiber(const Fiber&) = delete;
  ~Fiber();

  // Leaves `from` and goes on in `to`; null is the stack that the thread was born with.
  static void change(Fiber* from, Fiber* to);
  // The first thing that entry() calls.
  static void entered();

  bool contains(const void* address) const;

 private:
  Fiber();  // the stack that the thread was born with
  static Fiber& of_thread();

  void* context_ = nullptr;  // where it stopped: a stack pointer, or a ucontext_t
  char* stack_ = nullptr;
  size_t size_ = 0;
  bool owned_ = false;
};

}  // namespace cuda_on_cpu
