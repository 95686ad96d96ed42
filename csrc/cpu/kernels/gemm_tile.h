// The register tile: the one inner loop that matrix multiplication and convolution spend their time in.
//
// A tile is a block of C, at most MR rows by NR columns, held whole in vector registers while k runs: each step loads
// NR elements of B (two vectors), repeats one element of A at a time across a vector, and multiplies and adds. The
// 2 MR accumulators hide the latency of the multiply-add (4 cycles, two a cycle), and each loaded element is used MR or
// NR times, so that the bound is the multiply-add unit and not the load ports. The last vector of a row is masked: no
// element outside the tile is read or written.
//
// A and B may lie anywhere: packed (see gemm_pack.h) or in the caller's array. Only B's columns must be adjacent.
#pragma once

#include <cstdint>

#include "cpu/simd/simd.h"

namespace nn::NN_ISA {

// 14 x 2 accumulators, two vectors of B and one of A fill the 32 registers of AVX-512; 6 x 2 fill the 16 of AVX2.
// Without a fused multiply-add the product needs a register of its own: 4 x 2.
template <class T>
struct TileSize {
  static constexpr int W = Vec<T>::size;
#if defined(__AVX512F__)
  static constexpr int MR = 14;
#elif defined(__FMA__)
  static constexpr int MR = 6;
#else
  static constexpr int MR = 4;
#endif
  static constexpr int NR = 2 * W;
};

// C[i, j] = end(sum_k A[i, k] * B[k, j]) for i < rows, j < cols, with
//   A[i, k] = a[i * a_row + k * a_col],  B[k, j] = b[k * b_row + j],  C[i, j] = c[i * c_row + j],
//   end(s)  = relu(s (+ C[i, j] if accumulate) (+ row_bias[i]) (+ col_bias[j])), each part only where asked for.
// 1 <= rows <= MR, 1 <= cols <= NR, K >= 0. Each element is one chain of multiply-adds in the order of k, whatever the
// tile's size: cutting C into other tiles does not change a bit. C overlaps neither A nor B.
// Packed panels: A with a_row = 1, a_col = MR; B with b_row = NR.
template <class T>
struct Tile {
  int rows, cols;
  int64_t K;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  bool accumulate, relu;
  const T *row_bias, *col_bias;  // null, or rows and cols elements
};

template <class T>
void run_tile(const Tile<T>& tile);

extern template void run_tile(const Tile<float>&);
extern template void run_tile(const Tile<double>&);

}  // namespace nn::NN_ISA
