// The functions of cuda/primitives.cuh on a CPU, in the emulation of tests/cuda_on_cpu: what the PTX manual says that
// each instruction does. The fragments' layouts are those of cuda/mma_index.h, which gemm_index_test.cpp compares with
// the manual's; so a kernel that reads them wrongly is wrong here too.
#pragma once

#include <cmath>

#include "cuda/half.h"
#include "emulation/async.h"
#include "emulation/device.h"
#include "emulation/report.h"

#define NN_PRIMITIVE inline
#define NN_HAS_WGMMA 1

namespace nn::cuda {

using TensorMap = cuda_on_cpu::TensorMap;

NN_PRIMITIVE uint32_t shared_address(const void* p) { return cuda_on_cpu::shared_address(p); }

// ---- cp.async

template <int kBytes>
NN_PRIMITIVE void copy_async(void* shared, const void* global, int valid) {
  if constexpr (kBytes >= 4) {
    cuda_on_cpu::copy_async(shared, global, kBytes, valid);
  } else {
    unsigned char bytes[kBytes] = {};
    memcpy(bytes, global, static_cast<size_t>(valid));
    for (int i = 0; i < kBytes; ++i) static_cast<unsigned char*>(shared)[i] = bytes[i];
  }
}
NN_PRIMITIVE void copy_async_commit() { cuda_on_cpu::copy_async_commit(); }
template <int kGroups>
NN_PRIMITIVE void copy_async_wait() {
  cuda_on_cpu::copy_async_wait(kGroups);
}

// ---- mma.sync: the lanes of a warp meet and look at each other's registers

namespace on_cpu {

// What each lane of the warp brings.
template <class T>
struct Lanes {
  const cuda_on_cpu::WarpSlot* slots;
  T of(int lane) const {
    T value;
    memcpy(&value, slots[lane].bytes, sizeof value);
    return value;
  }
};

template <class T>
Lanes<T> meet(const char* instruction, const T& mine) {
  return {cuda_on_cpu::warp_meeting(cuda_on_cpu::kFullMask, &mine, sizeof mine, instruction, CUDA_ON_CPU_SITE)};
}

using Row = const uint16_t*;

inline void ldmatrix(uint32_t (&r)[4], const void* shared, bool trans) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0) cuda_on_cpu::report("ldmatrix: the address is no multiple of 16");
  const Row mine = static_cast<Row>(shared);
  const int lane = cuda_on_cpu::lane();
  const Lanes<Row> rows = meet(trans ? "ldmatrix.trans" : "ldmatrix", mine);
  for (int i = 0; i < 4; ++i) {
    const int a = lane / 4, b = lane % 4 * 2;
    const uint32_t low = trans ? rows.of(i * 8 + b)[a] : rows.of(i * 8 + a)[b];
    const uint32_t high = trans ? rows.of(i * 8 + b + 1)[a] : rows.of(i * 8 + a)[b + 1];
    r[i] = low | high << 16;
  }
}

// Element `e` of a register, as the tensor cores read it: of TF32 they see the upper 19 bits.
inline float element(uint32_t bits, int, float) { return bits_float(bits & 0xFFFFE000); }
template <class T>
float element(uint32_t bits, int e, T x) {
  x.bits = static_cast<uint16_t>(bits >> (16 * e));
  return static_cast<float>(x);
}

// Which lane, register and part of it holds an element of A [16, k] or B [8, k].
struct Source {
  int lane, r, e;
};
template <int kPer>
struct Sources {
  Source a[16][8 * kPer], b[8][8 * kPer];

  Sources() {
    for (int lane = 0; lane < 32; ++lane)
      for (int r = 0; r < 4; ++r)
        for (int e = 0; e < kPer; ++e) {
          const Place at = mma_a_place(lane, r, e, kPer), bt = mma_b_place(lane, r % 2, e, kPer);
          a[at.row][at.col] = {lane, r, e};
          b[bt.row][bt.col] = {lane, r % 2, e};
        }
  }
};

