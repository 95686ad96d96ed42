// The CUDA matrix products on the emulation, kernel by kernel: every layout and epilogue at sizes that leave tails,
// three orders of threads, memory and results full of NaN before. Values are small whole numbers, of which every sum is
// exact, so that results are compared bit by bit; where rounding is the point, with a bound.
//
// gemm_test KERNEL [few], with KERNEL one of simt, vector, mma, sm90, bf16x6, table. Prints what is wrong; ends with 1
// where anything is.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cuda/gemm_problem.h"
#include "cuda/half.h"
#include "cuda/kernel.cuh"
#include "emulation/report.h"

namespace nn::cuda {
extern const GemmKernels gemm_kernels;
}

using namespace nn;
using namespace nn::cuda;

namespace {

int wrong = 0;
bool few = false;  // for builds that are slow
std::mt19937 generator(1);
int below(int n) { return static_cast<int>(generator() % static_cast<unsigned>(n)); }

// An array on the device with its copy on the host.
template <class T>
class Array {
 public:
  explicit Array(int64_t count) : host(static_cast<size_t>(count)) {
    if (cudaMalloc(&data_, host.size() * sizeof(T) + 1) != cudaSuccess) std::abort();
  }
  ~Array() { cudaFree(data_); }
  Array(const Array&) = delete;
  T* upload() {
    if (!host.empty()) cudaMemcpy(data_, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice);
    return static_cast<T*>(data_);
  }
  void download() {
    if (!host.empty()) cudaMemcpy(host.data(), data_, host.size() * sizeof(T), cudaMemcpyDeviceToHost);
  }

  std::vector<T> host;

