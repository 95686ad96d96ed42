// Races: two accesses to the same bytes by different threads, one of them a write, that nothing puts in order.
// What puts them in order is followed by vector clocks (Lamport 1978; Flanagan, Freund: FastTrack, 2009): each thread
// counts its releases and knows up to which count of every other thread it has seen all. A barrier of the whole block
// orders everything before it, which the stamp of an access says at once.
//
// The accesses come from the hooks that g++ -fsanitize=thread calls, which race_hooks.cpp answers; without that file
// all this is off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cuda_on_cpu {

struct Thread;

using Clock = std::vector<uint32_t>;  // by thread of the cluster, then by engine

extern bool race_detection;

void race_launch_started();
void race_cluster_started(int threads, int engines);  // of all its blocks
void race_release(Clock& clock);  // what the current thread did so far is what an acquirer will know of
void race_acquire(const Clock& clock);
void race_release(Thread& thread, Clock& clock);
void race_acquire(Thread& thread, const Clock& clock);

// What runs by itself, a copy or a product, is an engine: it may rely on what its issuer knew, and is to be waited for
// before anybody relies on it.
struct Known {
  Clock clock;
  uint64_t stamp = 0;
};
void race_join(Known& into);  // what the current thread knows
void race_engine_access(int engine, const Known& known, const void* p, size_t n, bool write);
void race_engine_release(int engine, Clock& clock);

void race_access(const void* p, size_t n, bool write);
// Atomic accesses are in order among themselves.
void race_atomic(const void* p, size_t n);

}  // namespace cuda_on_cpu
