// Optimizer steps and recurrent layers on the emulation, beside plain loops over the same arithmetic: tensors of every
// size and alignment in one launch, bit by bit; layers by rows and by steps, with lengths, in both directions. Prints
// what is wrong; ends with 1 where anything is. steps_test [few].
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "core/kernels/gemm.h"
#include "core/kernels/optim.h"
#include "cuda/rnn_units.cuh"
#include "emulation/report.h"
#include "math/optim_more.h"

namespace nn::cuda {
extern const OptimKernels optim_kernels;
extern const RnnKernels rnn_kernels;
extern const GemmKernels gemm_kernels;

namespace {

// The products between steps, as simple as they can be: those of gemm.cu have a test of their own.
template <class T>
__global__ void product_kernel(GemmArgs g) {
  const int64_t m = blockIdx.x, n = threadIdx.x + int64_t{blockIdx.y} * kThreads;
  if (n >= g.N) return;
  const T* const a = static_cast<const T*>(g.a) + m * g.a_row;
  const T* const b = static_cast<const T*>(g.b) + n * g.b_col;
  T& c = static_cast<T*>(g.c)[m * g.c_row + n * g.c_col];
  T sum = g.accumulate ? c : T(0);
  for (int64_t k = 0; k < g.K; ++k) sum += a[k * g.a_col] * b[k * g.b_row];
  c = g.bias != nullptr ? sum + static_cast<const T*>(g.bias)[n * g.bias_stride] : sum;
}

void product(const GemmArgs& g, const LaunchContext& ctx) {
  const dim3 grid(static_cast<unsigned>(g.M), static_cast<unsigned>(ceil_div(g.N, int64_t{kThreads})));
  with_floating(g.dtype, [&]<class T>(T) { NN_LAUNCH(product_kernel<T>, grid, kThreads, 0, ctx, g); });
}

}  // namespace

const GemmKernels gemm_kernels = {{"gemm", product}};
}  // namespace nn::cuda

using namespace nn;
using namespace nn::cuda;

namespace {

int wrong = 0;
std::mt19937 generator(1);
double draw() { return std::normal_distribution<double>()(generator); }
const LaunchContext context{1, nullptr};

// Numbers on the host, and a copy in device memory that begins `skip` elements behind a multiple of 256 bytes.
template <class T>
struct Array {
  explicit Array(int64_t count, double scale = 1, int64_t skip = 0) : host(static_cast<size_t>(count)) {
    if (cudaMalloc(&memory, (host.size() + static_cast<size_t>(skip)) * sizeof(T) + 1) != cudaSuccess) std::abort();
    device = static_cast<T*>(memory) + skip;
    for (T& x : host) x = static_cast<T>(scale * draw());
    upload();
  }
  ~Array() { cudaFree(memory); }
  Array(const Array&) = delete;
  void upload() { cudaMemcpy(device, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice); }

  // How many numbers on the device are not those of the host, but for `tolerance`.
  int64_t differences(double tolerance = 0) const {
    std::vector<T> result(host.size());
    cudaMemcpy(result.data(), device, result.size() * sizeof(T), cudaMemcpyDeviceToHost);
    int64_t bad = 0;
    for (size_t i = 0; i < result.size(); ++i)
      bad += !(std::fabs(static_cast<double>(result[i]) - static_cast<double>(host[i])) <=
               tolerance * (1 + std::fabs(static_cast<double>(host[i]))));
    return bad;
  }

  std::vector<T> host;
  T* device;

 private:
  void* memory = nullptr;
};

void report(const char* what, int64_t a, int64_t b, int64_t c, int64_t bad) {
  bad += cuda_on_cpu_report_count();
  if (bad == 0) return;
  ++wrong;
  std::printf("%s %ld %ld %ld: %ld wrong\n%s", what, long(a), long(b), long(c), long(bad), cuda_on_cpu_report_text());
  cuda_on_cpu_clear_reports();
}

// ---- optimizers ----

// One parameter with its state, as the kernel sees it and as the loop does.
template <class T>
struct Parameter {
  Parameter(int64_t size, int states, int64_t skip) : param(size, 1, skip), grad(size, 1, skip), step(1) {
    for (int i = 0; i < states; ++i) {
      state.push_back(std::make_unique<Array<T>>(size, 1, skip));
      for (T& x : state.back()->host) x = std::fabs(x);
      state.back()->upload();
    }
    for (auto& x : scalar) x = std::make_unique<Array<float>>(1);
    step.host[0] = 2, scalar[0]->host[0] = 0.5f, scalar[1]->host[0] = 1;
    step.upload(), scalar[0]->upload(), scalar[1]->upload();
  }

  OptimTensor row(bool on_device, const double* hyper, int64_t first_block) {
    const auto place = [&](auto& x) { return on_device ? x.device : x.host.data(); };
    OptimTensor t{sizeof(T) == 4 ? DType::float32 : DType::float64,
                  0,
                  static_cast<int64_t>(param.host.size()),
                  first_block,
                  place(param),
                  place(grad),
                  {},
                  place(step),
                  {{DType::float32, place(*scalar[0])}, {DType::float32, place(*scalar[1])}},
                  hyper};
    for (size_t i = 0; i < state.size(); ++i) t.state[i] = place(*state[i]);
    return t;
  }

