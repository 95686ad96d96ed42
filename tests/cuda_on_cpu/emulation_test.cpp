// Small kernels, each right and with one mistake that real ones are prone to: emulation_test CASE [seeded]. The right
// one runs with the threads in three orders; ends with 1 where a result is wrong or the emulation reports something.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/kernel.cuh"
#include "emulation/async.h"
#include "emulation/report.h"

using namespace nn;
using namespace nn::cuda;

namespace {

constexpr int kThreads = 128;
bool seeded = false;
const LaunchContext context = {1, nullptr};

// ---- Barriers, shared memory, bounds

__global__ void reverse_kernel(const float* x, float* y, bool without_barrier) {
  NN_SHARED(float, tile, [kThreads]);
  tile[threadIdx.x] = x[threadIdx.x];
  if (!without_barrier) __syncthreads();
  y[threadIdx.x] = tile[kThreads - 1 - threadIdx.x];
}

__global__ void copy_kernel(const float* x, float* y, int count, bool one_more) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count + one_more) y[i] = x[i];
}

__global__ void two_barriers_kernel(const float* x, float* y, bool divergent) {
  NN_SHARED(float, tile, [kThreads]);
  tile[threadIdx.x] = x[threadIdx.x];
  if (divergent && threadIdx.x < 64)
    __syncthreads();
  else
    __syncthreads();
  y[threadIdx.x ^ 1] = tile[threadIdx.x ^ 1];
}

__global__ void leaving_kernel(const float* x, float* y, bool leave) {
  if (leave && threadIdx.x == 5) return;
  __syncthreads();
  y[threadIdx.x] = x[threadIdx.x];
}

__global__ void uninitialised_kernel(const float* x, float* y, bool skip) {
  NN_SHARED(float, tile, [kThreads]);
  if (!skip || threadIdx.x != 7) tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

// ---- Warps

// The sum of the warp, the inclusive sum of the lanes before, the lanes with an odd value; and back to x.
__global__ void warp_kernel(const float* x, float* y, bool half) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const float mine = x[threadIdx.x];
  float sum = mine, before = mine;
  if (!half || lane < 16)
    for (int bits = 16; bits > 0; bits /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, bits);
  for (int by = 1; by < 32; by *= 2) {
    const float other = __shfl_up_sync(0xffffffffu, before, static_cast<unsigned>(by));
    if (lane >= by) before += other;
  }
  const float all = __shfl_sync(0xffffffffu, before, 31);
  const unsigned odd = __ballot_sync(0xffffffffu, static_cast<int>(mine) % 2 != 0);
  const bool is_odd = (odd >> lane & 1) != 0;
  y[threadIdx.x] = all == sum && is_odd == (static_cast<int>(mine) % 2 != 0) ? mine : -1.0f;
}

__global__ void atomic_kernel(const float* x, float* y, bool plain) {
  NN_SHARED(int, count, [1]);
  if (threadIdx.x == 0) count[0] = 0;
  __syncthreads();
  if (plain)
    count[0] += 1;
  else
    atomicAdd(&count[0], 1);
  __syncthreads();
  y[threadIdx.x] = count[0] == kThreads ? x[threadIdx.x] : -1.0f;
}

// ---- Copies that run by themselves

__global__ void copy_async_kernel(const float* x, float* y, bool without_wait) {
  NN_SHARED(float4, tile, [kThreads / 4]);
  if (threadIdx.x < kThreads / 4) cuda_on_cpu::copy_async(&tile[threadIdx.x], x + 4 * threadIdx.x, 16, 16);
  cuda_on_cpu::copy_async_commit();
  cuda_on_cpu::copy_async_wait(without_wait ? 1 : 0);
  __syncthreads();
  y[threadIdx.x] = reinterpret_cast<const float*>(tile)[threadIdx.x];
}

struct Mistakes {
  bool wrong_phase = false, few_bytes = false, many_bytes = false, early_release = false;
};

// Thread 0 of the last warp copies pieces into a ring of two places, the others read them.
__global__ void ring_kernel(const float* x, float* y, int pieces, Mistakes mistakes) {
  using namespace cuda_on_cpu;
  constexpr int kPiece = 32, kPlaces = 2;
  NN_SHARED(float4, ring, [kPlaces][kPiece / 4]);
  NN_SHARED(uint64_t, full, [kPlaces]);
  NN_SHARED(uint64_t, empty, [kPlaces]);
  if (threadIdx.x == 0)
    for (int i = 0; i < kPlaces; ++i) {
      mbarrier_init(&full[i], 1);
      mbarrier_init(&empty[i], kPiece);
    }
  __syncthreads();
  for (int i = 0; i < pieces; ++i) {
    const int place = i % kPlaces;
    const auto parity = static_cast<uint32_t>(i / kPlaces % 2);
    if (threadIdx.x == kPiece) {
      mbarrier_wait(&empty[place], parity ^ 1, CUDA_ON_CPU_SITE);
      const uint32_t bytes = kPiece * sizeof(float);
      mbarrier_expect(&full[place], mistakes.few_bytes ? 0 : mistakes.many_bytes ? bytes + 16 : bytes);
      mbarrier_arrive(&full[place]);
      bulk_load(ring[place], x + i * kPiece, bytes, &full[place]);
    } else if (threadIdx.x < kPiece) {
      mbarrier_wait(&full[place], mistakes.wrong_phase ? parity ^ 1 : parity, CUDA_ON_CPU_SITE);
      if (mistakes.early_release) mbarrier_arrive(&empty[place]);
      y[static_cast<unsigned>(i * kPiece) + threadIdx.x] = reinterpret_cast<const float*>(ring[place])[threadIdx.x];
      if (!mistakes.early_release) mbarrier_arrive(&empty[place]);
    }
  }
}

