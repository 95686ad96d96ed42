// Normalisations of float32 on the emulation, by rows of lanes and of a block, whole and in pieces, in place and not,
// in three orders of threads, against sums written down plainly. Prints what is wrong with the first shape of which
// anything is, and ends with 1.
#include "core/kernels/norm.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda/kernel.cuh"
#include "cuda/strided.h"
#include "emulation/report.h"

namespace nn::cuda {
extern const NormKernels norm_kernels;
}

using namespace nn;

// What elements of 16 bits would need; here are none.
void cuda::cast(const CastArgs&, const LaunchContext&) { std::abort(); }

namespace {

constexpr double kEps = 1e-5;

// The numbers, `offset` elements after the beginning of memory that ends with them.
template <class T>
struct Array {
  explicit Array(const std::vector<double>& host, size_t offset = 0)
      : count(host.size()), memory_bytes((count + offset) * sizeof(T)) {
    if (cudaMalloc(&memory, memory_bytes) != cudaSuccess) std::abort();
    data = static_cast<T*>(memory) + offset;
    const std::vector<T> values(host.begin(), host.end());
    cudaMemcpy(data, values.data(), count * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~Array() { cudaFree(memory); }
  Array(const Array&) = delete;
  // How many elements are not what they should be.
  int wrong(const std::vector<double>& right, double tolerance) const {
    std::vector<T> values(count);
    cudaMemcpy(values.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost);
    int result = 0;
    for (size_t i = 0; i < count; ++i)
      result += !(std::abs(static_cast<double>(values[i]) - right[i]) <= tolerance * (1 + std::abs(right[i])));
    return result;
  }
  size_t count, memory_bytes;
  void* memory = nullptr;
  T* data = nullptr;
};

struct Shape {
  int64_t N, G, K, S;
  bool batch = false, centered = true;
};

std::vector<double> numbers(int64_t count, double step) {
  std::vector<double> result(static_cast<size_t>(count));
  for (size_t i = 0; i < result.size(); ++i) {
    const double s = std::sin(step * static_cast<double>(i * i % 1009 + 1));
    result[i] = static_cast<double>(static_cast<float>(s));
  }
  return result;
}

int check(const Shape& s, size_t offset, bool in_place) {
  const int64_t C = s.G * s.K, count = s.N * C * s.S, groups = s.batch ? s.G : s.N * s.G;
  std::vector<double> x = numbers(count, 7), gy = numbers(count, 3);
  const std::vector<double> weight = numbers(C, 1), bias = numbers(C, 2);
  for (double& v : x) v = static_cast<double>(static_cast<float>(100 + v));
  const auto channel = [&](int64_t i) { return static_cast<size_t>(i / s.S % C); };
  const auto group = [&](int64_t i) { return s.batch ? channel(i) : static_cast<size_t>(i / (s.K * s.S)); };
  const double share = static_cast<double>(groups) / static_cast<double>(count);
  const auto places = static_cast<size_t>(groups);
  std::vector<double> mean(places), var(places), plain(places), along(places), y(x), gx(x);
  std::vector<double> gweight(static_cast<size_t>(C)), gbias(gweight);
  for (int64_t i = 0; i < count; ++i)
    if (s.centered) mean[group(i)] += x[static_cast<size_t>(i)] * share;
  for (int64_t i = 0; i < count; ++i) var[group(i)] += std::pow(x[static_cast<size_t>(i)] - mean[group(i)], 2) * share;
  const auto h = [&](int64_t i) {
    return (x[static_cast<size_t>(i)] - mean[group(i)]) / std::sqrt(var[group(i)] + kEps);
  };
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    y[at] = h(i) * weight[channel(i)] + bias[channel(i)];
    gweight[channel(i)] += gy[at] * h(i), gbias[channel(i)] += gy[at];
    plain[group(i)] += gy[at] * weight[channel(i)] * share;
    along[group(i)] += gy[at] * weight[channel(i)] * h(i) * share;
  }
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    gx[at] = (gy[at] * weight[channel(i)] - (s.centered ? plain[group(i)] : 0) - h(i) * along[group(i)]) /
             std::sqrt(var[group(i)] + kEps);
  }

  const auto nothing = [](size_t n) { return std::vector<double>(n, std::nan("")); };
  const Array<float> dx(x, offset), dgy(gy, offset), dw(weight, offset), db(bias), dy(nothing(y.size()), offset);
  const Array<float> dgx(nothing(gx.size()), offset), dgw(nothing(gweight.size())), dgb(nothing(gbias.size()));
  const Array<double> dmean(nothing(places)), dvar(nothing(places));
  const LaunchContext ctx{1, nullptr};
  NormArgs args{DType::float32, s.N,      s.G,      s.K,      s.S,     s.batch, s.centered,
                false,          kEps,     dx.data,  dw.data,  db.data, dy.data, dmean.data,
                dvar.data,      dgy.data, dgx.data, dgw.data, dgb.data};
  // Where x is overwritten, backward reads it before.
  cuda::norm_kernels.forward.run(args, ctx);
  if (in_place) args.gx = dgy.data;
  cuda::norm_kernels.backward.run(args, ctx);
  if (in_place) {
    args.y = dx.data;
    cuda::norm_kernels.forward.run(args, ctx);
  }
  cudaDeviceSynchronize();
  const Array<float>& last_gx = in_place ? dgy : dgx;
  const int wrongs[] = {dy.wrong(y, 1e-4),
                        dmean.wrong(mean, 1e-9),
                        dvar.wrong(var, 1e-6),
                        last_gx.wrong(gx, 2e-4),
                        dgw.wrong(gweight, 1e-3),
                        dgb.wrong(gbias, 1e-4),
                        in_place ? dx.wrong(y, 1e-4) : 0,
                        static_cast<int>(cuda_on_cpu_report_count())};
  int wrong = 0;
  for (const int w : wrongs) wrong += w;
  if (wrong != 0) {
    std::printf("N %ld G %ld K %ld S %ld batch %d:", long(s.N), long(s.G), long(s.K), long(s.S), s.batch);
    for (const int w : wrongs) std::printf(" %d", w);
    std::printf(" wrong (y mean var gx gweight gbias y-in-place reports)\n%s", cuda_on_cpu_report_text());
  }
  cuda_on_cpu_clear_reports();
  return wrong;
}

}  // namespace

int main() {
  const Shape shapes[] = {
      {33, 1, 19, 1},        {2, 1, 1031, 1},       {2, 1, 16403, 1, false, false},
      {3, 2, 5, 1},  // each its weight
      {3, 2, 3, 7},          {2, 1, 3, 350},        {2, 2, 2, 1027},
      {1, 1, 2, 8210},       {40, 2, 1, 5},  // groups of a sample
      {6, 3, 1, 9},          {2, 3, 1, 532},        {1, 2, 1, 16402, true},
      {5, 3, 1, 9, true},  // one weight a row
      {7, 3, 1, 1, true},    {9001, 2, 1, 3, true}, {4100, 1, 2, 2},
      {3, 1, 1, 6001, true},  // many rows to a sum, or one
  };
  for (int order = 0; order < 3; ++order) {
    cuda_on_cpu_configure("order", order);
    for (const Shape& shape : shapes)
      if (check(shape, order == 1 ? 1 : 0, order != 1) != 0) return 1;
  }
}
