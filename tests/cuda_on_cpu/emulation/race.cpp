#include "race.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <unordered_map>

#include "memory.h"
#include "scheduler.h"

namespace cuda_on_cpu {

bool race_detection = false;

namespace {

constexpr uint32_t kNobody = 0;

// Who accessed a byte, and when in its life. Blocks and stamps count from 1, through the whole process.
struct Access {
  uint32_t block = kNobody;
  uint16_t slot = 0;  // in the clocks of its cluster
  bool atomic = false;
  uint32_t stamp = 0;  // of its block
  uint32_t count = 0;  // of its releases
};

// The last write, and some of the reads since.
struct Cell {
  static constexpr int kReads = 4;
  uint32_t epoch = 0;
  int next = 0;
  Access write;
  Access reads[kReads];
};

constexpr size_t kPageBytes = 1024, kManyPages = 1024;
struct Page {
  Cell cells[kPageBytes];
};

std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
uintptr_t last_number = 0;
Page* last_page = nullptr;
uint32_t launches = 0;
uint32_t shared_epoch = 0;  // shared memory starts anew with each cluster
std::vector<Clock> clocks;  // of each thread of the cluster
uint64_t first_block = 0;   // number of the cluster's first block
int threads_now = 0;        // of the cluster; slots from here on are engines

Cell& cell_at(uintptr_t address) {
  const uintptr_t number = address / kPageBytes;
  if (last_page == nullptr || number != last_number) {
    std::unique_ptr<Page>& page = pages[number];
    if (page == nullptr) page = std::make_unique<Page>();
    last_page = page.get();
    last_number = number;
  }
  return last_page->cells[address % kPageBytes];
}

int slot_of(const Thread& thread) {
  return static_cast<int>(thread.block->rank * thread.block->threads.size()) + thread.number;
}

void join(Clock& into, const Clock& from) {
  if (into.size() < from.size()) into.resize(from.size(), 0);
  for (size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

bool in_order(const Access& before, const Access& now, const Clock& known) {
  if (before.block == kNobody || (before.atomic && now.atomic)) return true;
  if (before.block == now.block && before.slot == now.slot) return true;
  if (before.block == now.block && before.stamp < now.stamp && before.slot < threads_now) return true;
  if (before.block < first_block || before.block >= first_block + current_cluster().size()) return false;
  return static_cast<size_t>(before.slot) < known.size() && known[static_cast<size_t>(before.slot)] >= before.count;
}

const char* describe(const Access& access, char (&text)[64]) {
  if (access.slot >= threads_now)
    std::snprintf(text, sizeof text, "a copy or product under way");
  else
    std::snprintf(text, sizeof text, "%sthread %d", access.block < first_block ? "an earlier block's " : "",
                  access.slot);
  return text;
}

void check(uintptr_t address, size_t n, bool write, const Access& now, const Clock& known, bool shared) {
  const uint32_t epoch = shared ? shared_epoch : launches;
  bool reported = false;
  for (uintptr_t a = address; a < address + n; ++a) {
    Cell& cell = cell_at(a);
    if (cell.epoch != epoch) {
      cell = Cell();
      cell.epoch = epoch;
    }
    const Access* clash = in_order(cell.write, now, known) ? nullptr : &cell.write;
    if (write && clash == nullptr)
      for (const Access& read : cell.reads)
        if (!in_order(read, now, known)) clash = &read;
    if (clash != nullptr && !reported) {
      char text[64];
      report("race in %s memory: a %s, while a %s by %s is not in order with it", shared ? "shared" : "global",
             write ? "write" : "read", clash == &cell.write ? "write" : "read", describe(*clash, text));
      reported = true;
    }
    if (write || clash != nullptr) {
      cell = Cell();
      cell.epoch = epoch;
    }
    if (write) {
      cell.write = now;
    } else {
      Access* place = nullptr;
      for (Access& read : cell.reads)
        if (read.block == now.block && read.slot == now.slot) place = &read;
      if (place == nullptr) place = &cell.reads[cell.next++ % Cell::kReads];
      *place = now;
    }
  }
}

// Whether a kernel may touch this address at all; reports it where not.
bool checked_place(const void* p, size_t n, bool write) {
  if (in_shared(p)) {
    for (const Block& block : current_cluster())
      for (const Block::Variable& variable : block.variables)
        if (variable.begin <= static_cast<const char*>(p) && static_cast<const char*>(p) + n <= variable.end)
          return true;
    report("%s of %zu bytes outside of the variables in shared memory", write ? "write" : "read", n);
    return false;
  }
  if (in_device(p)) {
    if (device_owns(p, n)) return true;
    report("%s of %zu bytes outside of every allocation", write ? "write" : "read", n);
  }
  return false;
}

void access(const void* p, size_t n, bool write, bool atomic) {
  Thread* const thread = current_thread();
  if (thread == nullptr || thread->fiber->contains(p) || !checked_place(p, n, write)) return;
  const auto slot = static_cast<uint16_t>(slot_of(*thread));
  const Clock& known = clocks[slot];
  const Access now = {static_cast<uint32_t>(thread->block->number), slot, atomic,
                      static_cast<uint32_t>(thread->block->stamp), known[slot]};
  check(reinterpret_cast<uintptr_t>(p), n, write, now, known, in_shared(p));
}

}  // namespace

void race_launch_started() {
  if (!race_detection) return;
  ++launches;
  if (pages.size() > kManyPages) {
    pages.clear();
    last_page = nullptr;
  }
}

void race_cluster_started(int threads, int engines) {
  if (!race_detection) return;
  ++shared_epoch;
  threads_now = threads;
  first_block = current_cluster()[0].number;
  clocks.resize(static_cast<size_t>(threads + engines));
  for (size_t i = 0; i < clocks.size(); ++i) {
    clocks[i].assign(clocks.size(), 0);
    clocks[i][i] = 1;
  }
}

void race_release(Thread& thread, Clock& clock) {
  if (!race_detection) return;
  const auto slot = static_cast<size_t>(slot_of(thread));
  join(clock, clocks[slot]);
  ++clocks[slot][slot];
}
void race_acquire(Thread& thread, const Clock& clock) {
  if (race_detection) join(clocks[static_cast<size_t>(slot_of(thread))], clock);
}
void race_release(Clock& clock) { race_release(*current_thread(), clock); }
void race_acquire(const Clock& clock) { race_acquire(*current_thread(), clock); }

void race_join(Known& into) {
  if (!race_detection) return;
  race_release(into.clock);
  into.stamp = current_thread()->block->stamp;
}

void race_engine_access(int engine, const Known& known, const void* p, size_t n, bool write) {
  if (!race_detection || !in_shared(p)) return;
  const auto slot = static_cast<uint16_t>(threads_now + engine);
  const Block& block = current_cluster()[shared_address(p) >> kWindowBits];
  const Access now = {static_cast<uint32_t>(block.number), slot, false, static_cast<uint32_t>(known.stamp),
                      clocks[slot][slot]};
  check(reinterpret_cast<uintptr_t>(p), n, write, now, known.clock, true);
}

void race_engine_release(int engine, Clock& clock) {
  if (!race_detection) return;
  const auto slot = static_cast<size_t>(threads_now + engine);
  join(clock, clocks[slot]);
  ++clocks[slot][slot];
}

void race_access(const void* p, size_t n, bool write) { access(p, n, write, false); }
void race_atomic(const void* p, size_t n) {
  if (race_detection) access(p, n, true, true);
}

}  // namespace cuda_on_cpu
