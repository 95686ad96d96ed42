// What the code of a kernel calls by CUDA's names: who the thread is, barriers, shuffles, votes, atomics, bits. After
// the CUDA C++ Programming Guide 13.0, section "C++ language extensions".
#pragma once

#include <cmath>
#include <cstring>

#include "emulation/device.h"
#include "emulation/race.h"
#include "emulation/report.h"

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

// ---- Barriers

#define __syncthreads() ::cuda_on_cpu::block_barrier(CUDA_ON_CPU_SITE)
#define __syncthreads_count(yes) ::cuda_on_cpu::block_vote((yes) != 0, CUDA_ON_CPU_SITE)
#define __syncthreads_or(yes) int(::cuda_on_cpu::block_vote((yes) != 0, CUDA_ON_CPU_SITE) > 0)
#define __syncthreads_and(yes) int(::cuda_on_cpu::block_vote((yes) == 0, CUDA_ON_CPU_SITE) == 0)
#define __syncwarp(...) ::cuda_on_cpu::warp_barrier(CUDA_ON_CPU_SITE __VA_OPT__(, ) __VA_ARGS__)
inline void __threadfence() {}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap() {
  cuda_on_cpu::report("__trap");
  __builtin_trap();
}

// ---- Shuffles and votes: CUDA's arguments after the place in the source

#define __shfl_sync(...) ::cuda_on_cpu::shuffle_from(CUDA_ON_CPU_SITE, __VA_ARGS__)
#define __shfl_xor_sync(...) ::cuda_on_cpu::shuffle_xor(CUDA_ON_CPU_SITE, __VA_ARGS__)
#define __shfl_up_sync(...) ::cuda_on_cpu::shuffle_up(CUDA_ON_CPU_SITE, __VA_ARGS__)
#define __shfl_down_sync(...) ::cuda_on_cpu::shuffle_down(CUDA_ON_CPU_SITE, __VA_ARGS__)
#define __ballot_sync(mask, yes) ::cuda_on_cpu::ballot(CUDA_ON_CPU_SITE, mask, (yes) != 0)
#define __any_sync(mask, yes) int(::cuda_on_cpu::ballot(CUDA_ON_CPU_SITE, mask, (yes) != 0) != 0)
#define __all_sync(mask, yes) int(::cuda_on_cpu::ballot(CUDA_ON_CPU_SITE, mask, (yes) == 0) == 0)

namespace cuda_on_cpu {

inline void warp_barrier(const Site* site, uint32_t mask = kFullMask) {
  const char nothing = 0;
  warp_meeting(mask, &nothing, 1, "__syncwarp", site);
}

// The value of lane `from`, where it takes part; otherwise CUDA leaves the result open, and this reports it.
template <class T>
T of_lane(const Site* site, const char* name, uint32_t mask, T value, int from) {
  static_assert(sizeof(T) <= 8, "CUDA shuffles values of 4 or 8 bytes");
  const WarpSlot* const slots = warp_meeting(mask, &value, sizeof value, name, site);
  if ((mask >> from & 1) == 0) report("%s at %s:%d: lane %d is not in the mask", name, site->file, site->line, from);
  T result;
  std::memcpy(&result, slots[from].bytes, sizeof result);
  return result;
}

// Lanes fall into groups of `width`; a lane outside of the group is answered with the own value.
template <class T>
T shuffle_from(const Site* site, uint32_t mask, T value, int from, int width = kWarp) {
  return of_lane(site, "__shfl_sync", mask, value, lane() / width * width + (from & (width - 1)));
}
template <class T>
T shuffle_xor(const Site* site, uint32_t mask, T value, int bits, int width = kWarp) {
  const int from = lane() ^ bits;
  return of_lane(site, "__shfl_xor_sync", mask, value, from / width <= lane() / width ? from : lane());
}
template <class T>
T shuffle_up(const Site* site, uint32_t mask, T value, unsigned by, int width = kWarp) {
  const bool inside = lane() % width >= static_cast<int>(by);
  return of_lane(site, "__shfl_up_sync", mask, value, inside ? lane() - static_cast<int>(by) : lane());
}
template <class T>
T shuffle_down(const Site* site, uint32_t mask, T value, unsigned by, int width = kWarp) {
  const bool inside = lane() % width + static_cast<int>(by) < width;
  return of_lane(site, "__shfl_down_sync", mask, value, inside ? lane() + static_cast<int>(by) : lane());
}

inline uint32_t ballot(const Site* site, uint32_t mask, bool yes) {
  const WarpSlot* const slots = warp_meeting(mask, &yes, sizeof yes, "a vote of the warp", site);
  uint32_t bits = 0;
  for (int i = 0; i < kWarp; ++i)
    if ((mask >> i & 1) != 0 && slots[i].bytes[0] == 1) bits |= 1u << i;  // slots of absent lanes are zero
  return bits;
}

// Threads of the emulation run in turns, so that a plain update is atomic.
template <class T, class Update>
[[gnu::no_sanitize("thread"), gnu::noinline]] T atomic(T* place, Update update) {
  race_atomic(place, sizeof(T));
  const T before = *place;
  *place = update(before);
  return before;
}

}  // namespace cuda_on_cpu

// ---- Atomics of integers. Those of floating types are left out: their sums depend on the order of threads.

#define NN_ATOMIC(name, T, result)                                            \
  inline T name(T* place, T x) {                                              \
    return cuda_on_cpu::atomic(place, [=](T before) -> T { return result; }); \
  }
#define NN_ATOMICS(T)                                                                                  \
  NN_ATOMIC(atomicAdd, T, before + x)                                                                  \
  NN_ATOMIC(atomicExch, T, (void(before), x))                                                          \
  NN_ATOMIC(atomicMin, T, before < x ? before : x)                                                     \
  NN_ATOMIC(atomicMax, T, before > x ? before : x)                                                     \
  NN_ATOMIC(atomicAnd, T, before& x)                                                                   \
  NN_ATOMIC(atomicOr, T, before | x)                                                                   \
  NN_ATOMIC(atomicXor, T, before ^ x)                                                                  \
  inline T atomicCAS(T* place, T expected, T x) {                                                      \
    return cuda_on_cpu::atomic(place, [=](T before) -> T { return before == expected ? x : before; }); \
  }
NN_ATOMICS(int)
NN_ATOMICS(unsigned)
NN_ATOMICS(unsigned long long)
#undef NN_ATOMICS
#undef NN_ATOMIC

// ---- Numbers, bits, loads and stores

inline double rsqrt(double x) { return 1 / std::sqrt(x); }

template <class T>
T __ldg(const T* place) {
  return *place;
}
template <class T>
void __stcs(T* place, T value) {
  *place = value;
}
template <class T>
void __stwb(T* place, T value) {
  *place = value;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((uint64_t{a} * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}
