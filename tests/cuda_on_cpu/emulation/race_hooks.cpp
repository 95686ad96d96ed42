// What g++ -fsanitize=thread calls before each access to memory, without the library that usually answers. Only code of
// kernels is compiled so, and this file is not.
#include "race.h"

using cuda_on_cpu::race_access;
using cuda_on_cpu::race_atomic;

#define NN_HOOKS(n)                                                    \
  void __tsan_read##n(void* p) { race_access(p, n, false); }           \
  void __tsan_write##n(void* p) { race_access(p, n, true); }           \
  void __tsan_unaligned_read##n(void* p) { race_access(p, n, false); } \
  void __tsan_unaligned_write##n(void* p) { race_access(p, n, true); } \
  void __tsan_volatile_read##n(void* p) { race_access(p, n, false); }  \
  void __tsan_volatile_write##n(void* p) { race_access(p, n, true); }

extern "C" {
void __tsan_init() { cuda_on_cpu::race_detection = true; }
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
NN_HOOKS(1)
NN_HOOKS(2)
NN_HOOKS(4)
NN_HOOKS(8)
NN_HOOKS(16)
void __tsan_read_range(void* p, unsigned long n) { race_access(p, n, false); }
void __tsan_write_range(void* p, unsigned long n) { race_access(p, n, true); }
// Static variables of functions are initialised under a guard, which the compiler reads atomically.
char __tsan_atomic8_load(const volatile char* p, int) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
}