  int64_t differences() const {
    int64_t bad = param.differences() + step.differences() + scalar[0]->differences() + scalar[1]->differences();
    for (const auto& x : state) bad += x->differences();
    return bad;
  }

  Array<T> param, grad;
  Array<float> step;
  std::vector<std::unique_ptr<Array<T>>> state;
  std::unique_ptr<Array<float>> scalar[2];
};

template <template <class> class Step, class T>
void step_by_loop(const OptimTensor& t) {
  *t.step += 1;
  if constexpr (requires { Step<float>::begin(t); }) Step<float>::begin(t);
  const Step<T> step(t, static_cast<double>(*t.step));
  if constexpr (requires { Step<float>::finish(t); }) Step<float>::finish(t);
  for (int64_t i = 0; i < t.size; ++i) {
    T none[kOptimStates] = {};
    T* s[kOptimStates];
    for (int k = 0; k < kOptimStates; ++k) s[k] = t.state[k] ? static_cast<T*>(t.state[k]) + i : &none[k];
    step(static_cast<T*>(t.param)[i], static_cast<const T*>(t.grad)[i], *s[0], *s[1], *s[2]);
  }
}

template <template <class> class Step, class T>
void check_optimizer(const Kernel<OptimArgs>& kernel, int states, int64_t copies) {
  const double numbers[OptimHyper::kCount] = {0.1, 0.01, 0.9, 0.3, 0.5, 2};
  Array<double> hyper(OptimHyper::kCount);
  hyper.host.assign(numbers, numbers + OptimHyper::kCount);
  hyper.upload();
  std::vector<std::unique_ptr<Parameter<T>>> params;
  for (int64_t i = 0; i < copies; ++i)
    for (const int64_t size : {3, 0, 1024, 1027, 1, 2050})
      params.push_back(std::make_unique<Parameter<T>>(i == 0 ? size : size % 5, states, i % 3));
  std::vector<OptimTensor> rows;
  int64_t blocks = 0;
  for (auto& p : params) {
    rows.push_back(p->row(true, hyper.device, blocks));
    blocks += ceil_div(rows.back().size, kOptimBlock);
  }
  void* table = nullptr;
  if (cudaMalloc(&table, rows.size() * sizeof(OptimTensor)) != cudaSuccess) std::abort();
  cudaMemcpy(table, rows.data(), rows.size() * sizeof(OptimTensor), cudaMemcpyHostToDevice);
  kernel.run({static_cast<OptimTensor*>(table), static_cast<int64_t>(rows.size()), blocks}, context);
  cudaDeviceSynchronize();
  int64_t bad = 0;
  for (auto& p : params) {
    step_by_loop<Step, T>(p->row(false, numbers, 0));
    bad += p->differences();
  }
  report(kernel.name, copies, blocks, sizeof(T), bad);
  cudaFree(table);
}

// ---- recurrent layers ----

template <class T, class Unit>
struct Layer {
  static constexpr int64_t G = Unit::gates;
  const int64_t steps, N, H;
  Array<T> w, b, h0, c0, gates, y, h_n, c_n, h_before, c_before, extra, gy, gx_gates, gh_gates, gh, gc;
  Array<int64_t> lengths;

  Layer(int64_t t, int64_t n, int64_t h)
      : steps(t),
        N(n),
        H(h),
        w(G * H * H, 0.3),
        b(G * H),
        h0(N * H),
        c0(N * H),
        gates(t * N * G * H),
        y(t * N * H),
        h_n(N * H),
        c_n(N * H),
        h_before(t * N * H),
        c_before(t * N * H),
        extra(t * N * H),
        gy(t * N * H),
        gx_gates(t * N * G * H),
        gh_gates(t * N * G * H),
        gh(N * H),
        gc(N * H),
        lengths(N) {
    for (int64_t& x : lengths.host) x = static_cast<int64_t>(generator() % static_cast<unsigned>(steps + 1));
    lengths.upload();
  }

  template <class P>
  auto* place(P& x, bool on_device) {
    return on_device ? x.device : x.host.data();
  }

