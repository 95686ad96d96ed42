// Reductions, cumulative sums and the probe on the emulation: rows and columns, below and above a chunk, aligned and
// not. Values are small whole numbers, so that results are compared bit by bit. Ends with 1 where anything is wrong.
#include "core/kernels/reduce.h"

#include <cstdio>
#include <random>
#include <vector>

#include "core/kernels/probe.h"
#include "cuda/kernel.cuh"
#include "emulation/report.h"

namespace nn::cuda {
extern const ReduceKernels reduce_kernels;
extern const ScanKernels scan_kernels;
extern const ProbeKernels probe_kernels;
}  // namespace nn::cuda

using namespace nn;
using namespace nn::cuda;

namespace {

int wrong = 0;
const LaunchContext ctx{1, nullptr};

template <class T>
struct Array {
  explicit Array(size_t count) : count(count) { cudaMalloc(&data, (count + 1) * sizeof(T)); }
  ~Array() { cudaFree(data); }
  Array(const Array&) = delete;
  T* at(int64_t i) { return static_cast<T*>(data) + i; }
  std::vector<T> get() {
    std::vector<T> host(count);
    cudaDeviceSynchronize();
    cudaMemcpy(host.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost);
    return host;
  }
  size_t count;
  void* data = nullptr;
};

void expect(bool right, const char* what, int64_t rows, int64_t width, bool by_columns) {
  if (right && cuda_on_cpu_report_count() == 0) return;
  ++wrong;
  std::printf("%s of [%ld, %ld]%s is wrong\n%s", what, long(rows), long(width), by_columns ? " over rows" : "",
              cuda_on_cpu_report_text());
  cuda_on_cpu_clear_reports();
}

// x is [rows, width], beginning `offset` elements after an aligned address.
void check(int64_t rows, int64_t width, bool by_columns, int64_t offset) {
  static std::mt19937 random(1);
  const auto count = static_cast<size_t>(rows * width);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(static_cast<int>(random() % 9) - 4);
  Array<float> input(count + 4);
  cudaMemcpy(input.at(offset), x.data(), count * sizeof(float), cudaMemcpyHostToDevice);

  const int64_t outputs = by_columns ? width : rows, elements = by_columns ? rows : width;
  const int64_t apart = by_columns ? 1 : width, step = by_columns ? width : 1;
  std::vector<float> sums(outputs), largest(outputs), running(count);
  std::vector<int64_t> places(outputs);
  for (int64_t k = 0; k < outputs; ++k) {
    const auto element = [&](int64_t i) { return static_cast<size_t>(k * apart + i * step); };
    for (int64_t i = 0; i < elements; ++i) {
      running[element(i)] = sums[k] += x[element(i)];
      if (i == 0 || x[element(i)] > largest[k]) largest[k] = x[element(i)], places[k] = i;
    }
  }
  Array<float> y(outputs), scanned(count);
  Array<int64_t> index(outputs);
  ReduceArgs reduce{};
  reduce.x = input.at(offset), reduce.y = y.data, reduce.kept_ndim = reduce.reduced_ndim = 1;
  reduce.kept_shape[0] = outputs, reduce.x_kept[0] = apart, reduce.y_kept[0] = 1;
  reduce.reduced_shape[0] = elements, reduce.x_reduced[0] = step;
  reduce.divisor = reduce.root = 1;
  reduce_kernels.sum.run(reduce, ctx);
  expect(y.get() == sums, "the sum", rows, width, by_columns);
  ArgReduceArgs arg{DType::float32, reduce.x, y.data, index.at(0), 1, {outputs}, {apart}, {1}, elements, step};
  scan_kernels.max_with_index.run(arg, ctx);
  expect(y.get() == largest && index.get() == places, "the largest", rows, width, by_columns);
  ScanArgs scan{DType::float32, reduce.x, scanned.data, 1, {outputs}, {apart}, {apart}, elements, step, step};
  scan_kernels.cumsum.run(scan, ctx);
  expect(scanned.get() == running, "the cumulative sum", rows, width, by_columns);
}

}  // namespace

int main() {
  const int64_t shapes[][2] = {{1, 1}, {3, 7}, {70, 33}, {5, 300}, {300, 5}, {2, 2600}, {1, 20000}, {4200, 3}};
  for (int order = 0; const auto& [rows, width] : shapes)
    for (const bool by_columns : {false, true}) {
      cuda_on_cpu_configure("order", order++ % 3);
      check(rows, width, by_columns, order % 2);
    }
  Array<double> flops(2);
  probe_kernels.fma.run({DType::float32, 3, flops.at(0)}, ctx);
  expect(flops.get()[0] > 0 && flops.get()[1] == flops.get()[1], "the probe", 0, 0, false);
  std::printf("%d cases wrong\n", wrong);
  return wrong != 0;
}
