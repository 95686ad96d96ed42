// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011): ten rounds turn a
// counter of four words and a key of two into four random words. There is no state to carry from number to number, so
// any thread, on any device, can make any of them.
//
// A call of a random operation has a seed, the key, and an offset, its number since the generator was seeded. Block b
// of the call is philox(counter = {b low, b high, offset low, offset high}, key = {seed low, seed high}). Elements come
// in groups of 16 blocks, so that vectors of any width make them side by side; with i the number of an element:
//   32-bit words   group g = i / 64, e = i % 64: word e / 16 of block 16 g + e % 16
//   64-bit words   group g = i / 32, e = i % 32: words 2 h (low) and 2 h + 1 (high) of block 16 g + e % 16, h = e / 16
#pragma once

#include <cstdint>

#include "math/config.h"

namespace nn::NN_ISA {

inline constexpr int kPhiloxBlocks = 16;  // of one group

// word[w][b]: word w of the b-th of some blocks that follow each other.
template <int blocks>
struct PhiloxWords {
  uint32_t word[4][blocks];
};
using PhiloxGroup = PhiloxWords<kPhiloxBlocks>;

// The ten rounds for every block from `first` on.
template <int blocks>
NN_FN void philox(uint64_t first, uint64_t offset, uint64_t seed, PhiloxWords<blocks>& out) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  uint32_t (&c)[4][blocks] = out.word;
  for (int b = 0; b < blocks; ++b) {
    const uint64_t block = first + static_cast<uint64_t>(b);
    c[0][b] = static_cast<uint32_t>(block);
    c[1][b] = static_cast<uint32_t>(block >> 32);
    c[2][b] = static_cast<uint32_t>(offset);
    c[3][b] = static_cast<uint32_t>(offset >> 32);
  }
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round, key0 += kWeyl0, key1 += kWeyl1) {
    for (int b = 0; b < blocks; ++b) {
      const uint64_t p0 = kMultiplier0 * c[0][b], p1 = kMultiplier1 * c[2][b];
      c[0][b] = static_cast<uint32_t>(p1 >> 32) ^ c[1][b] ^ key0;
      c[2][b] = static_cast<uint32_t>(p0 >> 32) ^ c[3][b] ^ key1;
      c[1][b] = static_cast<uint32_t>(p1);
      c[3][b] = static_cast<uint32_t>(p0);
    }
  }
}

// 64-bit word h of block b.
template <int blocks>
NN_FN uint64_t wide_word(const PhiloxWords<blocks>& g, int h, int b) {
  return g.word[2 * h][b] | static_cast<uint64_t>(g.word[2 * h + 1][b]) << 32;
}

// Uniform in [0, 1): every multiple of 2^-24 (2^-53) is equally likely.
NN_FN float unit_float(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
NN_FN double unit_double(uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

}  // namespace nn::NN_ISA
