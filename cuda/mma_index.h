// Where the tensor cores' instructions expect their operands: fragments of mma.sync and wgmma, the swizzles of shared
// memory, and the descriptors of wgmma. Facts from the PTX manual; integers only, checked on the host by
// tests/cuda_on_cpu/gemm_index_test.cpp.
#pragma once

#include "cuda/gemm_index.h"

namespace nn::cuda {

struct Place {
  int row, col;
};

// mma.sync on 16 x kDepth times kDepth x 8, where a register holds `per` elements (2 of 16 bits, or 1 of 32) and kDepth
// is 8 per: the element number `e` < per of register `r` of a lane. A: [m, k], registers 0-3. B: [n, k], registers 0-1.
NN_INDEX Place mma_a_place(int lane, int r, int e, int per) {
  return {lane / 4 + r % 2 * 8, (lane % 4 + r / 2 * 4) * per + e};
}
NN_INDEX Place mma_b_place(int lane, int r, int e, int per) { return {lane / 4, (lane % 4 + r * 4) * per + e}; }
// The sums, 16 x 8: registers 0-3.
NN_INDEX Place mma_c_place(int lane, int r) { return {lane / 4 + r / 2 * 8, lane % 4 * 2 + r % 2}; }

// wgmma on 64 x N: sum number r < N / 2 of thread `t` < 128 of a warpgroup.
NN_INDEX Place wgmma_c_place(int t, int r) {
  const Place c = mma_c_place(t % 32, r % 4);
  return {t / 32 * 16 + c.row, r / 4 * 8 + c.col};
}

// Slabs of the mma.sync kernel in shared memory, in bytes. They are written in pieces of 16 bytes and read by ldmatrix,
// eight rows of 16 bytes at a time; the order of the pieces in a row is such that neither meets a bank twice.
// Rows of 64 bytes along k, one for each m (or n):
NN_INDEX int swizzle64(int row, int byte) { return row * 64 + (((byte / 16) ^ (row / 2 % 4)) * 16 + byte % 16); }
// Rows of `pitch` bytes, a multiple of 128, along m (or n), one for each k:
NN_INDEX int swizzle_pitch(int row, int byte, int pitch) {
  return row * pitch + (((byte / 16) ^ (row % 8)) * 16 + byte % 16);
}
// The same for elements of 32 bits, which no instruction transposes: they are read one by one, in their order, and 32
// bytes more in a row keep the four k and eight m of a fragment apart.
NN_INDEX int padded_pitch(int extent) { return extent * 4 + 32; }

// Which row of 16 bytes lane `lane` names to ldmatrix_x4, so that its registers are those of the fragments. `unit` is
// the first matrix' place: (m, bytes along k) for rows along k, (k, bytes along m) for rows along m and .trans.
// A, 16 rows: matrices in the order (m, k), (m + 8, k), (m, k + 8), (m + 8, k + 8).
NN_INDEX Place ldmatrix_a(int lane) { return {lane % 16, lane / 16 * 16}; }
NN_INDEX Place ldmatrix_a_trans(int lane) { return {lane / 16 * 8 + lane % 8, lane / 8 % 2 * 16}; }
// B, two tiles of 8 columns: (n, k), (n, k + 8), (n + 8, k), (n + 8, k + 8).
NN_INDEX Place ldmatrix_b(int lane) { return {lane / 16 * 8 + lane % 8, lane / 8 % 2 * 16}; }
NN_INDEX Place ldmatrix_b_trans(int lane) { return {lane % 16, lane / 16 * 16}; }

// The 128-byte swizzle of TMA and wgmma: rows of 128 bytes, in groups of 8 rows that begin at multiples of 1024.
NN_INDEX int swizzle128(int row, int byte) { return swizzle_pitch(row, byte, 128); }

// wgmma's descriptor of an operand with k adjacent, in rows of 128 bytes under that swizzle: its address in shared
// memory over 16 in bits 0-13; the leading dimension's offset, which this layout does not use, in 16-29; 1024, the
// distance of a group of 8 rows to the next, over 16 in 32-45; and the swizzle's code in 62-63. To go on along k inside
// a row of 128 bytes, add the bytes over 16.
NN_INDEX uint64_t wgmma_descriptor(uint32_t shared_address) {
  return uint64_t{(shared_address & 0x3FFFF) >> 4} | uint64_t{1} << 16 | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}

}  // namespace nn::cuda
