#include "core/threads.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "core/error.h"

namespace nn {
namespace {

constexpr int kUnlimited = std::numeric_limits<int>::max();

// The processors that the process may run on. Not sched_getaffinity: with OMP_PROC_BIND the runtime has bound this
// thread to a single one by now, and remembers what was allowed before.
int affinity_limit() { return std::max(1, omp_get_num_procs()); }

int whole_cpus(double quota, double period) {
  if (quota <= 0 || period <= 0) return kUnlimited;
  return std::max(1, static_cast<int>(std::ceil(quota / period)));
}

// A directory's quota under control groups version 2 ("max 100000" or "150000 100000") or version 1 (two files).
int quota_in(const std::string& directory) {
  std::string quota;
  double period = 0;
  if (std::ifstream v2(directory + "/cpu.max"); v2 >> quota >> period)
    return quota == "max" ? kUnlimited : whole_cpus(std::atof(quota.c_str()), period);
  double v1_quota = 0;
  std::ifstream quota_file(directory + "/cpu.cfs_quota_us"), period_file(directory + "/cpu.cfs_period_us");
  if (quota_file >> v1_quota && period_file >> period) return whole_cpus(v1_quota, period);
  return kUnlimited;
}

}  // namespace

int cgroup_cpus(const std::string& mount, const std::string& groups_file) {
  int limit = kUnlimited;
  std::ifstream groups(groups_file);
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string root;
    if (controllers.empty())
      root = mount;
    else if (("," + controllers + ",").find(",cpu,") != std::string::npos)
      root = mount + "/cpu";
    else
      continue;
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      if (path == "/") path.clear();
      limit = std::min(limit, quota_in(root + path));
      if (path.rfind('/') == std::string::npos) break;
    }
  }
  return limit;
}

namespace {

struct Limits {
  int affinity = affinity_limit();
  int cgroup = cgroup_cpus("/sys/fs/cgroup", "/proc/self/cgroup");
  int openmp = omp_get_max_threads();  // at import: OMP_NUM_THREADS where it is set

  int least() const { return std::max(1, std::min({affinity, cgroup, openmp})); }
};

const Limits& limits() {
  static const Limits found;
  return found;
}

std::atomic<bool> forked{false};
std::atomic<bool> pool_taken{false};

std::atomic<int>& setting() {
  static std::atomic<int> threads = [] {
    pthread_atfork(nullptr, nullptr, [] {
      forked = true;
      pool_taken = false;
    });
    return limits().least();
  }();
  return threads;
}

int take_pool() {
  const int most = get_num_threads();
  if (most == 1 || pool_taken.exchange(true, std::memory_order_acquire)) return 1;
  return most;
}

}  // namespace

int get_num_threads() {
  const int threads = setting().load(std::memory_order_relaxed);
  if (threads == 1 || forked.load(std::memory_order_relaxed)) return 1;
  return std::min(threads, omp_get_max_threads());
}

void set_num_threads(int threads) {
  check(threads > 0, "set_num_threads expects a positive integer, got ", threads);
  setting() = threads;
  omp_set_num_threads(threads);
}

std::string describe_threads() {
  const auto limit = [](int n) { return n == kUnlimited ? std::string("no limit") : std::to_string(n); };
  return text(get_num_threads(), " (CPU affinity ", limit(limits().affinity), ", control group quota ",
              limit(limits().cgroup), ", OpenMP ", limit(limits().openmp), ")");
}

Team::Team() : threads(take_pool()) {}

Team::~Team() {
  if (threads > 1) pool_taken.store(false, std::memory_order_release);
}

}  // namespace nn
