#include "core/faults.h"

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "core/backend.h"
#include "core/error.h"

namespace nn {
namespace {

using Key = std::tuple<int, std::string, int64_t, int64_t>;

// Code c stands for the fault `known[c - 1]`. Codes are kept for good: a launch that is replayed reports them again.
struct Codes {
  std::mutex mutex;
  std::map<Key, unsigned long long> of;
  std::vector<Key> known;
};

Codes& codes() {
  static Codes instance;
  return instance;
}

// Whether anything was launched that may report.
std::atomic<bool> used{false};

}  // namespace

void raise(const Fault& f, int64_t value) {
  switch (f.kind) {
    case Fault::slice:
    case Fault::element: {
      const std::string message = text(f.operation, f.operation.empty() ? "" : ": ", "index ", value,
                                       " is out of bounds for dimension ", f.a, " with size ", f.b);
      if (f.kind == Fault::slice) fail<IndexError>(message);
      fail(message);
    }
    case Fault::target:
      fail<IndexError>(f.operation, ": Target ", value, " is out of bounds. (expected 0 to ", f.a - 1, " for ", f.a,
                       " classes, or ignore_index ", f.b, ")");
    case Fault::number:
      fail(f.operation, value);
    case Fault::runtime_error:
      fail(f.operation);
    case Fault::value_error:
      fail<ValueError>(f.operation);
    case Fault::index_error:
      fail<IndexError>(f.operation);
    case Fault::range:
      break;
  }
  fail(f.operation, f.a, ", got ", value);
}

FaultSite fault_site(Device device, const Fault& fault) {
  if (device.type == DeviceType::cpu) return {nullptr, 0};
  FaultWord* const word = backend(device).fault_word(device.index);
  const std::lock_guard lock(codes().mutex);
  used.store(true, std::memory_order_relaxed);
  const Key key{fault.kind, fault.operation, fault.a, fault.b};
  const auto [entry, added] = codes().of.try_emplace(key, codes().known.size() + 1);
  if (added) codes().known.push_back(key);
  return {word, entry->second};
}

void raise_reported(Device device) {
  if (device.type == DeviceType::cpu || !used.load(std::memory_order_relaxed)) return;
  const FaultWord reported = backend(device).take_fault(device.index);
  if (reported.code == 0) return;
  Key key;
  {
    const std::lock_guard lock(codes().mutex);
    key = codes().known.at(reported.code - 1);
  }
  const auto& [kind, operation, a, b] = key;
  raise({static_cast<Fault::Kind>(kind), operation, a, b}, reported.value);
}

}  // namespace nn
