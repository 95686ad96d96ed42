// One experiment for every primitive of cuda/primitives.cuh. This file is built twice, by nvcc for the GPU and by g++
// with the primitives' CPU twins (tests/cuda_on_cpu/primitives_on_cpu.h); tests/gpu/primitives.py compares what they
// print. Tensor cores get small whole numbers, of which every sum is exact, so that the results have the same bits.
//
// primitives list: the experiments that this GPU has the instructions for, a line each.
// primitives NAME: the results of one, as hexadecimal words. One at a time, because a wrong one may fault or hang.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "cuda/half.h"
#include "cuda/kernel.cuh"
#include "cuda/primitives.cuh"
#include "cuda/tensor_map.h"

namespace nn::cuda {
namespace {

constexpr int kWords = 1 << 15;  // of the inputs and of the results, most

__device__ uint32_t bits_of(float x) { return float_bits(x); }

// ---- cp.async: two groups of copies, of which the first is complete where one is still under way

template <int kBytes>
__global__ void copy_async_kernel(const uint32_t* in, uint32_t* out) {
  NN_SHARED(uint4, first, [64]);
  NN_SHARED(uint4, second, [64]);
  auto* const a = reinterpret_cast<unsigned char*>(first);
  auto* const b = reinterpret_cast<unsigned char*>(second);
  const auto* const from = reinterpret_cast<const unsigned char*>(in);
  const int t = threadIdx.x, unit = kBytes >= 8 ? 2 : kBytes;  // every count of bytes that kernels ask for
  for (int i = t; i < 64 * kBytes; i += 64) a[i] = b[i] = 0xEE;
  __syncthreads();
  copy_async<kBytes>(a + t * kBytes, from + t * kBytes, t % (kBytes / unit + 1) * unit);
  copy_async_commit();
  copy_async<kBytes>(b + t * kBytes, from + (63 - t) * kBytes, kBytes);
  copy_async_commit();
  copy_async_wait<1>();
  __syncthreads();
  for (int i = t; i < 64 * kBytes; i += 64) out[i] = a[i];
  copy_async_wait<0>();
  __syncthreads();
  for (int i = t; i < 64 * kBytes; i += 64) out[64 * kBytes + i] = b[i];
}

// ---- ldmatrix, by addresses in an order of no regularity

template <bool kTrans>
__global__ void ldmatrix_kernel(const uint32_t* in, uint32_t* out) {
  NN_SHARED(uint4, rows, [32]);
  const int lane = threadIdx.x;
  rows[lane] = reinterpret_cast<const uint4*>(in)[lane];
  __syncthreads();
  uint32_t r[4];
  if (kTrans)
    ldmatrix_x4_trans(r, &rows[lane * 13 % 32]);
  else
    ldmatrix_x4(r, &rows[lane * 13 % 32]);
  for (int i = 0; i < 4; ++i) out[lane * 4 + i] = r[i];
}

__global__ void float16_kernel(const uint32_t* in, uint32_t* out) {
  const uint32_t word = in[threadIdx.x];
  out[2 * threadIdx.x] = to_float16(bits_float(word)) | uint32_t{to_bfloat16(bits_float(word))} << 16;
  out[2 * threadIdx.x + 1] = bits_of(from_float16(static_cast<uint16_t>(word)));
}

__global__ void to_tf32_kernel(const uint32_t* in, uint32_t* out) {
  out[threadIdx.x] = to_tf32(bits_float(in[threadIdx.x]));
}

// ---- mma.sync: each lane its registers as they come; sums that go on

template <class T>
__global__ void mma_kernel(const uint32_t* in, uint32_t* out) {
  const int lane = threadIdx.x;
  uint32_t a[4], b[2];
  float d[4];
  for (int i = 0; i < 4; ++i) a[i] = in[lane * 4 + i], d[i] = static_cast<float>(lane * 4 + i);
  for (int i = 0; i < 2; ++i) b[i] = in[128 + lane * 2 + i];
  for (int round = 0; round < 2; ++round) {
    if constexpr (sizeof(T) == 4)
      mma_tf32(d, a, b);
    else if constexpr (std::is_same_v<T, bfloat16>)
      mma_bf16(d, a, b);
    else
      mma_f16(d, a, b);
  }
  for (int i = 0; i < 4; ++i) out[lane * 4 + i] = bits_of(d[i]);
}

// ---- what compute capability 9.0 has: the first warp writes, the second reads, through two places and four rounds

__global__ void mbarrier_kernel(const uint32_t* in, uint32_t* out) {
#ifdef NN_HAS_WGMMA
  NN_SHARED(uint32_t, place, [2][32]);
  NN_SHARED(uint64_t, full, [2]);
  NN_SHARED(uint64_t, empty, [2]);
  const int lane = threadIdx.x % 32;
  if (threadIdx.x == 0) {
    for (int i = 0; i < 2; ++i) mbarrier_init(&full[i], 32), mbarrier_init(&empty[i], 32);
    fence_mbarrier_init();
  }
  __syncthreads();
  for (int step = 0; step < 8; ++step) {
    const int i = step % 2;
    const uint32_t parity = step / 2 % 2;
    if (threadIdx.x < 32) {
      mbarrier_wait(&empty[i], parity ^ 1);
      place[i][lane] = in[step * 32 + lane];
      mbarrier_arrive(&full[i]);
    } else {
      mbarrier_wait(&full[i], parity);
      out[step * 32 + lane] = place[i][lane ^ 5];
      mbarrier_arrive(&empty[i]);
    }
  }
#endif
}

// ---- TMA: boxes at the corners of a matrix and beyond them, as they arrive in shared memory

constexpr int kBoxRows = 24;

__global__ void tma_kernel(const __grid_constant__ TensorMap map, int columns, uint32_t* out) {
#ifdef NN_HAS_WGMMA
  constexpr int kBytes = kBoxRows * 128, kPlaces[4][2] = {{0, 0}, {1, 3}, {-1, -2}, {2, 2}};
  NN_SHARED_DYNAMIC(uint32_t, box);
  uint64_t* const barrier = reinterpret_cast<uint64_t*>(box + kBytes / 4);
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
    tma_prefetch(&map);
  }
  __syncthreads();
  for (int i = 0; i < 4; ++i) {
    if (threadIdx.x == 0) {
      mbarrier_arrive_expect_tx(barrier, kBytes);
      tma_load_2d(box, &map, barrier, kPlaces[i][0] * columns, kPlaces[i][1] * 5);
    }
    mbarrier_wait(barrier, static_cast<uint32_t>(i % 2));
    for (int w = threadIdx.x; w < kBytes / 4; w += blockDim.x) out[i * kBytes / 4 + w] = box[w];
    __syncthreads();
  }
#endif
}

// ---- wgmma, with operands that the TMA brought; two groups under way at one time

#ifdef NN_HAS_WGMMA
template <class T, int kCount>
__device__ void multiply(float (&d)[kCount], uint64_t a, uint64_t b, bool accumulate) {
  if constexpr (sizeof(T) == 4)
    wgmma_tf32(d, a, b, accumulate);
  else if constexpr (std::is_same_v<T, bfloat16>)
    wgmma_bf16(d, a, b, accumulate);
  else
    wgmma_f16(d, a, b, accumulate);
}
#endif

template <class T, int kN>
__global__ void __launch_bounds__(128)
    wgmma_kernel(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, uint32_t* out) {
#ifdef NN_HAS_WGMMA
  NN_SHARED_DYNAMIC(unsigned char, slabs);
  uint64_t* const barrier = reinterpret_cast<uint64_t*>(slabs + (64 + kN) * 128);
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect_tx(barrier, (64 + kN) * 128);
    tma_load_2d(slabs, &a, barrier, 0, 0);
    tma_load_2d(slabs + 64 * 128, &b, barrier, 0, 0);
  }
  mbarrier_wait(barrier, 0);
  const uint64_t x = wgmma_descriptor(shared_address(slabs));
  const uint64_t y = wgmma_descriptor(shared_address(slabs + 64 * 128));
  float d[kN / 2];
  wgmma_fence();
  multiply<T>(d, x, y, false);
  multiply<T>(d, x + 2, y + 2, true);
  wgmma_commit();
  multiply<T>(d, x + 4, y + 4, true);
  multiply<T>(d, x + 6, y + 6, true);
  wgmma_commit();
  wgmma_wait<1>();
  wgmma_wait<0>();
  wgmma_touch(d);
  for (int i = 0; i < kN / 2; ++i) out[i * 128 + threadIdx.x] = bits_of(d[i]);
#endif
}

