#include "ops/probe.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "core/launch.h"

namespace nn {

double measure_fma_peak(DType dtype, Device device) {
  check<TypeError>(dtype == DType::float32 || dtype == DType::float64,
                   "measure_fma_peak: expected float32 or float64, got ", info(dtype).name);
  constexpr int kRuns = 20;
  constexpr int64_t kRounds = int64_t{1} << 19;
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    double flops[2] = {};
    const auto start = std::chrono::steady_clock::now();
    launch(kernels(device).probe.fma, ProbeArgs{dtype, kRounds, flops}, device);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, flops[0] / seconds);
  }
  return best;
}

}  // namespace nn
