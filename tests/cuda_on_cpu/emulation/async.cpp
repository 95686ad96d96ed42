#include "async.h"

#include <cstring>
#include <deque>
#include <functional>
#include <map>

#include "async_state.h"
#include "memory.h"
#include "scheduler.h"

namespace cuda_on_cpu {
namespace {

constexpr int kCopyEngine = 0;

struct Copy {
  std::function<void()> complete;
};
std::deque<Copy> under_way;

// Does it now, or as late as may be.
void start(std::function<void()> complete) {
  if (options.late_copies)
    under_way.push_back({std::move(complete)});
  else
    complete();
}

AsyncState& mine() {
  std::unique_ptr<AsyncState>& state = current_thread()->async;
  if (state == nullptr) state = std::make_unique<AsyncState>();
  return *state;
}

Block& block_of(uint32_t address) {
  const size_t rank = address >> kWindowBits;
  std::vector<Block>& cluster = current_cluster();
  if (rank >= cluster.size()) {
    report("an address of shared memory names block %zu of a cluster of %zu", rank, cluster.size());
    return cluster[0];
  }
  return cluster[rank];
}

MBarrier* find_barrier(uint32_t address) {
  Block& block = block_of(address);
  if (block.async == nullptr) block.async = std::make_unique<BlockAsync>();
  if (address % 8 != 0) report("mbarrier: its address is not a multiple of 8");
  const auto found = block.async->barriers.find(address);
  if (found != block.async->barriers.end()) return &found->second;
  report("mbarrier: used before it was initialised");
  return nullptr;
}
MBarrier* find_barrier(const uint64_t* barrier) { return find_barrier(shared_address(barrier)); }

// Ends the phase if all has come.
void settle(MBarrier& m) {
  if (m.pending != 0 || m.bytes != 0) return;
  ++m.phase;
  m.pending = m.arrivals;
  m.ended = m.clock;
  wake(m.waiting);
}

void arrive(MBarrier& m, uint32_t count) {
  race_release(m.clock);
  if (static_cast<uint32_t>(m.pending) < count) {
    report("mbarrier: more arrivals in a phase than the %d it was initialised for", m.arrivals);
    return;
  }
  m.pending -= static_cast<int>(count);
  settle(m);
}

void complete_bytes(uint32_t barrier, int64_t bytes) {
  MBarrier* const m = find_barrier(barrier);
  if (m == nullptr) return;
  race_engine_release(kCopyEngine, m->clock);
  m->bytes -= bytes;
  settle(*m);
}

}  // namespace

// ---- cp.async

void copy_async(void* shared, const void* global, int bytes, int source_bytes) {
  if (bytes != 4 && bytes != 8 && bytes != 16) report("cp.async: %d bytes, expected 4, 8 or 16", bytes);
  if (reinterpret_cast<uintptr_t>(shared) % static_cast<unsigned>(bytes) != 0)
    report("cp.async: the destination is not aligned to %d bytes", bytes);
  if (source_bytes > 0 && reinterpret_cast<uintptr_t>(global) % static_cast<unsigned>(bytes) != 0)
    report("cp.async: the source is not aligned to %d bytes", bytes);
  if (!in_shared(shared)) return report("cp.async: the destination is not in shared memory");
  if (race_detection) race_access(shared, static_cast<size_t>(bytes), true);
  std::memset(shared, 0xff, static_cast<size_t>(bytes));
  AsyncState& state = mine();
  state.open.push_back({static_cast<char*>(shared), static_cast<const char*>(global), bytes, source_bytes});
  if (!options.late_copies) {
    finish_copy(state.open.back());
    state.open.pop_back();
  }
}

void finish_copy(const AsyncCopy& copy) {
  if (race_detection) {
    if (copy.source_bytes > 0) race_access(copy.from, static_cast<size_t>(copy.source_bytes), false);
    race_access(copy.to, static_cast<size_t>(copy.bytes), true);
  }
  std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.source_bytes));
  std::memset(copy.to + copy.source_bytes, 0, static_cast<size_t>(copy.bytes - copy.source_bytes));
}

void copy_async_commit() {
  AsyncState& state = mine();
  state.groups.push_back(std::move(state.open));
  state.open.clear();
}

void copy_async_wait(int groups_left) {
  AsyncState& state = mine();
  while (state.groups.size() > static_cast<size_t>(groups_left)) {
    for (const AsyncCopy& copy : state.groups.front()) finish_copy(copy);
    state.groups.pop_front();
  }
}

void copy_async_wait_all() {
  copy_async_commit();
  copy_async_wait(0);
}