  void check(RnnMode mode, bool reverse, bool masked) {
    const DType dtype = sizeof(T) == 4 ? DType::float32 : DType::float64;
    const double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-11;
    const auto forward = [&](bool on) {
      return RnnArgs{dtype,
                     mode,
                     steps,
                     N,
                     H,
                     reverse,
                     masked ? place(lengths, on) : nullptr,
                     place(w, on),
                     place(b, on),
                     place(h0, on),
                     place(c0, on),
                     place(gates, on),
                     place(y, on),
                     place(h_n, on),
                     place(c_n, on),
                     place(h_before, on),
                     place(c_before, on),
                     place(extra, on)};
    };
    rnn_kernels.forward.run(forward(true), context);
    cudaDeviceSynchronize();
    walk(forward(false));
    int64_t bad = y.differences(tolerance) + h_n.differences(tolerance) + h_before.differences(tolerance);
    if (Unit::has_c) bad += c_n.differences(tolerance) + c_before.differences(tolerance);
    if (!masked) bad += gates.differences(tolerance);
    report("rnn forward", steps, N, H, bad);
    for (auto* x : {&gates, &h_before, &c_before, &extra}) x->upload();  // the same start for both
    const auto backward = [&](bool on) {
      return RnnBackwardArgs{dtype,
                             mode,
                             steps,
                             N,
                             H,
                             reverse,
                             masked ? place(lengths, on) : nullptr,
                             place(w, on),
                             place(gy, on),
                             N * H,
                             H,
                             place(gates, on),
                             place(h_before, on),
                             place(c_before, on),
                             place(extra, on),
                             place(gx_gates, on),
                             place(Unit::hidden_apart ? gh_gates : gx_gates, on),
                             place(gh, on),
                             place(gc, on),
                             true};
    };
    rnn_kernels.backward.run(backward(true), context);
    cudaDeviceSynchronize();
    walk(backward(false));
    bad = gx_gates.differences(tolerance) + gh.differences(tolerance);
    if (Unit::hidden_apart) bad += gh_gates.differences(tolerance);
    if (Unit::has_c) bad += gc.differences(tolerance);
    report("rnn backward", steps, N, H, bad);
  }

  void walk(const RnnArgs& x) {
    for (int64_t n = 0; n < N; ++n) {
      std::vector<T> h(h0.host.begin() + n * H, h0.host.begin() + (n + 1) * H);
      std::vector<T> c(c0.host.begin() + n * H, c0.host.begin() + (n + 1) * H);
      for (int64_t s = 0; s < steps; ++s) {
        const int64_t t = time_of(x, s);
        std::vector<T> hidden(b.host);
        for (int64_t g = 0; g < G * H; ++g)
          for (int64_t k = 0; k < H; ++k) hidden[size_t(g)] += w.host[size_t(g * H + k)] * h[size_t(k)];
        for (int64_t j = 0; j < H; ++j) {
          const auto i = size_t(j);
          at<T>(x, x.h_before, t, n, H)[j] = h[i], at<T>(x, x.c_before, t, n, H)[j] = c[i];
          unit_forward<T, Unit>(x, t, n, j, &hidden[i], h[i], c[i]);
        }
      }
      std::copy(h.begin(), h.end(), h_n.host.begin() + n * H);
      std::copy(c.begin(), c.end(), c_n.host.begin() + n * H);
    }
  }

  void walk(const RnnBackwardArgs& x) {
    for (int64_t n = 0; n < N; ++n) {
      T *const g_h = gh.host.data() + n * H, *const g_c = gc.host.data() + n * H;
      for (int64_t s = steps - 1; s >= 0; --s) {
        std::vector<T> hidden(size_t(G * H));
        for (int64_t j = 0; j < H; ++j)
          unit_backward<T, Unit>(x, time_of(x, s), n, j, &hidden[size_t(j)], g_h[j], g_c[j]);
        for (int64_t j = 0; j < H; ++j)
          for (int64_t g = 0; g < G * H; ++g) g_h[j] += hidden[size_t(g)] * w.host[size_t(g * H + j)];
      }
    }
  }
};

}  // namespace

int main(int count, char**) {
  const bool few = count > 1;
  for (int order = 0; order < 3; ++order) {
    cuda_on_cpu_configure("order", order);
    check_optimizer<AdamStep, float>(optim_kernels.adam, 3, order == 0 ? 1 : 8);
    check_optimizer<NadamStep, double>(optim_kernels.nadam, 2, 1);
    check_optimizer<AsgdStep, float>(optim_kernels.asgd, 1, 2);
    check_optimizer<SgdStep, double>(optim_kernels.sgd, 0, 2);
    Layer<float, LstmUnit>(3, 5, 3).check(RnnMode::lstm, order == 1, order == 2);
    Layer<double, GruUnit>(2, 6, 33).check(RnnMode::gru, order == 2, order == 1);
    Layer<float, RnnUnitPlain<false>>(1, 1, 1).check(RnnMode::tanh, false, false);
    Layer<float, RnnUnitPlain<true>>(2, 4, 130).check(RnnMode::relu, order == 0, false);
    if (few && order > 0) continue;  // W_hh of these does not fit in shared memory
    Layer<float, GruUnit>(3, 3, 140).check(RnnMode::gru, true, true);
    Layer<double, LstmUnit>(2, 2, 86).check(RnnMode::lstm, false, false);
  }
  // More tensors than a warp looks at three times.
  if (!few) check_optimizer<AdamaxStep, float>(optim_kernels.adamax, 2, 180);
  std::printf("%d cases wrong\n", wrong);
  return wrong != 0;
}