 private:
  void* data_ = nullptr;
};

// How a matrix lies in memory.
enum class Layout { rows, cols, padded_rows, padded_cols, spread, reversed, repeated };
constexpr Layout kLayouts[] = {Layout::rows,        Layout::cols,     Layout::padded_rows, Layout::spread,
                               Layout::padded_cols, Layout::reversed, Layout::repeated};

struct Matrix {
  int64_t row, col, first, size;
};

Matrix lay_out(int64_t rows, int64_t cols, Layout layout) {
  const int64_t wide = (cols + 7) / 8 * 8, high = (rows + 7) / 8 * 8;
  switch (layout) {
    case Layout::rows:
      return {cols, 1, 0, rows * cols};
    case Layout::cols:
      return {1, rows, 0, rows * cols};
    case Layout::padded_rows:
      return {wide, 1, 0, rows * wide};
    case Layout::padded_cols:
      return {1, high, 0, cols * high};
    case Layout::spread:
      return {2 * cols + 1, 2, 0, rows * (2 * cols + 1)};
    case Layout::reversed:
      return {-cols, -1, rows * cols - (rows * cols > 0), rows * cols};
    default:
      return {0, 1, 0, cols};  // every row the same
  }
}

struct Case {
  int64_t M, N, K;
  Layout a, b, c;
  int batch = 1;
  bool bias = false, relu = false, accumulate = false;
};

using Run = void (*)(const GemmArgs&, const LaunchContext&);

template <class T>
T small() {
  return static_cast<T>(static_cast<float>(below(15) - 7));
}

template <class T>
double as_double(T x) {
  if constexpr (sizeof(T) == 2)
    return static_cast<double>(static_cast<float>(x));
  else
    return static_cast<double>(x);
}

// Runs one case and compares it, exactly or within `bound` of the reference in double.
template <class T>
void check(const char* kernel, const Case& x, DType dtype, Run run, double bound = 0, T (*draw)() = small<T>) {
  const Matrix a = lay_out(x.M, x.K, x.a), b = lay_out(x.K, x.N, x.b), c = lay_out(x.M, x.N, x.c);
  Array<T> A(a.size * x.batch), B(b.size), C(c.size * x.batch), bias(2 * x.N);
  for (auto* array : {&A, &B, &C, &bias})
    for (T& v : array->host) v = draw();
  std::vector<double> expected;
  for (int i = 0; i < x.batch; ++i)
    for (int64_t m = 0; m < x.M; ++m)
      for (int64_t n = 0; n < x.N; ++n) {
        double sum = 0;
        for (int64_t k = 0; k < x.K; ++k)
          sum += as_double(A.host[static_cast<size_t>(i * a.size + a.first + m * a.row + k * a.col)]) *
                 as_double(B.host[static_cast<size_t>(b.first + k * b.row + n * b.col)]);
        if (x.accumulate) sum += as_double(C.host[static_cast<size_t>(i * c.size + c.first + m * c.row + n * c.col)]);
        if (x.bias) sum += as_double(bias.host[static_cast<size_t>(2 * n)]);
        if constexpr (!std::is_integral_v<T>) {
          expected.push_back(x.relu && sum < 0 ? 0.0 : sum);
        } else {
          const T wrapped = static_cast<T>(static_cast<int64_t>(sum));
          expected.push_back(x.relu && wrapped < 0 ? 0.0 : as_double(wrapped));
        }
      }
  GemmArgs args{};
  args.dtype = dtype;
  args.M = x.M, args.N = x.N, args.K = x.K;
  args.a = A.upload() + a.first, args.a_row = a.row, args.a_col = a.col;
  args.b = B.upload() + b.first, args.b_row = b.row, args.b_col = b.col;
  if (!x.accumulate)
    for (T& v : C.host) memset(static_cast<void*>(&v), 0xFF, sizeof v);
  args.c = C.upload() + c.first, args.c_row = c.row, args.c_col = c.col;
  args.batch_ndim = 1, args.batch_shape[0] = x.batch;
  args.a_batch[0] = a.size, args.b_batch[0] = 0, args.c_batch[0] = c.size;
  args.bias = x.bias ? bias.upload() : nullptr, args.bias_stride = 2;
  args.activation = x.relu ? Activation::relu : Activation::none;
  args.accumulate = x.accumulate;
  const std::vector<T> before = C.host;
  run(args, LaunchContext{1, nullptr});
  cudaDeviceSynchronize();
  C.download();

  int bad = 0;
  std::vector<bool> written(C.host.size());
  size_t e = 0;
  for (int i = 0; i < x.batch; ++i)
    for (int64_t m = 0; m < x.M; ++m)
      for (int64_t n = 0; n < x.N; ++n, ++e) {
        const auto at = static_cast<size_t>(i * c.size + c.first + m * c.row + n * c.col);
        written[at] = true;
        const double want = bound > 0 || std::is_integral_v<T>
                                ? expected[e]
                                : as_double(static_cast<T>(static_cast<float>(expected[e])));
        bad += !(std::fabs(as_double(C.host[at]) - want) <= bound);
      }
  for (size_t i = 0; i < written.size(); ++i)  // and nothing else was written
    bad += !written[i] && memcmp(&before[i], &C.host[i], sizeof(T)) != 0;
  if (bad == 0 && cuda_on_cpu_report_count() == 0) return;
  ++wrong;
  std::printf("%s: %d wrong, M %ld N %ld K %ld, layouts %d %d %d, batch %d, bias %d relu %d accumulate %d\n%s", kernel,
              bad, long(x.M), long(x.N), long(x.K), int(x.a), int(x.b), int(x.c), x.batch, x.bias, x.relu, x.accumulate,
              cuda_on_cpu_report_text());
  cuda_on_cpu_clear_reports();
}

// Sizes around the edges of tiles and slabs, layouts in turn.
std::vector<Case> cases(int count, int largest) {
  std::vector<Case> all;
  for (int i = 0; i < count; ++i) {
    if (few && i % 2 == 0) continue;
    Case x{1 + below(largest), 1 + below(largest), below(70), kLayouts[i % 7], kLayouts[i / 3 % 7], kLayouts[below(6)]};
    x.batch = i % 4 == 1 ? 2 : 1;
    x.bias = below(2), x.relu = below(2), x.accumulate = below(2);
    if (i % 8 == 3) x.M = 1 + below(9), x.N = 1 + below(9), x.K = 1000 + below(700);  // K in parts
    all.push_back(x);
  }
  return all;
}

// One row or one column, in every layout; whether a kernel for vectors takes them.
std::vector<Case> vector_cases() {
  std::vector<Case> all;
  for (int i = 0; i < 28; ++i) {
    const int64_t length = 1 + below(300), K = i % 4 == 3 ? 600 + below(3000) : 1 + below(70);
    Case x{i % 2 ? length : 1, i % 2 ? 1 : length, K, kLayouts[i % 7], kLayouts[i / 4 % 7], kLayouts[below(6)]};
    x.batch = i % 3 == 1 ? 2 : 1;
    x.bias = below(2), x.relu = below(2), x.accumulate = below(2);
    all.push_back(x);
  }
  return all;
}

void in_orders(void (*body)()) {
  for (const int64_t late : {1, 0})
    for (int64_t order = 0; order < 3; ++order) {
      if (few && late != (order != 1)) continue;
      cuda_on_cpu_configure("order", order);
      cuda_on_cpu_configure("late_copies", late);
      body();
    }
}

template <GemmType type>
void simt(const GemmArgs& args, const LaunchContext& ctx) {
  gemm_simt(make_problem(args), type, ctx);
}
template <GemmType type>
void mma(const GemmArgs& args, const LaunchContext& ctx) {
  gemm_mma(make_problem(args), type, ctx);
}
template <GemmType type>
void sm90(const GemmArgs& args, const LaunchContext& ctx) {
  gemm_sm90(make_problem(args), type, ctx);
}

// Of rounding: normal values, a bound in units of the sum of magnitudes.
float normal() {
  static std::normal_distribution<float> draw;
  return draw(generator);
}

void test_simt() {
  for (const Case& x : cases(16, 80)) check<float>("simt float32", x, DType::float32, simt<GemmType::float32>);
  for (const Case& x : cases(7, 80)) check<double>("simt float64", x, DType::float64, simt<GemmType::float64>);
  for (const Case& x : cases(4, 70)) {
    check<int32_t>("simt int32", x, DType::int32, simt<GemmType::int32>);
    check<int64_t>("simt int64", x, DType::int64, simt<GemmType::int64>);
    check<uint8_t>("simt uint8", x, DType::uint8, simt<GemmType::uint8>, 0, [] { return uint8_t(below(256)); });
  }
  check<float>("simt no K", {5, 70, 0, Layout::rows, Layout::rows, Layout::rows, 1, true, true, true}, DType::float32,
               simt<GemmType::float32>);
}

// Enough large tiles: once, for they take their time.
void test_simt_large() {
  for (const Layout layout : {Layout::rows, Layout::cols, Layout::padded_rows})
    check<float>("simt large tiles", {2001, 1030, 18, layout, layout, Layout::rows, 1, true, true, false},
                 DType::float32, simt<GemmType::float32>);
}

int taken = 0;
void vector(const GemmArgs& args, const LaunchContext& ctx) {
  const GemmProblem p = make_problem(args);
  if (gemm_vector(p, ctx))
    ++taken;
  else
    gemm_simt(p, GemmType::float32, ctx);
}

void test_vector() {
  for (const Case& x : vector_cases()) check<float>("vector", x, DType::float32, vector);
  if (taken < 10) ++wrong, std::printf("vector: %d cases alone are taken\n", taken);
}

void test_mma() {
  for (const Case& x : cases(8, 150)) {
    check<float>("mma tf32", x, DType::float32, mma<GemmType::float32>);
    check<bfloat16>("mma bfloat16", x, DType::float32, mma<GemmType::bfloat16>);
    check<float16>("mma float16", x, DType::float32, mma<GemmType::float16>);
  }
  check<float>("mma tf32 rounding", {64, 64, 64, Layout::rows, Layout::cols, Layout::rows}, DType::float32,
               mma<GemmType::float32>, 64 * std::ldexp(1.0, -9), normal);
}

void test_sm90() {
  constexpr auto rows = Layout::rows, cols = Layout::cols, padded = Layout::padded_rows;
  check<bfloat16>("sm90 bfloat16", {200, 300, 392, rows, cols, rows, 1, true, true}, DType::float32,
                  sm90<GemmType::bfloat16>);
  check<float16>("sm90 float16", {250, 129, 65, cols, padded, Layout::spread, 1, true, false, true}, DType::float32,
                 sm90<GemmType::float16>);
  check<float>("sm90 tf32", {130, 140, 260, rows, rows, cols, 1, true, false, true}, DType::float32,
               sm90<GemmType::float32>);
  check<float>("sm90 tf32", {3, 135, 31, Layout::spread, Layout::reversed, rows}, DType::float32,
               sm90<GemmType::float32>);
}

void test_sm90_large() {
  check<float>("sm90 tf32, large tiles",
               {129, 96 * 128 - 3, 20, Layout::padded_rows, Layout::cols, Layout::rows, 1, true}, DType::float32,
               sm90<GemmType::float32>);
  check<bfloat16>("sm90 bfloat16, large tiles", {129, 96 * 128 - 3, 72, Layout::rows, Layout::cols, Layout::rows},
                  DType::float32, sm90<GemmType::bfloat16>);
}

void test_bf16x6() {
  const auto run = [](const GemmArgs& args, const LaunchContext& ctx) { gemm_bf16x6(make_problem(args), ctx); };
  check<float>("bf16x6", {130, 70, 300, Layout::rows, Layout::cols, Layout::rows, 1, true}, DType::float32, run, 3e-5,
               normal);
  check<float>("bf16x6 whole numbers", {66, 129, 40, Layout::cols, Layout::rows, Layout::rows}, DType::float32, run);
}

// The entry of the kernel table, whatever it chooses.
void test_table() {
  const auto run = [](const GemmArgs& args, const LaunchContext& ctx) { gemm_kernels.gemm.run(args, ctx); };
  const auto high = [](const GemmArgs& args, const LaunchContext& ctx) {
    GemmArgs fast = args;
    fast.precision = Precision::high;
    gemm_kernels.gemm.run(fast, ctx);
  };
  for (const Case& x : cases(6, 90)) {
    check<float>("table", x, DType::float32, run);
    check<float>("table, high", x, DType::float32, high);
    check<double>("table", x, DType::float64, run);
  }
  check<float>("table, high", {70, 90, 40, Layout::rows, Layout::cols, Layout::rows}, DType::float32, high);
  check<float>("table, nothing", {0, 5, 3, Layout::rows, Layout::rows, Layout::rows}, DType::float32, run);
}

}  // namespace

int main(int count, char** arguments) {
  const std::string kernel = count > 1 ? arguments[1] : "";
  few = count > 2;
  if (kernel == "simt") in_orders(test_simt), few ? void() : test_simt_large();
  if (kernel == "vector") in_orders(test_vector);
  if (kernel == "mma") in_orders(test_mma);
  if (kernel == "sm90") in_orders(test_sm90), few ? void() : test_sm90_large();
  if (kernel == "bf16x6") in_orders(test_bf16x6);
  if (kernel == "table") test_table();
  std::printf("%d cases wrong\n", wrong);
  return wrong != 0;
}