__global__ void __launch_bounds__(384, 1) setmaxnreg_kernel(const uint32_t* in, uint32_t* out) {
#ifdef NN_HAS_WGMMA
  if (threadIdx.x < 128)
    setmaxnreg_dec<40>();
  else
    setmaxnreg_inc<232>();
  out[threadIdx.x] = in[threadIdx.x] * 3 + threadIdx.x;
#endif
}

// ---- the host's side

uint32_t seed = 12345;
uint32_t random_word() { return seed = seed * 1664525u + 1013904223u, seed >> 8 ^ seed << 16; }
float small_number() { return static_cast<float>(static_cast<int>(random_word() % 15) - 7); }

// Words full of small numbers of type T. TF32 is read without its last 13 bits: they hold anything.
template <class T>
std::vector<uint32_t> numbers(size_t words) {
  std::vector<uint32_t> result(words);
  for (uint32_t& word : result) {
    if constexpr (sizeof(T) == 4) {
      word = float_bits(small_number()) | (random_word() & 0x1FFF);
    } else {
      const T low(small_number()), high(small_number());
      word = low.bits | static_cast<uint32_t>(high.bits) << 16;
    }
  }
  return result;
}

std::vector<uint32_t> random_words(size_t count) {
  std::vector<uint32_t> result(count);
  for (uint32_t& word : result) word = random_word();
  return result;
}

