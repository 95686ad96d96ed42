// Matrix multiplication, C = activation(A B + bias), after Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication" (2008), and BLIS.
//
// The idea: M N K multiply-adds on M K + K N + M N elements, so each element loaded must be used many times, at every
// level of the memory. A tile of C stays in registers while k runs (gemm_tile.h). B is cut into blocks of KC rows and
// packed into panels as wide as a tile; a panel is used by all the rows of A before the next is touched. A is cut into
// blocks of MC x KC that stay in the second-level cache while every panel of B passes. Where an operand is small, or
// used by few tiles, packing would cost more than it saves, and the tile reads the caller's array. Threads get
// rectangles of C of their own and share nothing, so that there is nothing to wait for. The cut of K depends on K
// alone: the same bits for any number of threads. The bound is the multiply-add unit for squares from about 100 on, the
// memory for skinny shapes.
#include "core/kernels/gemm.h"

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/gemm_block.h"

namespace nn::NN_ISA {
namespace {

// The grid of rectangles into which C is cut for threads: the one with the least to pack.
template <class T>
void choose_grid(int64_t M, int64_t N, const Blocking& x, int64_t cells, int64_t& gm, int64_t& gn) {
  constexpr int NR = TileSize<T>::NR;
  int64_t best = -1;
  gm = gn = 1;
  for (int64_t m = 1; m <= cells; ++m) {
    if (cells % m) continue;
    const int64_t n = cells / m, rows = ceil_div(M, m), cols = ceil_div(ceil_div(N, NR), n) * NR;
    const int64_t cost = rows * cols + (x.pack_a ? 32 : 8) * rows + (x.pack_b ? 32 : 8) * cols;
    if (best < 0 || cost < best) best = cost, gm = m, gn = n;
  }
}

// The products of one launch: the first one, and where the others lie.
template <class T>
struct Batch {
  Product<T> first;
  int64_t count;
  int ndim;
  const int64_t *shape, *a_stride, *b_stride, *c_stride;

  Product<T> at(int64_t i) const {
    Product<T> p = first;
    for (int d = ndim - 1; d >= 0; --d) {
      const int64_t index = i % shape[d];
      i /= shape[d];
      p.a += index * a_stride[d];
      p.b += index * b_stride[d];
      p.c += index * c_stride[d];
    }
    return p;
  }
};

template <class T>
void run_batch(const Batch<T>& batch, const LaunchContext& ctx) {
  constexpr int NR = TileSize<T>::NR;
  constexpr int64_t kThreadWork = 1 << 17;  // multiply-adds that are worth a thread
  const Product<T>& p = batch.first;
  const Blocking x = choose_blocking(p);
  const double work = static_cast<double>(p.M) * p.N * (p.K + 1) * batch.count;
  int64_t threads = ctx.threads;
  if (work < kThreadWork * static_cast<double>(threads)) threads = 1 + static_cast<int64_t>(work / kThreadWork);
  int64_t gm = 1, gn = 1;
  if (batch.count % threads != 0 && batch.count < 8 * threads) choose_grid<T>(p.M, p.N, x, threads, gm, gn);
  const int64_t cells = batch.count * gm * gn;
  parallel_for(ctx, cells, ceil_div(cells, threads), [&](int64_t begin, int64_t end) {
    for (int64_t cell = begin; cell < end; ++cell) {
      const int64_t i = cell / (gm * gn), m = cell / gn % gm, n = cell % gn;
      const int64_t panels = ceil_div(p.N, NR);
      const Product<T> part = batch.at(i).block(p.M * m / gm, p.M * (m + 1) / gm, min(p.N, panels * n / gn * NR),
                                                min(p.N, panels * (n + 1) / gn * NR));
      const int64_t size = packed_a_size<T>(x, part.M) + packed_b_size<T>(x, part.N);
      const Scratch scratch(static_cast<size_t>(size) * sizeof(T));
      BlockedProduct<T>(part, x, static_cast<T*>(scratch.data)).run();
    }
  });
}

// C = A B is C^T = B^T A^T.
template <class T>
Batch<T> transposed(Batch<T> x, int64_t c_col) {
  const Product<T> p = x.first;
  x.first = {p.N,     p.M, p.K,   p.b,        p.b_col,    p.b_row, p.a,         p.a_col,
             p.a_row, p.c, c_col, p.col_bias, p.row_bias, p.relu,  p.accumulate};
  const int64_t* const a_stride = x.a_stride;
  x.a_stride = x.b_stride, x.b_stride = a_stride;
  return x;
}

// Where neither the rows nor the columns of C are adjacent: one product at a time, by way of a matrix that is packed.
template <class T>
void run_scattered(const Batch<T>& x, int64_t c_col, const LaunchContext& ctx) {
  const int64_t M = x.first.M, N = x.first.N;
  const Scratch scratch(static_cast<size_t>(M * N) * sizeof(T));
  T* const packed = static_cast<T*>(scratch.data);
  for (int64_t i = 0; i < x.count; ++i) {
    Product<T> p = x.at(i);
    T* const c = p.c;
    const int64_t c_row = p.c_row;
    p.c = packed, p.c_row = N;
    for (int64_t e = 0; p.accumulate && e < M * N; ++e) packed[e] = c[e / N * c_row + e % N * c_col];
    run_batch(Batch<T>{p, 1, 0, nullptr, nullptr, nullptr, nullptr}, ctx);
    for (int64_t e = 0; e < M * N; ++e) c[e / N * c_row + e % N * c_col] = packed[e];
  }
}

template <class T>
void gemm_typed(const GemmArgs& args, const LaunchContext& ctx) {
  int64_t count = 1;
  for (int d = 0; d < args.batch_ndim; ++d) count *= args.batch_shape[d];
  if (args.M <= 0 || args.N <= 0 || count <= 0) return;
  const T* bias = static_cast<const T*>(args.bias);
  const bool copied = bias && args.bias_stride != 1;
  const Scratch scratch(copied ? static_cast<size_t>(args.N) * sizeof(T) : 0);
  if (copied) {
    T* const to = static_cast<T*>(scratch.data);
    for (int64_t n = 0; n < args.N; ++n) to[n] = bias[n * args.bias_stride];
    bias = to;
  }
  const Product<T> p{args.M,
                     args.N,
                     args.K,
                     static_cast<const T*>(args.a),
                     args.a_row,
                     args.a_col,
                     static_cast<const T*>(args.b),
                     args.b_row,
                     args.b_col,
                     static_cast<T*>(args.c),
                     args.c_row,
                     nullptr,
                     bias,
                     args.activation == Activation::relu,
                     args.accumulate};
  const Batch<T> x{p, count, args.batch_ndim, args.batch_shape, args.a_batch, args.b_batch, args.c_batch};
  if (args.c_col == 1 || p.N == 1) {
    run_batch(x, ctx);
  } else if (args.c_row == 1 || p.M == 1) {
    run_batch(transposed(x, args.c_col), ctx);
  } else {
    run_scattered(x, args.c_col, ctx);
  }
}

void gemm(const GemmArgs& args, const LaunchContext& ctx) {
  if (args.dtype == DType::float32) {
    gemm_typed<float>(args, ctx);
  } else {
    gemm_typed<double>(args, ctx);
  }
}

}  // namespace

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels = {{"gemm", gemm}};

}  // namespace nn::NN_ISA
