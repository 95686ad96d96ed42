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
#include "cpu/kernels/gemm_dot.h"
#include "cpu/kernels/gemm_plain.h"

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

// Every product of the batch, cut into rectangles where there are fewer products than threads.
template <class T>
void run_cells(const Batch<T>& batch, const LaunchContext& ctx) {
  constexpr int NR = TileSize<T>::NR;
  constexpr double kThreadWork = 160000;  // multiply-adds, or a quarter as many elements, that are worth a thread
  const Product<T>& p = batch.first;
  const Blocking x = choose_blocking(p);
  const bool dots = is_dot(p);
  const double M = static_cast<double>(p.M), N = static_cast<double>(p.N), K = static_cast<double>(p.K + 1);
  const double work = (M * N * K + 4 * (M * K + K * N + M * N)) * static_cast<double>(batch.count) / kThreadWork;
  const int64_t threads = work < static_cast<double>(ctx.threads) ? 1 + static_cast<int64_t>(work) : ctx.threads;
  int64_t gm = 1, gn = 1;
  if (batch.count % threads != 0 && batch.count < 8 * threads) choose_grid<T>(p.M, p.N, x, threads, gm, gn);
  const int64_t cells = batch.count * gm * gn, panels = ceil_div(p.N, NR);
  parallel_for(ctx, cells, ceil_div(cells, threads), [&](int64_t begin, int64_t end) {
    for (int64_t cell = begin; cell < end; ++cell) {
      const int64_t i = cell / (gm * gn), m = cell / gn % gm, n = cell % gn;
      const Product<T> part = batch.at(i).block(p.M * m / gm, p.M * (m + 1) / gm, min(p.N, panels * n / gn * NR),
                                                min(p.N, panels * (n + 1) / gn * NR));
      if (dots) {
        run_dots(part);
      } else {
        const int64_t size = packed_a_size<T>(x, part.M) + packed_b_size<T>(x, part.N);
        const Scratch scratch(static_cast<size_t>(size) * sizeof(T));
        BlockedProduct<T>(part, x, static_cast<T*>(scratch.data)).run();
      }
    }
  });
}

// A small C with a long sum, as the gradient of a bias or of a last layer: K is cut into chunks that threads share, and
// the chunks are added in their order.
template <class T>
void run_split(const Product<T>& p, int64_t chunk, const LaunchContext& ctx) {
  const int64_t whole = p.K / chunk, rest = p.K % chunk, MN = p.M * p.N;
  const Scratch scratch(static_cast<size_t>((whole + 1) * MN) * sizeof(T));
  T* const sums = static_cast<T*>(scratch.data);
  Product<T> q = p;
  q.K = chunk, q.c = sums, q.c_row = p.N;
  q.row_bias = q.col_bias = nullptr, q.relu = q.accumulate = false;
  const int64_t a_stride = chunk * p.a_col, b_stride = chunk * p.b_row;
  run_cells(Batch<T>{q, whole, 1, &whole, &a_stride, &b_stride, &MN}, ctx);
  q.K = rest, q.a += whole * a_stride, q.b += whole * b_stride, q.c += whole * MN;
  if (rest > 0) run_cells(Batch<T>{q, 1, 0, nullptr, nullptr, nullptr, nullptr}, ctx);
  for (int64_t e = 0; e < MN; ++e) {
    const int64_t m = e / p.N, n = e % p.N;
    T& c = p.c[m * p.c_row + n];
    T x = sums[e];
    for (int64_t i = 1; i < whole + (rest > 0); ++i) x += sums[i * MN + e];
    if (p.accumulate) x += c;
    if (p.row_bias) x += p.row_bias[m];
    if (p.col_bias) x += p.col_bias[n];
    c = p.relu && x < T(0) ? T(0) : x;
  }
}

template <class T>
void run_batch(const Batch<T>& batch, const LaunchContext& ctx) {
  constexpr int64_t kChunk = 4096, kChunks = 64, kSmall = 64 * 64;
  const Product<T>& p = batch.first;
  if (p.K < 2 * kChunk || p.M * p.N > kSmall) return run_cells(batch, ctx);
  const int64_t even = ceil_div(p.K, kChunks);
  for (int64_t i = 0; i < batch.count; ++i) run_split(batch.at(i), even > kChunk ? even : kChunk, ctx);
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
  Product<T> p{};
  p.M = args.M, p.N = args.N, p.K = args.K;
  p.a = static_cast<const T*>(args.a), p.a_row = args.a_row, p.a_col = args.a_col;
  p.b = static_cast<const T*>(args.b), p.b_row = args.b_row, p.b_col = p.N == 1 ? 1 : args.b_col;
  p.c = static_cast<T*>(args.c), p.c_row = args.c_row;
  p.col_bias = bias;
  p.relu = args.activation == Activation::relu, p.accumulate = args.accumulate;
  const Batch<T> x{p, count, args.batch_ndim, args.batch_shape, args.a_batch, args.b_batch, args.c_batch};
  // A transposed matrix times a vector is better a vector times a matrix: its rows are adjacent.
  const bool turn = p.N == 1 && p.a_row == 1 && p.a_col != 1 && p.c_row == 1;
  if ((args.c_col == 1 || p.N == 1) && !turn) {
    run_batch(x, ctx);
  } else if (args.c_row == 1 || p.M == 1) {
    run_batch(transposed(x, args.c_col), ctx);
  } else {
    run_scattered(x, args.c_col, ctx);
  }
}

void gemm(const GemmArgs& args, const LaunchContext& ctx) {
  switch (args.dtype) {
    case DType::float32:
      return gemm_typed<float>(args, ctx);
    case DType::float64:
      return gemm_typed<double>(args, ctx);
    case DType::int32:
      return gemm_plain<uint32_t, int32_t>(args, ctx);
    case DType::int64:
      return gemm_plain<uint64_t, int64_t>(args, ctx);
    default:
      return gemm_plain<uint8_t, uint8_t>(args, ctx);
  }
}

}  // namespace

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels = {{"gemm", gemm}};

}  // namespace nn::NN_ISA