struct Device {
  uint32_t *in = nullptr, *out = nullptr;

  explicit Device(const std::vector<uint32_t>& values) {
    check(cudaMalloc(&in, kWords * 4), "memory");
    check(cudaMalloc(&out, kWords * 4), "memory");
    check(cudaMemset(out, 0xEE, kWords * 4), "memory");
    check(cudaMemcpy(in, values.data(), values.size() * 4, cudaMemcpyHostToDevice), "copying");
  }
  void print(size_t words) const {
    check(cudaDeviceSynchronize(), "the experiment");
    std::vector<uint32_t> result(words);
    check(cudaMemcpy(result.data(), out, words * 4, cudaMemcpyDeviceToHost), "copying");
    for (uint32_t word : result) printf("%08x\n", word);
  }
};

const LaunchContext kContext{1, nullptr};

template <int kBytes>
void copy_async_experiment() {
  const Device device(random_words(64 * 4));
  NN_LAUNCH(copy_async_kernel<kBytes>, 1, 64, 0, kContext, device.in, device.out);
  device.print(2 * 64 * kBytes);
}

template <bool kTrans>
void ldmatrix_experiment() {
  const Device device(random_words(128));
  NN_LAUNCH(ldmatrix_kernel<kTrans>, 1, 32, 0, kContext, device.in, device.out);
  device.print(128);
}

// Ties and their neighbours, at every exponent on the way from below the smallest subnormal number to infinity; the
// lower half of each word is a number of 16 bits for the way back, of which none is NaN.
void float16_experiment() {
  std::vector<uint32_t> values;
  for (uint32_t sign : {0u, 0x80000000u})
    for (uint32_t exponent : {1u, 101u, 102u, 103u, 108u, 112u, 113u, 127u, 141u, 142u, 143u, 253u})
      for (uint32_t low : {0u, 1u, 0xFFFu, 0x1000u, 0x1001u, 0x2FFFu, 0x3000u, 0x3001u, 0x400000u, 0x7FF000u})
        values.push_back(sign | exponent << 23 | low);
  for (uint32_t special : {0u, 0x80000000u, 0x7F800000u, 0xFF800000u}) values.push_back(special);
  const Device device(values);
  NN_LAUNCH(float16_kernel, 1, static_cast<unsigned>(values.size()), 0, kContext, device.in, device.out);
  device.print(2 * values.size());
}

void to_tf32_experiment() {
  std::vector<uint32_t> values;
  for (uint32_t sign : {0u, 0x80000000u})
    for (uint32_t exponent : {1u, 100u, 127u, 200u, 253u})
      for (uint32_t low : {0u, 1u, 0xFFFu, 0x1000u, 0x1001u, 0x1FFFu, 0x2FFFu, 0x3000u, 0x7FFFFFu})
        values.push_back(sign | exponent << 23 | low);
  for (uint32_t special : {0u, 0x80000000u, 0x7F800000u, 0xFF800000u}) values.push_back(special);
  const Device device(values);
  NN_LAUNCH(to_tf32_kernel, 1, static_cast<unsigned>(values.size()), 0, kContext, device.in, device.out);
  device.print(values.size());
}