template <class T>
void mma(const char* instruction, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  struct Registers {
    uint32_t a[4], b[2];
  };
  constexpr int kPer = 4 / sizeof(T);
  static const Sources<kPer> sources;
  const Lanes<Registers> lanes = meet(instruction, Registers{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}});
  for (int r = 0; r < 4; ++r) {
    const Place at = mma_c_place(cuda_on_cpu::lane(), r);
    for (int k = 0; k < 8 * kPer; ++k) {
      const Source x = sources.a[at.row][k], y = sources.b[at.col][k];
      d[r] += element(lanes.of(x.lane).a[x.r], x.e, T{}) * element(lanes.of(y.lane).b[y.r], y.e, T{});
    }
  }
}

}  // namespace on_cpu

NN_PRIMITIVE void ldmatrix_x4(uint32_t (&r)[4], const void* shared) { on_cpu::ldmatrix(r, shared, false); }
NN_PRIMITIVE void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared) { on_cpu::ldmatrix(r, shared, true); }

NN_PRIMITIVE uint16_t to_float16(float x) { return float16(x).bits; }
NN_PRIMITIVE uint16_t to_bfloat16(float x) { return bfloat16(x).bits; }
NN_PRIMITIVE float from_float16(uint16_t bits) {
  float16 x;
  x.bits = bits;
  return static_cast<float>(x);
}

NN_PRIMITIVE uint32_t to_tf32(float x) {
  const uint32_t bits = float_bits(x);
  return std::isfinite(x) ? (bits + 0x1000) & 0xFFFFE000 : bits;
}

NN_PRIMITIVE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  on_cpu::mma<float>("mma.m16n8k8.tf32", d, a, b);
}
NN_PRIMITIVE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  on_cpu::mma<bfloat16>("mma.m16n8k16.bf16", d, a, b);
}
NN_PRIMITIVE void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  on_cpu::mma<float16>("mma.m16n8k16.f16", d, a, b);
}

// ---- mbarrier, TMA, wgmma: emulation/async.h

NN_PRIMITIVE void mbarrier_init(uint64_t* barrier, int arrivals) {
  cuda_on_cpu::mbarrier_init(barrier, static_cast<uint32_t>(arrivals));
}
NN_PRIMITIVE void fence_mbarrier_init() {}
NN_PRIMITIVE void mbarrier_arrive(uint64_t* barrier) { cuda_on_cpu::mbarrier_arrive(barrier); }
NN_PRIMITIVE void mbarrier_arrive_expect_tx(uint64_t* barrier, uint32_t bytes) {
  cuda_on_cpu::mbarrier_expect(barrier, bytes);
  cuda_on_cpu::mbarrier_arrive(barrier);
}
NN_PRIMITIVE void mbarrier_wait(uint64_t* barrier, uint32_t parity) {
  cuda_on_cpu::mbarrier_wait(barrier, parity, CUDA_ON_CPU_SITE);
}

NN_PRIMITIVE void tma_load_2d(void* shared, const TensorMap* map, uint64_t* barrier, int x, int y) {
  cuda_on_cpu::tensor_load(shared, *map, barrier, {x, y, 0, 0, 0});
}
NN_PRIMITIVE void tma_prefetch(const TensorMap*) {}

NN_PRIMITIVE void wgmma_fence() { cuda_on_cpu::wgmma_fence(CUDA_ON_CPU_SITE); }
NN_PRIMITIVE void wgmma_commit() { cuda_on_cpu::wgmma_commit(); }
template <int kGroups>
NN_PRIMITIVE void wgmma_wait() {
  cuda_on_cpu::wgmma_wait(kGroups, CUDA_ON_CPU_SITE);
}
template <int kCount>
NN_PRIMITIVE void wgmma_touch(float (&)[kCount]) {}

#define NN_WGMMA(name, type)                                                            \
  template <int kCount>                                                                 \
  NN_PRIMITIVE void name(float (&d)[kCount], uint64_t a, uint64_t b, bool accumulate) { \
    cuda_on_cpu::wgmma({kCount * 2, cuda_on_cpu::Product::type}, d, a, b, accumulate);  \
  }
NN_WGMMA(wgmma_tf32, tf32)
NN_WGMMA(wgmma_bf16, bf16)
NN_WGMMA(wgmma_f16, f16)
#undef NN_WGMMA

template <int kRegisters>
NN_PRIMITIVE void setmaxnreg_dec() {}
template <int kRegisters>
NN_PRIMITIVE void setmaxnreg_inc() {}

}  // namespace nn::cuda
