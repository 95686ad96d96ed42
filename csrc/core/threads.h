// How many threads a kernel may use.
#pragma once

#include <string>

namespace nn {

// What kernels started from this thread use at most: the setting below, OpenMP's own limit for this thread (which
// OMP_NUM_THREADS and threadpoolctl steer), and 1 in a child made by fork, whose copy of the pool has no threads.
int get_num_threads();

// For the whole process. The default is the least of the CPUs that the process may run on, the quota of its control
// group, and OMP_NUM_THREADS.
void set_num_threads(int threads);

// The least CPU quota, in whole CPUs, from the process's own control group up to the root of what it can see; INT_MAX
// where there is none. The process's groups stand in groups_file, the groups' files under mount.
int cgroup_cpus(const std::string& mount, const std::string& groups_file);

std::string describe_threads();  // the limits above, for `python -m nncore info`

// One launch's threads. While one thread's launch has the pool, a launch from another Python thread stays on its own
// thread: together they never run more threads than the setting allows, and no result depends on the number.
class Team {
 public:
  Team();
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  const int threads;
};

}  // namespace nn