void copy_async_arrive(uint64_t* barrier) {
  AsyncState& state = mine();
  const uint32_t address = shared_address(barrier);
  // The copies of this thread so far complete together, and then arrive. They are no longer in its groups.
  std::vector<AsyncCopy> copies;
  for (const auto& group : state.groups) copies.insert(copies.end(), group.begin(), group.end());
  copies.insert(copies.end(), state.open.begin(), state.open.end());
  state.groups.clear();
  state.open.clear();
  Known known;
  race_join(known);
  start([=] {
    for (const AsyncCopy& copy : copies) {
      race_engine_access(kCopyEngine, known, copy.to, static_cast<size_t>(copy.bytes), true);
      std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.source_bytes));
      std::memset(copy.to + copy.source_bytes, 0, static_cast<size_t>(copy.bytes - copy.source_bytes));
    }
    MBarrier* const m = find_barrier(address);
    if (m == nullptr) return;
    race_engine_release(kCopyEngine, m->clock);
    if (m->pending <= 0) return report("mbarrier: more arrivals in a phase than it was initialised for");
    --m->pending;
    settle(*m);
  });
}

// ---- mbarrier

void mbarrier_init(uint64_t* barrier, uint32_t arrivals) {
  const uint32_t address = shared_address(barrier);
  Block& block = block_of(address);
  if (block.async == nullptr) block.async = std::make_unique<BlockAsync>();
  MBarrier& m = block.async->barriers[address];
  if (!m.waiting.threads.empty()) report("mbarrier: initialised while threads wait for it");
  if (arrivals < 1 || arrivals >= 1u << 20) report("mbarrier: %u arrivals, expected 1 to 2^20 - 1", arrivals);
  m = MBarrier();
  m.arrivals = m.pending = static_cast<int>(arrivals);
}

void mbarrier_invalidate(uint64_t* barrier) {
  if (find_barrier(barrier) != nullptr) current_thread()->block->async->barriers.erase(shared_address(barrier));
}

void mbarrier_arrive(uint64_t* barrier, uint32_t count) { mbarrier_arrive_at(shared_address(barrier), count); }

void mbarrier_arrive_at(uint32_t address, uint32_t count) {
  if (MBarrier* const m = find_barrier(address)) arrive(*m, count);
}

void mbarrier_expect(uint64_t* barrier, uint32_t bytes) {
  if (MBarrier* const m = find_barrier(barrier)) m->bytes += bytes;
}

bool mbarrier_test(uint64_t* barrier, uint32_t parity) {
  MBarrier* const m = find_barrier(barrier);
  if (m == nullptr) return true;
  const bool ended = (m->phase & 1) != parity;
  if (ended) race_acquire(m->ended);
  return ended;
}

void mbarrier_wait(uint64_t* barrier, uint32_t parity, const Site* site) {
  MBarrier* m = find_barrier(barrier);
  while (m != nullptr && (m->phase & 1) == parity) {
    wait(m->waiting, parity != 0 ? "an mbarrier's odd phase" : "an mbarrier's even phase", site);
    m = find_barrier(barrier);
  }
  if (m != nullptr) race_acquire(m->ended);
}

// ---- Copies by TMA

namespace {

// The address at which a byte of a swizzled box lies: the pieces of 16 bytes within a span are permuted by the bits
// above. The pattern follows the address, so the box must be aligned to its repeat.
uintptr_t swizzled(uintptr_t address, uint32_t span) {
  if (span == 0) return address;
  return address ^ (((address >> 7) & (span / 16 - 1)) << 4);
}

void check_box(const TensorMap& map, const void* shared) {
  const auto address = reinterpret_cast<uintptr_t>(shared);
  const uint32_t inner = map.box[0] * map.element_bytes, aligned = map.swizzle == 0 ? 128 : map.swizzle * 8;
  if (address % aligned != 0) report("TMA: the place in shared memory is not aligned to %u bytes", aligned);
  if (map.swizzle != 0 && inner > map.swizzle)
    report("TMA: a row of the box has %u bytes, more than the swizzle's %u", inner, map.swizzle);
  if (inner % 16 != 0) report("TMA: a row of the box has %u bytes, expected a multiple of 16", inner);
}

// f(place in shared memory, place in the tensor or null where outside) for each element of a box.
template <class F>
void each_element(const TensorMap& map, const int (&at)[5], char* shared, const F& f) {
  uint32_t i[5] = {};
  uintptr_t place = reinterpret_cast<uintptr_t>(shared);
  while (true) {
    char* tensor = map.base;
    for (uint32_t d = 0; d < map.dims; ++d) {
      const int64_t c = int64_t{at[d]} + int64_t{i[d]} * map.step[d];
      const bool inside = c >= 0 && c < static_cast<int64_t>(map.size[d]);
      tensor = inside && tensor != nullptr ? tensor + static_cast<uint64_t>(c) * map.stride[d] : nullptr;
    }
    f(reinterpret_cast<char*>(swizzled(place, map.swizzle)), tensor);
    place += map.element_bytes;
    uint32_t d = 0;
    while (d < map.dims && ++i[d] == map.box[d]) i[d++] = 0;
    if (d == map.dims) return;
  }
}

uint32_t box_bytes(const TensorMap& map) {
  uint32_t bytes = map.element_bytes;
  for (uint32_t d = 0; d < map.dims; ++d) bytes *= map.box[d];
  return bytes;
}

struct Place {
  int at[5];
};

}  // namespace

