#include "ops/probe.h"

#include <algorithm>
#include <chrono>

#include "core/backend.h"
#include "core/error.h"
#include "core/launch.h"
#include "core/transfer.h"

namespace nn {

double measure_fma_peak(DType dtype, Device device) {
  check<TypeError>(dtype == DType::float32 || dtype == DType::float64,
                   "measure_fma_peak: expected float32 or float64, got ", info(dtype).name);
  constexpr int kRuns = 20;
  constexpr int64_t kRounds = int64_t{1} << 19;
  const Array flops = empty({2}, DType::float64, device);
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    synchronize(device);
    const auto start = std::chrono::steady_clock::now();
    launch(kernels(device).probe.fma, ProbeArgs{dtype, kRounds, flops.as<double>()}, device);
    synchronize(device);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, first_element<double>(flops) / seconds);
  }
  return best;
}

}  // namespace nn