template <class T>
void mma_experiment() {
  const Device device(numbers<T>(192));
  NN_LAUNCH(mma_kernel<T>, 1, 32, 0, kContext, device.in, device.out);
  device.print(128);
}

void mbarrier_experiment() {
  const Device device(random_words(256));
  NN_LAUNCH(mbarrier_kernel, 1, 64, 0, kContext, device.in, device.out);
  device.print(256);
}

// A matrix whose last column and row end inside a box.
template <int kElementBytes>
void tma_experiment() {
  constexpr int kRows = 29, kPitch = 208, kCols = kPitch / kElementBytes - 3;
  const Device device(random_words(kRows * kPitch / 4));
  const TensorMap map = make_tensor_map({device.in, kElementBytes, kRows, kCols, kPitch, kBoxRows});
  NN_LAUNCH(tma_kernel, 1, 128, kBoxRows * 128 + 8, kContext, map, 32 / kElementBytes, device.out);
  device.print(4 * kBoxRows * 32);
}

template <class T, int kN>
void wgmma_experiment() {
  constexpr int kBytes = (64 + kN) * 128;
  const Device device(numbers<T>(kBytes / 4));
  constexpr int kSize = sizeof(T);
  const TensorMap a = make_tensor_map({device.in, kSize, 64, 128 / kSize, 128, 64});
  const TensorMap b = make_tensor_map({device.in + 64 * 32, kSize, kN, 128 / kSize, 128, kN});
  allow_shared(wgmma_kernel<T, kN>, kBytes + 8);
  NN_LAUNCH((wgmma_kernel<T, kN>), 1, 128, kBytes + 8, kContext, a, b, device.out);
  device.print(64 * kN);
}

void setmaxnreg_experiment() {
  const Device device(random_words(384));
  NN_LAUNCH(setmaxnreg_kernel, 1, 384, 0, kContext, device.in, device.out);
  device.print(384);
}

struct Experiment {
  const char* name;
  int from, to;  // compute capabilities
  void (*run)();
};

const Experiment kExperiments[] = {
    {"copy_async_1", 0, 999, copy_async_experiment<1>},
    {"copy_async_2", 0, 999, copy_async_experiment<2>},
    {"copy_async_4", 0, 999, copy_async_experiment<4>},
    {"copy_async_8", 0, 999, copy_async_experiment<8>},
    {"copy_async_16", 0, 999, copy_async_experiment<16>},
    {"ldmatrix_x4", 75, 999, ldmatrix_experiment<false>},
    {"ldmatrix_x4_trans", 75, 999, ldmatrix_experiment<true>},
    {"float16", 0, 999, float16_experiment},
    {"to_tf32", 80, 999, to_tf32_experiment},
    {"mma_tf32", 80, 999, mma_experiment<float>},
    {"mma_bf16", 80, 999, mma_experiment<bfloat16>},
    {"mma_f16", 80, 999, mma_experiment<float16>},
    {"mbarrier", 90, 90, mbarrier_experiment},
    {"tma_16_bits", 90, 90, tma_experiment<2>},
    {"tma_32_bits", 90, 90, tma_experiment<4>},
    {"wgmma_tf32_128", 90, 90, wgmma_experiment<float, 128>},
    {"wgmma_tf32_256", 90, 90, wgmma_experiment<float, 256>},
    {"wgmma_bf16_128", 90, 90, wgmma_experiment<bfloat16, 128>},
    {"wgmma_bf16_256", 90, 90, wgmma_experiment<bfloat16, 256>},
    {"wgmma_f16_128", 90, 90, wgmma_experiment<float16, 128>},
    {"wgmma_f16_256", 90, 90, wgmma_experiment<float16, 256>},
    {"setmaxnreg", 90, 90, setmaxnreg_experiment},
};

int capability() {
  int major = 0, minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "asking for the device");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "asking for the device");
  return major * 10 + minor;
}

}  // namespace
}  // namespace nn::cuda

int main(int count, char** arguments) {
  using namespace nn::cuda;
  const std::string wanted = count > 1 ? arguments[1] : "list";
  try {
    const int here = capability();
    for (const Experiment& e : kExperiments) {
      if (here < e.from || here > e.to) continue;
      if (wanted == "list") printf("%s\n", e.name);
      if (wanted == e.name) return e.run(), 0;
    }
  } catch (const std::exception& error) {
    fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return wanted == "list" ? 0 : 2;
}
