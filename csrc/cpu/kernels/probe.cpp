// The peak that other kernels are measured against: twelve independent chains of vector multiply-adds in registers.
// Two units with a latency of four cycles need eight chains; twelve and two constants still fit sixteen registers.
#include "core/kernels/probe.h"

#include "core/parallel.h"
#include "cpu/simd/simd.h"

namespace nn::NN_ISA {
namespace {

constexpr int kChains = 12;

template <class T>
double chains(int64_t rounds) {
  using V = Vec<T>;
  V x[kChains];
  for (int i = 0; i < kChains; ++i) x[i] = V(T(i));
  const V a(T(0.999)), b(T(0.001));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) x[i] = fma(x[i], a, b);
  }
  double total = 0;
  for (int i = 0; i < kChains; ++i) total += static_cast<double>(sum(x[i]));
  return total;
}

void run_fma(const ProbeArgs& p, const LaunchContext& ctx) {
  const bool wide = p.dtype == DType::float64;
  double* const result = p.flops + 1;
  parallel_for(ctx, ctx.threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double total = wide ? chains<double>(p.rounds) : chains<float>(p.rounds);
      if (i == 0) *result = total;
    }
  });
  p.flops[0] = 2.0 * kChains * (wide ? Vec<double>::size : Vec<float>::size) * p.rounds * ctx.threads;
}

}  // namespace

extern const ProbeKernels probe_kernels;
const ProbeKernels probe_kernels = {{"probe_fma", run_fma}};

}  // namespace nn::NN_ISA
