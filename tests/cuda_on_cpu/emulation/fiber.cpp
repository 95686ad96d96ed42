// A change between fibers costs a few nanoseconds on x86-64, where it is a dozen instructions; elsewhere ucontext does
// it, with a system call. AddressSanitizer is told of each change, because it keeps notes on the stack in use.
#include "fiber.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#ifndef __x86_64__
#include <ucontext.h>
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_on_cpu {
namespace {

constexpr size_t kGuard = 4096;
#ifdef __SANITIZE_ADDRESS__
constexpr size_t kStack = 1 << 20;  // with red zones around every variable
#else
constexpr size_t kStack = 256 << 10;
#endif

}  // namespace

#ifdef __x86_64__

// Saves what a function must preserve on the stack that is left, and takes the same from the other one.
extern "C" void cuda_on_cpu_change(void** save, void* load);
asm(R"(
.text
.hidden cuda_on_cpu_change
.globl cuda_on_cpu_change
.type cuda_on_cpu_change, @function
cuda_on_cpu_change:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_on_cpu_change, .-cuda_on_cpu_change
)");

namespace {

void* prepare(char* stack, size_t size, void (*entry)()) {
  auto** top = reinterpret_cast<void**>(stack + size);
  *--top = nullptr;  // as if a call had pushed this: entry starts on a stack aligned as the ABI has it
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  return top;
}

void change_context(void** from, void** to) { cuda_on_cpu_change(from, *to); }
void discard(void*) {}

}  // namespace

#else

namespace {

void* prepare(char* stack, size_t size, void (*entry)()) {
  auto* context = new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = size;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}

void change_context(void** from, void** to) {
  if (*from == nullptr) *from = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(*from), static_cast<ucontext_t*>(*to));
}
void discard(void* context) { delete static_cast<ucontext_t*>(context); }

}  // namespace

#endif

Fiber::Fiber() {
  pthread_attr_t attributes;
  void* bottom = nullptr;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &bottom, &size_);
  pthread_attr_destroy(&attributes);
  stack_ = static_cast<char*>(bottom);
}

Fiber::Fiber(void (*entry)()) : size_(kStack), owned_(true) {
  void* memory = mmap(nullptr, kGuard + kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuard, PROT_NONE) != 0) {
    std::perror("cuda_on_cpu: no memory for the stack of a CUDA thread");
    std::abort();
  }
  stack_ = static_cast<char*>(memory) + kGuard;
  context_ = prepare(stack_, kStack, entry);
}

Fiber::~Fiber() {
  discard(context_);
  if (owned_) munmap(stack_ - kGuard, kGuard + size_);
}

Fiber& Fiber::of_thread() {
  static thread_local Fiber fiber;
  return fiber;
}

void Fiber::change(Fiber* from, Fiber* to) {
  Fiber& leaving = from != nullptr ? *from : of_thread();
  Fiber& entering = to != nullptr ? *to : of_thread();
#ifdef __SANITIZE_ADDRESS__
  void* locals = nullptr;
  __sanitizer_start_switch_fiber(&locals, entering.stack_, entering.size_);
  change_context(&leaving.context_, &entering.context_);
  __sanitizer_finish_switch_fiber(locals, nullptr, nullptr);
#else
  change_context(&leaving.context_, &entering.context_);
#endif
}

void Fiber::entered() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

bool Fiber::contains(const void* address) const {
  const auto* a = static_cast<const char*>(address);
  return stack_ <= a && a < stack_ + size_;
}

}  // namespace cuda_on_cpu
