// The ring of slabs of gemm_sm90.cu in shared memory, and which slabs go through it, step by step.
#pragma once

#include "cuda/mma_index.h"

namespace nn::cuda {

inline constexpr int kRingM = 128;        // rows of a tile; its columns are the parameter kN
inline constexpr int kRingThreads = 384;  // a warpgroup that copies, and two that multiply,
inline constexpr int kRingWarps = 8;      // of so many warps
inline constexpr int kRingRow = 128;      // bytes of a slab along K

template <int kN>
struct alignas(1024) Ring {
  static constexpr int kStages = kN == 256 ? 4 : 6;
  static constexpr uint32_t kBytes = (kRingM + kN) * kRingRow;  // of one place

  unsigned char a[kStages][kRingM * kRingRow];
  unsigned char b[kStages][kN * kRingRow];
  float stage[kRingWarps][16 * 40];  // where each warp's sums pass on their way to C (gemm_epilogue.cuh)
  uint64_t full[kStages], empty[kStages];
};
static_assert(sizeof(Ring<256>) <= 227 << 10 && sizeof(Ring<128>) <= 227 << 10);

// Where in the ring one is, and the parity of the round.
template <int kStages>
struct RingPlace {
  int stage = 0;
  uint32_t parity = 0;

  NN_INDEX void next() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
};

// The steps of a tile. Plain: one for each slab.
struct PlainSteps {
  static constexpr bool kPromotes = false;
  NN_INDEX static int64_t count(int64_t slabs) { return slabs; }
  NN_INDEX static int slab(int step) { return step; }
  NN_INDEX static int plane_a(int) { return 0; }
  NN_INDEX static int plane_b(int) { return 0; }
  NN_INDEX static bool begins(int step) { return step == 0; }  // a sum
};

// Six products of planes for every two slabs, 128 of K, the smallest first; after them the sums are moved.
struct SixPlaneSteps {
  static constexpr bool kPromotes = true;
  NN_INDEX static int64_t count(int64_t slabs) { return (slabs + 1) / 2 * 12; }
  NN_INDEX static int slab(int step) { return step / 12 * 2 + step % 2; }
  NN_INDEX static int plane_a(int step) { return 0x001012 >> (step % 12 / 2 * 4) & 15; }
  NN_INDEX static int plane_b(int step) { return 0x010210 >> (step % 12 / 2 * 4) & 15; }
  NN_INDEX static bool begins(int step) { return step % 12 == 0; }
};

}  // namespace nn::cuda
