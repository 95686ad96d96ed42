// The CUDA convolutions on the emulation: all three kernels, each way to compute them, unfold and fold, over extents
// that leave tails, strides, dilations, padding at one end, groups and empty arrays. Values are small whole numbers, so
// that results are compared bit by bit. Prints what is wrong; ends with 1 where anything is. conv_test [few].
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "cuda/conv_kernels.h"
#include "cuda/kernel.cuh"
#include "emulation/report.h"

namespace nn::cuda {
extern const ConvKernels conv_kernels;
}

using namespace nn;
using namespace nn::cuda;

namespace {

int wrong = 0;
std::mt19937 generator(1);
int64_t below(int n) { return static_cast<int64_t>(generator() % static_cast<unsigned>(n)); }

template <class T>
class Array {
 public:
  explicit Array(int64_t count) : host(static_cast<size_t>(count)) {
    if (cudaMalloc(&data_, host.size() * sizeof(T) + 1) != cudaSuccess) std::abort();
    for (T& x : host) x = static_cast<T>(below(9) - 4);
    if (!host.empty()) cudaMemcpy(data_, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~Array() { cudaFree(data_); }
  Array(const Array&) = delete;
  T* device() { return static_cast<T*>(data_); }

  // How many elements differ from `expected` after run() wrote them; before they were NaN.
  int64_t differences(const std::vector<T>& expected, const std::function<void()>& run) {
    std::vector<T> result(host.size());
    for (T& x : result) memset(&x, 0xFF, sizeof x);
    if (!result.empty()) cudaMemcpy(data_, result.data(), result.size() * sizeof(T), cudaMemcpyHostToDevice);
    run();
    cudaDeviceSynchronize();
    if (!result.empty()) cudaMemcpy(result.data(), data_, result.size() * sizeof(T), cudaMemcpyDeviceToHost);
    int64_t bad = cuda_on_cpu_report_count();
    for (size_t i = 0; i < result.size(); ++i) bad += !(result[i] == expected[i]);
    return bad;
  }

  std::vector<T> host;

 private:
  void* data_ = nullptr;
};

int64_t volume(const int64_t (&size)[3]) { return size[0] * size[1] * size[2]; }

void split(int64_t index, const int64_t (&size)[3], int64_t (&at)[3]) {
  for (int i = 2; i >= 0; --i) at[i] = index % size[i], index /= size[i];
}

// The position in an image that output `o` reads with tap `t`, or -1 in the padding.
int64_t position(const ConvGeometry& g, int64_t o, int64_t t) {
  int64_t out[3], tap[3], index = 0;
  split(o, g.out, out);
  split(t, g.kernel, tap);
  for (int i = 0; i < 3; ++i) {
    const int64_t at = out[i] * g.stride[i] - g.pad[i] + tap[i] * g.dilation[i];
    if (at < 0 || at >= g.in[i]) return -1;
    index = index * g.in[i] + at;
  }
  return index;
}

void report(const char* kernel, const ConvGeometry& g, int64_t bad) {
  if (bad == 0) return;
  ++wrong;
  std::printf("%s: %ld wrong, N %ld C %ld K %ld groups %ld, in %ld %ld %ld, kernel %ld %ld %ld, stride %ld %ld %ld\n%s",
              kernel, long(bad), long(g.N), long(g.C), long(g.K), long(g.groups), long(g.in[0]), long(g.in[1]),
              long(g.in[2]), long(g.kernel[0]), long(g.kernel[1]), long(g.kernel[2]), long(g.stride[0]),
              long(g.stride[1]), long(g.stride[2]), cuda_on_cpu_report_text());
  cuda_on_cpu_clear_reports();
}

template <class T>
void check(const ConvGeometry& g, DType dtype) {
  const int64_t in = volume(g.in), out = volume(g.out), taps = volume(g.kernel), c = g.C / g.groups, k = g.K / g.groups;
  Array<T> x(g.N * g.C * in), w(g.K * c * taps), y(g.N * g.K * out), bias(g.K), input_bias(g.C);
  std::vector<T> want_x(x.host.size()), want_w(w.host.size()), want_y(y.host.size());
  for (size_t i = 0; i < want_x.size(); ++i)
    want_x[i] = input_bias.host[i / static_cast<size_t>(in) % input_bias.host.size()];
  for (int64_t nk = 0; nk < g.N * g.K; ++nk)
    for (int64_t o = 0; o < out; ++o) {
      const auto yi = static_cast<size_t>(nk * out + o);
      want_y[yi] = bias.host[static_cast<size_t>(nk % g.K)];
      for (int64_t ct = 0; ct < c * taps; ++ct) {
        const int64_t at = position(g, o, ct % taps), channel = nk % g.K / k * c + ct / taps;
        if (at < 0) continue;
        const auto xi = static_cast<size_t>((nk / g.K * g.C + channel) * in + at);
        const auto wi = static_cast<size_t>(nk % g.K * c * taps + ct);
        want_y[yi] += x.host[xi] * w.host[wi];
        want_x[xi] += y.host[yi] * w.host[wi];
        want_w[wi] += y.host[yi] * x.host[xi];
      }
    }
  const LaunchContext ctx{1, nullptr};
  {
    const ConvArgs args{dtype, g, x.device(), w.device(), input_bias.device(), y.device(), Precision::highest};
    Array<T> gx(g.N * g.C * in);
    ConvArgs to = args;
    to.x = gx.device();
    report("backward_input", g, gx.differences(want_x, [&] { conv_kernels.backward_input.run(to, ctx); }));
  }
  ConvArgs args{dtype, g, x.device(), w.device(), nullptr, y.device(), Precision::highest};
  Array<T> gw(g.K * c * taps);
  args.w = gw.device();
  report("backward_weight", g, gw.differences(want_w, [&] { conv_kernels.backward_weight.run(args, ctx); }));
  const bool some = want_w.size() > 0;
  if (some)
    report("backward_weight, tiled", g,
           gw.differences(want_w, [&] { conv_tiled(backward_weight_problem(args), dtype, ctx); }));
  args.w = w.device(), args.bias = bias.device();
  report("forward", g, y.differences(want_y, [&] { conv_kernels.forward.run(args, ctx); }));
  ConvArgs rounded = args;
  rounded.precision = Precision::high;
  report("forward, high", g, y.differences(want_y, [&] { conv_kernels.forward.run(rounded, ctx); }));
  if (dtype == DType::float32 && some) {
    ConvArgs to{dtype, g, x.device(), gw.device(), nullptr, y.device(), Precision::highest};
    cudaMemcpy(y.device(), y.host.data(), y.host.size() * sizeof(T), cudaMemcpyHostToDevice);
    report("backward_weight, mma", g, gw.differences(want_w, [&] { conv_mma(backward_weight_problem(to), ctx); }));
  }
  if (want_y.empty()) return;
  if (dtype == DType::float32)
    report("forward, mma", g, y.differences(want_y, [&] { conv_mma(forward_problem(args), ctx); }));
  report("forward, tiled", g, y.differences(want_y, [&] { conv_tiled(forward_problem(args), dtype, ctx); }));
  report("forward, direct", g, y.differences(want_y, [&] { conv_direct(forward_problem(args), dtype, ctx); }));
}

template <class T>
void check_unfold(const ConvGeometry& g, DType dtype) {
  const int64_t in = volume(g.in), out = volume(g.out), taps = volume(g.kernel);
  Array<T> x(g.N * g.C * in), y(g.N * g.C * taps * out);
  std::vector<T> want_x(x.host.size()), want_y(y.host.size());
  for (int64_t i = 0; i < g.N * g.C * taps * out; ++i) {
    const int64_t plane = i / (taps * out), at = position(g, i % out, i / out % taps);
    if (at < 0) continue;
    want_y[static_cast<size_t>(i)] = x.host[static_cast<size_t>(plane * in + at)];
    want_x[static_cast<size_t>(plane * in + at)] += y.host[static_cast<size_t>(i)];
  }
  const UnfoldArgs args{dtype, g, x.device(), y.device()};
  const LaunchContext ctx{1, nullptr};
  {
    Array<T> folded(g.N * g.C * in);
    UnfoldArgs to = args;
    to.x = folded.device();
    report("fold", g, folded.differences(want_x, [&] { conv_kernels.fold.run(to, ctx); }));
  }
  report("unfold", g, y.differences(want_y, [&] { conv_kernels.unfold.run(args, ctx); }));
}

// A geometry by chance, 1-D to 3-D; the output extents leave up to one element of padding at the end.
bool draw(int i, ConvGeometry& g) {
  g = {};
  g.groups = i % 4 == 0 ? 1 + below(4) : 1;
  g.N = i % 6 == 0 ? below(3) : 1 + below(3);
  g.C = g.groups * (1 + below(3)), g.K = g.groups * (1 + below(8));
  if (i % 7 == 1) g.groups = g.K = g.C;  // depthwise
  for (int d = 0; d < 3; ++d) {
    const bool flat = d == 0 && i % 5 != 0;
    g.in[d] = flat ? 1 : 1 + below(9), g.kernel[d] = flat ? 1 : 1 + below(3);
    g.stride[d] = flat ? 1 : 1 + below(3), g.dilation[d] = 1 + below(3), g.pad[d] = flat ? 0 : below(3);
    const int64_t last = g.in[d] + g.pad[d] + below(2) - g.dilation[d] * (g.kernel[d] - 1) - 1;
    if (last < 0) return false;
    g.out[d] = last / g.stride[d] + 1;
  }
  return true;
}

}  // namespace

int main(int count, char**) {
  const bool few = count > 1;
  ConvGeometry g;
  for (int i = 0; i < (few ? 30 : 90); ++i) {
    cuda_on_cpu_configure("order", i % 3);
    cuda_on_cpu_configure("late_copies", i % 2);
    if (!draw(i, g)) continue;
    i % 3 == 0 ? check<double>(g, DType::float64) : check<float>(g, DType::float32);
    i % 3 == 0 ? check_unfold<double>(g, DType::float64) : check_unfold<float>(g, DType::float32);
  }
  // More than a tile in each direction, K in parts, and no input channel's worth of image.
  check<float>({2, 70, 66, 1, {1, 9, 11}, {1, 9, 11}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}}, DType::float32);
  if (!few)
    check<float>({60, 3, 70, 1, {1, 13, 11}, {1, 6, 5}, {1, 3, 3}, {1, 2, 2}, {0, 0, 0}, {1, 1, 1}}, DType::float32);
  if (!few)
    check<float>({130, 65, 70, 1, {1, 13, 11}, {1, 13, 11}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}},
                 DType::float32);
  check<float>({2, 3, 5, 1, {1, 0, 4}, {1, 1, 4}, {1, 2, 1}, {1, 1, 1}, {0, 1, 0}, {1, 1, 1}}, DType::float32);
  std::printf("%d cases wrong\n", wrong);
  return wrong != 0;
}