void tensor_load(void* shared, const TensorMap& given, uint64_t* barrier, const int (&at)[5], uint16_t blocks) {
  check_box(given, shared);
  const uint32_t to = shared_address(shared), bar = shared_address(barrier), in_window = (1u << kWindowBits) - 1;
  if (blocks == 0) blocks = static_cast<uint16_t>(1u << current_thread()->block->rank);
  const uint32_t bytes = box_bytes(given);
  Known known;
  race_join(known);
  for (unsigned rank = 0; rank < 16; ++rank) {
    if ((blocks >> rank & 1) == 0) continue;
    const uint32_t window = rank << kWindowBits, bar_there = window | (bar & in_window);
    char* const there = shared_pointer(window | (to & in_window));
    if (&block_of(window) != &current_cluster()[rank]) return;
    race_engine_access(kCopyEngine, known, there, bytes, true);
    std::memset(there, 0xff, bytes);
    Place from;
    std::memcpy(from.at, at, sizeof at);
    start([=, map = given] {
      each_element(map, from.at, there, [&](char* place, const char* element) {
        if (element != nullptr) {
          if (!device_owns(element, map.element_bytes)) report("TMA: reads outside of every allocation");
          std::memcpy(place, element, map.element_bytes);
        } else {
          std::memset(place, map.fill_nan ? 0xff : 0, map.element_bytes);
        }
      });
      race_engine_access(kCopyEngine, known, there, bytes, true);
      complete_bytes(bar_there, bytes);
    });
  }
}

void tensor_store(const TensorMap& map, const void* shared, const int (&at)[5]) {
  check_box(map, shared);
  StoreCopy store;
  race_join(store.known);
  Place to;
  std::memcpy(to.at, at, sizeof at);
  const Known known = store.known;
  store.run = [=] {
    char* const from = static_cast<char*>(const_cast<void*>(shared));
    race_engine_access(kCopyEngine, known, from, box_bytes(map), false);
    each_element(map, to.at, from, [&](const char* place, char* element) {
      if (element == nullptr) return;
      if (!device_owns(element, map.element_bytes)) report("TMA: writes outside of every allocation");
      std::memcpy(element, place, map.element_bytes);
    });
  };
  mine().open_stores.push_back(std::move(store));
}

void bulk_load(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) {
  if (bytes % 16 != 0 || reinterpret_cast<uintptr_t>(shared) % 16 != 0 || reinterpret_cast<uintptr_t>(global) % 16 != 0)
    report("cp.async.bulk: size and addresses must be multiples of 16");
  const uint32_t bar = shared_address(barrier);
  Known known;
  race_join(known);
  race_engine_access(kCopyEngine, known, shared, bytes, true);
  std::memset(shared, 0xff, bytes);
  start([=] {
    if (!device_owns(global, bytes)) report("cp.async.bulk: reads outside of every allocation");
    std::memcpy(shared, global, bytes);
    race_engine_access(kCopyEngine, known, shared, bytes, true);
    complete_bytes(bar, bytes);
  });
}

void bulk_store(void* global, const void* shared, uint32_t bytes) {
  if (bytes % 16 != 0 || reinterpret_cast<uintptr_t>(shared) % 16 != 0 || reinterpret_cast<uintptr_t>(global) % 16 != 0)
    report("cp.async.bulk: size and addresses must be multiples of 16");
  StoreCopy store;
  race_join(store.known);
  const Known known = store.known;
  store.run = [=] {
    race_engine_access(kCopyEngine, known, shared, bytes, false);
    if (!device_owns(global, bytes)) report("cp.async.bulk: writes outside of every allocation");
    std::memcpy(global, shared, bytes);
  };
  mine().open_stores.push_back(std::move(store));
}

void bulk_commit() {
  AsyncState& state = mine();
  state.stores.push_back(std::move(state.open_stores));
  state.open_stores.clear();
  if (!options.late_copies) bulk_wait(0, false);
}

// Sources are read, and results written, only here.
void bulk_wait(int groups_left, bool) {
  AsyncState& state = mine();
  while (state.stores.size() > static_cast<size_t>(groups_left)) {
    for (const StoreCopy& store : state.stores.front()) store.run();
    state.stores.pop_front();
  }
  Clock clock;
  race_engine_release(kCopyEngine, clock);
  race_acquire(clock);
}

// ---- For the scheduler

int async_engines() {
  int warpgroups = 0;
  for (const Block& block : current_cluster()) warpgroups += static_cast<int>(block.threads.size()) / kWarpgroup;
  return 1 + warpgroups;
}

void async_cluster_started() { under_way.clear(); }

void async_cluster_ends() {
  if (!under_way.empty()) report("a block ends while %zu copies into shared memory are under way", under_way.size());
  under_way.clear();
}

bool complete_one_copy() {
  if (under_way.empty()) return false;
  const Copy copy = std::move(under_way.front());
  under_way.pop_front();
  copy.complete();
  return true;
}

void async_thread_ends(Thread& thread) {
  if (thread.async == nullptr) return;
  const AsyncState& state = *thread.async;
  if (!state.stores.empty() || !state.open_stores.empty())
    report("a thread ends while its copies from shared memory are under way");
  if (state.wgmma_committed > state.wgmma_waited) report("a thread ends with wgmma groups that it did not wait for");
  thread.async.reset();
}

}  // namespace cuda_on_cpu