// ---- The host's side

struct Arrays {
  std::vector<float> host, result;
  float *x = nullptr, *y = nullptr;

  explicit Arrays(int count) : host(static_cast<size_t>(count)), result(host.size()) {
    std::iota(host.begin(), host.end(), 1.0f);
    check(cudaMalloc(&x, bytes()), "x");
    check(cudaMalloc(&y, bytes()), "y");
    check(cudaMemcpy(x, host.data(), bytes(), cudaMemcpyHostToDevice), "to the device");
  }
  ~Arrays() {
    cudaFree(x);
    cudaFree(y);
  }
  size_t bytes() const { return host.size() * sizeof(float); }
  bool same(bool reversed = false) {
    check(cudaMemcpy(result.data(), y, bytes(), cudaMemcpyDeviceToHost), "from the device");
    return reversed ? std::equal(host.rbegin(), host.rend(), result.begin()) : host == result;
  }
};

using PlainKernel = void (*)(const float*, float*, bool);

bool plain_case(PlainKernel kernel, bool reversed = false) {
  Arrays arrays(kThreads);
  NN_LAUNCH(kernel, 1, kThreads, 0, context, arrays.x, arrays.y, seeded);
  return arrays.same(reversed);
}

bool bound_case() {
  Arrays arrays(kThreads + 1);
  NN_LAUNCH(copy_kernel, 2, kThreads, 0, context, arrays.x, arrays.y, kThreads + 1, seeded);
  return arrays.same();
}

bool ring_case(bool Mistakes::* mistake) {
  Arrays arrays(32 * 7);
  Mistakes mistakes;
  mistakes.*mistake = seeded;
  NN_LAUNCH(ring_kernel, 1, 64, 0, context, arrays.x, arrays.y, 7, mistakes);
  return arrays.same();
}

// The host must not touch the device's memory: this crashes.
bool host_case() {
  const Arrays arrays(1);
  return !seeded || *static_cast<volatile float*>(arrays.x) == 1.0f;
}

// A second stream reads what the first one writes, after its event or, wrongly, at once.
bool stream_case() {
  cuda_on_cpu::options.late_streams = true;
  Arrays arrays(kThreads);
  cudaStream_t first, second;
  cudaEvent_t event;
  check(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking), "stream");
  check(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), "stream");
  check(cudaEventCreate(&event), "event");
  const LaunchContext on_first = {1, first};
  NN_LAUNCH(copy_kernel, 1, kThreads, 0, on_first, arrays.x, arrays.y, kThreads, false);
  check(cudaEventRecord(event, first), "record");
  if (!seeded) check(cudaStreamWaitEvent(second, event), "wait");
  check(cudaMemcpyAsync(arrays.result.data(), arrays.y, arrays.bytes(), cudaMemcpyDeviceToHost, second), "copy");
  check(cudaStreamSynchronize(second), "synchronise");
  const bool right = arrays.host == arrays.result;
  check(cudaDeviceSynchronize(), "synchronise");
  cudaEventDestroy(event);
  cudaStreamDestroy(first);
  cudaStreamDestroy(second);
  cuda_on_cpu::options.late_streams = false;
  return right;
}

// A launch that the device refuses throws and leaves the device alive.
bool refused_case() {
  Arrays arrays(kThreads);
  try {
    NN_LAUNCH(copy_kernel, 1, seeded ? kThreads : 1025, 0, context, arrays.x, arrays.y, kThreads, false);
    return false;
  } catch (const std::runtime_error& error) {
    if (std::strstr(error.what(), "copy_kernel") == nullptr) return false;
  }
  NN_LAUNCH(copy_kernel, 1, kThreads, 0, context, arrays.x, arrays.y, kThreads, false);
  return arrays.same();
}

bool run_case(const std::string& name) {
  if (name == "barrier") return plain_case(reverse_kernel, true);
  if (name == "divergent") return plain_case(two_barriers_kernel);
  if (name == "exit") return plain_case(leaving_kernel);
  if (name == "uninitialised") return plain_case(uninitialised_kernel);
  if (name == "warp") return plain_case(warp_kernel);
  if (name == "atomic") return plain_case(atomic_kernel);
  if (name == "cp.async") return plain_case(copy_async_kernel);
  if (name == "bound") return bound_case();
  if (name == "phase") return ring_case(&Mistakes::wrong_phase);
  if (name == "few bytes") return ring_case(&Mistakes::few_bytes);
  if (name == "many bytes") return ring_case(&Mistakes::many_bytes);
  if (name == "release") return ring_case(&Mistakes::early_release);
  if (name == "host") return host_case();
  if (name == "stream") return stream_case();
  if (name == "refused") return refused_case();
  std::fprintf(stderr, "no case %s\n", name.c_str());
  return false;
}

}  // namespace

int main(int count, char** arguments) {
  seeded = count > 2 && std::string(arguments[2]) == "seeded";
  bool right = true;
  for (const auto order : {cuda_on_cpu::Order::forward, cuda_on_cpu::Order::reverse, cuda_on_cpu::Order::random}) {
    cuda_on_cpu::options.order = order;
    try {
      right = run_case(arguments[1]) && right;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      right = false;
    }
  }
  return right && cuda_on_cpu_report_count() == 0 ? 0 : 1;
}
