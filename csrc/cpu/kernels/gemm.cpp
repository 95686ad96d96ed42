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
#include "cpu/kernels/gemm_pack.h"

namespace nn::NN_ISA {
namespace {

inline int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }
inline int64_t min(int64_t x, int64_t y) { return x < y ? x : y; }

// One product with the columns of C adjacent. Columns of bias are adjacent too.
template <class T>
struct Product {
  int64_t M, N, K;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  T* c;
  int64_t c_row;
  const T *row_bias, *col_bias;
  bool relu, accumulate;

  // The same for rows m0 to m1 and columns n0 to n1 of C.
  Product block(int64_t m0, int64_t m1, int64_t n0, int64_t n1) const {
    Product p = *this;
    p.M = m1 - m0, p.N = n1 - n0;
    p.a += m0 * a_row, p.b += n0 * b_col, p.c += m0 * c_row + n0;
    if (row_bias) p.row_bias += m0;
    if (col_bias) p.col_bias += n0;
    return p;
  }
};

// Extents of the blocks, in elements; which operands are packed.
struct Blocking {
  int64_t MC, NC, KC;
  bool pack_a, pack_b;
};

template <class T>
Blocking blocking(const Product<T>& p) {
  constexpr int MR = TileSize<T>::MR, NR = TileSize<T>::NR;
  constexpr int64_t kBlock = sizeof(T) == 4 ? 384 : 256;
  Blocking x;
  x.KC = p.K > 0 ? ceil_div(p.K, ceil_div(p.K, kBlock)) : 1;
  x.MC = min(p.M, 32 * MR);
  x.NC = min(p.N, 128 * NR);
  x.pack_b = p.b_col != 1 || (p.M > 4 * MR && p.K * p.N > 32768);
  x.pack_a = (p.a_col != 1 && p.a_row != 1) || (p.N > 4 * NR && p.K * p.M > 32768);
  return x;
}

// Elements of scratch that one thread needs.
template <class T>
int64_t packed_a_size(const Blocking& x) {
  return x.pack_a ? (x.MC + TileSize<T>::MR) * packed_row_length<T>(x.KC) : 0;
}
template <class T>
int64_t packed_b_size(const Blocking& x) {
  return x.pack_b ? ceil_div(x.NC, TileSize<T>::NR) * TileSize<T>::NR * x.KC : 0;
}

// All tiles of an MC x NC block of C for one block of k: `t` holds what they have in common, and the origin of A, C.
template <class T>
void run_tiles(Tile<T> t, int64_t M, int64_t N, int64_t height, int64_t a_panel, int64_t b_panel) {
  constexpr int NR = TileSize<T>::NR;
  const Tile<T> origin = t;
  for (int64_t n = 0; n < N; n += NR, t.b += b_panel) {
    t.cols = static_cast<int>(min(NR, N - n));
    t.col_bias = origin.col_bias ? origin.col_bias + n : nullptr;
    t.a = origin.a;
    for (int64_t m = 0; m < M; m += height, t.a += a_panel) {
      t.rows = static_cast<int>(min(height, M - m));
      t.c = origin.c + m * t.c_row + n;
      t.row_bias = origin.row_bias ? origin.row_bias + m : nullptr;
      run_tile(t);
    }
  }
}

// Packs M rows of A for one block of k, and tells the tiles where they find it. Returns the distance of panels.
template <class T>
int64_t pack_a_block(Tile<T>& t, T* to, int64_t M, int64_t height, const Product<T>& p) {
  constexpr int MR = TileSize<T>::MR;
  t.a_row = p.a_row, t.a_col = p.a_col;
  if (!to) return height * p.a_row;
  if (p.a_col == 1) {
    pack_rows(to, M, t.K, t.a, p.a_row);
    t.a_row = packed_row_length<T>(t.K);
  } else {
    for (int64_t m = 0; m < M; m += height) {
      pack_panel<MR>(to + m / height * MR * t.K, t.K, min(height, M - m), t.a + m * p.a_row, p.a_col, p.a_row);
    }
    t.a_row = 1, t.a_col = MR;
  }
  t.a = to;
  return t.a_row == 1 ? MR * t.K : height * t.a_row;
}

template <class T>
void multiply(const Product<T>& p, const Blocking& x, T* work) {
  constexpr int MR = TileSize<T>::MR, NR = TileSize<T>::NR;
  if (p.M == 0 || p.N == 0) return;  // more threads than rows
  T* const a_work = x.pack_a ? work : nullptr;
  T* const b_work = x.pack_b ? work + packed_a_size<T>(x) : nullptr;
  const int64_t height = ceil_div(p.M, ceil_div(p.M, MR));
  for (int64_t n = 0; n < p.N; n += x.NC) {
    const int64_t N = min(x.NC, p.N - n);
    for (int64_t k = 0; k < p.K || k == 0; k += x.KC) {
      Tile<T> t{};
      t.K = min(x.KC, p.K - k);
      t.accumulate = p.accumulate || k > 0;
      const bool last = k + t.K == p.K;
      t.relu = last && p.relu;
      t.c_row = p.c_row;
      const T* const b = p.b + k * p.b_row + n * p.b_col;
      for (int64_t j = 0; b_work && j < N; j += NR) {
        pack_panel<NR>(b_work + j * t.K, t.K, min(NR, N - j), b + j * p.b_col, p.b_row, p.b_col);
      }
      t.b_row = b_work ? NR : p.b_row;
      const int64_t rows = x.MC < p.M ? ceil_div(x.MC, height) * height : p.M;
      for (int64_t m = 0; m < p.M; m += rows) {
        const int64_t M = min(rows, p.M - m);
        t.a = p.a + m * p.a_row + k * p.a_col;
        t.b = b_work ? b_work : b;
        t.c = p.c + m * p.c_row + n;
        t.row_bias = last && p.row_bias ? p.row_bias + m : nullptr;
        t.col_bias = last && p.col_bias ? p.col_bias + n : nullptr;
        const int64_t a_panel = pack_a_block(t, a_work, M, height, p);
        run_tiles(t, M, N, height, a_panel, b_work ? NR * t.K : NR);
      }
    }
  }
}

// The grid of rectangles into which C is cut for threads: the one with the least to pack.
template <class T>
void choose_grid(int64_t M, int64_t N, int64_t cells, int64_t& gm, int64_t& gn) {
  constexpr int NR = TileSize<T>::NR;
  int64_t best = -1;
  gm = gn = 1;
  for (int64_t m = 1; m <= cells; ++m) {
    if (cells % m) continue;
    const int64_t n = cells / m, rows = ceil_div(M, m), cols = ceil_div(ceil_div(N, NR), n) * NR;
    const int64_t cost = rows * cols + 32 * (rows + cols);
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
  const Blocking x = blocking(p);
  const double work = static_cast<double>(p.M) * p.N * (p.K + 1) * batch.count;
  int64_t threads = ctx.threads;
  if (work < kThreadWork * static_cast<double>(threads)) threads = 1 + static_cast<int64_t>(work / kThreadWork);
  int64_t gm = 1, gn = 1;
  if (batch.count % threads != 0 && batch.count < 8 * threads) choose_grid<T>(p.M, p.N, threads, gm, gn);
  const int64_t cells = batch.count * gm * gn;
  const int64_t each = packed_a_size<T>(x) + packed_b_size<T>(x);
  parallel_for(ctx, cells, ceil_div(cells, threads), [&](int64_t begin, int64_t end) {
    const Scratch scratch(static_cast<size_t>(each) * sizeof(T));
    for (int64_t cell = begin; cell < end; ++cell) {
      const int64_t i = cell / (gm * gn), m = cell / gn % gm, n = cell % gn;
      const int64_t panels = ceil_div(p.N, NR);
      multiply(batch.at(i).block(p.M * m / gm, p.M * (m + 1) / gm, min(p.N, panels * n / gn * NR),
                                 min(p.N, panels * (n + 1) / gn * NR)),
               x, static_cast<T*>(scratch.data));
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
