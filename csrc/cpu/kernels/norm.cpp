// Normalisation on the CPU: the choice of loops by shape, the running statistics' step, and the table of the kernels.
//
// What bounds all of them is memory: read once and written once forward, two reads and one write backward. At the
// 42 GB/s of a copy on the two threads of the machine measured (EPYC, Zen 5, AVX-512), [32, 64, 56, 56] of float32
// takes at least 1.2 ms + 1.8 ms. What lies in the second-level cache is not bound by it: there, layer norm of [1024,
// 256] and batch and group norm of 14 x 14 images move 66 to 90 GB/s forward and 43 to 64 GB/s backward, so that the
// arithmetic, sums in double precision included, hides behind memory.
#include "cpu/kernels/norm_kernels.h"

namespace nn::NN_ISA {
extern const NormKernels norm_kernels;

namespace {

// Whether two channels and more of a batch norm fit into a block.
bool in_blocks(const NormArgs& a) { return a.batch && 2 * a.N * a.S <= kBlock; }

template <class T>
void forward(const NormArgs& a, const LaunchContext& ctx) {
  if (a.N * a.G * a.K * a.S == 0) return;
  if (a.batch && a.S < kShort)
    normalise_columns<T>(a, ctx);
  else if (in_blocks(a))
    normalise_blocks<T>(a, ctx);
  else
    normalise_segments<T>(a, ctx);
}

template <class T>
void backward(const NormArgs& a, const LaunchContext& ctx) {
  if (a.N * a.G * a.K * a.S == 0) {  // sums of nothing
    if (a.gweight != nullptr) fill(a.gweight, a.G * a.K, T(0));
    if (a.gbias != nullptr) fill(a.gbias, a.G * a.K, T(0));
    return;
  }
  if (a.batch && a.S < kShort)
    normalise_columns_backward<T>(a, ctx);
  else if (in_blocks(a))
    normalise_blocks_backward<T>(a, ctx);
  else if (affine_by_element(a))
    normalise_rows_backward<T>(a, ctx);
  else
    normalise_segments_backward<T>(a, ctx);
}

void run_forward(const NormArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? forward<float>(a, ctx) : forward<double>(a, ctx);
}
void run_backward(const NormArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? backward<float>(a, ctx) : backward<double>(a, ctx);
}

template <class T>
void update(const RunningArgs& a) {
  const double f = a.batches != nullptr ? 1 / static_cast<double>(*a.batches) : a.momentum;
  const double count = static_cast<double>(a.count), samples = static_cast<double>(a.N);
  T *const mean = static_cast<T*>(a.running_mean), *const var = static_cast<T*>(a.running_var);
  for (int64_t c = 0; c < a.C; ++c) {
    double m = 0, v = 0;
    for (int64_t n = 0; n < a.N; ++n) {
      m += a.mean[n * a.C + c];
      v += a.var[n * a.C + c];
    }
    mean[c] = static_cast<T>((1 - f) * static_cast<double>(mean[c]) + f * (m / samples));
    var[c] = static_cast<T>((1 - f) * static_cast<double>(var[c]) + f * (v / samples * (count / (count - 1))));
  }
}

void run_running(const RunningArgs& a, const LaunchContext&) {
  a.dtype == DType::float32 ? update<float>(a) : update<double>(a);
}

}  // namespace

const NormKernels norm_kernels = {
    {"norm", run_forward},
    {"norm_backward", run_backward},
    {"running_statistics", run_running},
    {"local_response_norm", run_local_response},
    {"local_response_norm_backward", run_local_response_backward},
};

}  // namespace nn::NN_ISA
