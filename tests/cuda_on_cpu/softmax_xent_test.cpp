// Softmax and cross-entropy on the emulation, for rows of lanes, of a block and side by side, in three orders of
// threads, against sums written down plainly. Prints what is wrong; ends with 1 where anything is.
#include "core/kernels/softmax_xent.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda/kernel.cuh"
#include "emulation/report.h"

namespace nn::cuda {
extern const SoftmaxXentKernels softmax_xent_kernels;
}

using namespace nn;

namespace {

template <class T>
struct Array {
  explicit Array(const std::vector<T>& host) : bytes(host.size() * sizeof(T)) {
    if (cudaMalloc(&data, bytes) != cudaSuccess) std::abort();
    cudaMemcpy(data, host.data(), bytes, cudaMemcpyHostToDevice);
  }
  ~Array() { cudaFree(data); }
  Array(const Array&) = delete;
  std::vector<T> host() const {
    std::vector<T> result(bytes / sizeof(T));
    cudaDeviceSynchronize();
    cudaMemcpy(result.data(), data, bytes, cudaMemcpyDeviceToHost);
    return result;
  }
  void* data = nullptr;
  size_t bytes;
};

// How many results differ for scores [N, C, inner].
int check(int64_t N, int64_t C, int64_t inner, double smoothing) {
  const auto count = static_cast<size_t>(N * C * inner), rows = static_cast<size_t>(N * inner);
  std::vector<double> x(count), y(count), gradient(count);
  std::vector<int64_t> target(rows);
  for (size_t i = 0; i < count; ++i) x[i] = 3 * std::sin(static_cast<double>(7 * i + 1));
  for (size_t i = 0; i < rows; ++i) target[i] = static_cast<int64_t>(5 * i + 2) % C;
  double loss = 0;
  for (size_t row = 0; row < rows; ++row) {
    const auto at = [&](int64_t c) {
      return row / static_cast<size_t>(inner) * static_cast<size_t>(C * inner) + static_cast<size_t>(c * inner) +
             row % static_cast<size_t>(inner);
    };
    double sum = 0;
    for (int64_t c = 0; c < C; ++c) sum += std::exp(x[at(c)]);
    for (int64_t c = 0; c < C; ++c) {
      const double q = (c == target[row] ? 1 - smoothing : 0) + smoothing / static_cast<double>(C);
      y[at(c)] = std::exp(x[at(c)]) / sum;
      loss -= q * std::log(y[at(c)]) / static_cast<double>(rows);
      gradient[at(c)] = (y[at(c)] - q) / static_cast<double>(rows);
    }
  }
  const std::vector<double> nothing(count, std::nan(""));
  const Array<double> dx(x), dy(nothing), gx(nothing), result({std::nan("")}), total({std::nan("")}), one({1.0}),
      half({0.5});
  const Array<double> stats(std::vector<double>(3 * rows, std::nan("")));
  const Array<int64_t> dt(target), fault({0, 0});
  const LaunchContext ctx{1, nullptr};
  cuda::softmax_xent_kernels.softmax.run({DType::float64, N, C, inner, false, dx.data, dy.data}, ctx);
  ClassLossArgs args{DType::float64,
                     N,
                     C,
                     inner,
                     LossReduction::mean,
                     -100,
                     smoothing,
                     dx.data,
                     static_cast<const int64_t*>(dt.data),
                     nullptr,
                     result.data,
                     stats.data,
                     total.data,
                     nullptr,
                     {static_cast<FaultWord*>(fault.data), 1},
                     nullptr};
  cuda::softmax_xent_kernels.cross_entropy_forward.run(args, ctx);
  int wrong = !(std::abs(result.host()[0] - loss) < 1e-12);
  const auto compare = [&](double scale) {
    const std::vector<double> got = gx.host();
    for (size_t i = 0; i < count; ++i) wrong += !(std::abs(got[i] - scale * gradient[i]) < 1e-13);
  };
  args.loss = one.data, args.gx = gx.data;
  cuda::softmax_xent_kernels.cross_entropy_backward.run(args, ctx);
  compare(1);
  cudaMemcpy(gx.data, nothing.data(), gx.bytes, cudaMemcpyHostToDevice);
  cudaMemcpy(total.data, nothing.data(), total.bytes, cudaMemcpyHostToDevice);
  args.loss = result.data;
  cuda::softmax_xent_kernels.cross_entropy_forward.run(args, ctx);  // with the gradient in the same pass
  compare(1);
  args.x = nullptr, args.loss = half.data;
  cuda::softmax_xent_kernels.cross_entropy_backward.run(args, ctx);
  compare(0.5);
  const std::vector<double> got_y = dy.host();
  for (size_t i = 0; i < count; ++i) wrong += !(std::abs(got_y[i] - y[i]) < 1e-13);
  wrong += !(std::abs(result.host()[0] - loss) < 1e-12) + (fault.host()[0] != 0);
  wrong += static_cast<int>(cuda_on_cpu_report_count());
  if (wrong != 0)
    std::printf("%ld x %ld x %ld: %d wrong\n%s", long(N), long(C), long(inner), wrong, cuda_on_cpu_report_text());
  cuda_on_cpu_clear_reports();
  return wrong;
}

}  // namespace

int main() {
  int wrong = 0;
  for (int order = 0; order < 3; ++order) {
    cuda_on_cpu_configure("order", order);
    wrong += check(70, 3, 1, 0) + check(5, 19, 1, 0.2) + check(2, 700, 1, 0.2) + check(2, 67, 3, 0.2);
  }
  return wrong != 0;
}
