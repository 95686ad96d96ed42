// How a reduction walks over memory, for any Op:
//   struct Op {
//     using In, Acc, Out;                       // element read, partial result, element written
//     static constexpr bool vectors;            // In = Acc has a Vec, and lift and join take it
//     Acc identity() const;                     // join(identity, a) = a
//     V lift(V x, V center) const;              // what an element contributes, or ...
//     Acc contribution(In x) const;             // ... this, where it is a number of another type
//     V join(V a, V b) const;
//     Out finish(Acc a, Acc center) const;
//   };
//
// The idea: the bound is the memory, so x is read once, in sequence, with several vector accumulators in flight.
//   rows      the reduced elements are adjacent: one output at a time, along vectors, folded at the end.
//   columns   the outputs are adjacent: a strip of them at a time, eight rows together, no folding.
//   neither   rows with a stride, one element at a time.
// Sums are accurate because they are trees: accumulators, then blocks, then chunks, and the partial results of chunks
// pairwise. All extents of the tree come from the shape; threads take whole outputs, strips or chunks.
#pragma once

#include "core/kernels/reduce.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/odometer.h"
#include "cpu/simd/simd.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kBlock = 4096;         // elements of a row that the accumulators see before they are folded
constexpr int64_t kChunk = 16 * kBlock;  // elements that one thread reduces to one partial result
constexpr int64_t kStrip = 1024;         // columns that are reduced together
constexpr int kGroup = 8;                // rows that are read together
constexpr int64_t kGroups = 16;          // groups in a block of rows
constexpr int64_t kRowsOfChunk = 2 * kGroups * kGroup;
constexpr int64_t kReduceGrain = 1 << 15;  // elements below which a thread costs more than it brings

template <class T>
constexpr bool is_floating = false;
template <>
constexpr bool is_floating<float> = true;
template <>
constexpr bool is_floating<double> = true;

// The least and the largest value of a type.
template <class T>
constexpr T lowest() {
  if constexpr (is_floating<T>) return -static_cast<T>(__builtin_huge_val());
  if constexpr (sizeof(T) == 1) return 0;
  if constexpr (sizeof(T) == 4) return static_cast<T>(INT32_MIN);
  return static_cast<T>(INT64_MIN);
}
template <class T>
constexpr T highest() {
  if constexpr (is_floating<T>) return static_cast<T>(__builtin_huge_val());
  if constexpr (sizeof(T) == 1) return static_cast<T>(UINT8_MAX);
  if constexpr (sizeof(T) == 4) return static_cast<T>(INT32_MAX);
  return static_cast<T>(INT64_MAX);
}

// An element as the op takes it on its own: where a number is only counted, 1 or 0.
template <class Op>
inline typename Op::Acc element(const Op& op, typename Op::In x, typename Op::Acc center) {
  if constexpr (requires { op.contribution(x); })
    return op.contribution(x);
  else
    return op.lift(static_cast<typename Op::Acc>(x), center);
}

// Joins partial results as a binary tree, in the order in which they come: slot i holds the result of 2^i of them.
template <class Op>
struct Tree {
  const Op& op;
  int64_t count = 0;
  typename Op::Acc slots[48];

  explicit Tree(const Op& joins) : op(joins) {}
  void push(typename Op::Acc a) {
    int level = 0;
    for (int64_t c = count++; c & 1; c >>= 1) a = op.join(slots[level++], a);
    slots[level] = a;
  }
  typename Op::Acc total() const {
    typename Op::Acc a = op.identity();
    bool empty = true;
    for (int level = 0; count >> level; ++level) {
      if (!((count >> level) & 1)) continue;
      a = empty ? slots[level] : op.join(slots[level], a);
      empty = false;
    }
    return a;
  }
};

template <class T>
alignas(64) constexpr T kLane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// One run of at most kBlock elements.
template <class Op>
typename Op::Acc reduce_run(const Op& op, const typename Op::In* x, int64_t n, int64_t step, typename Op::Acc center) {
  typename Op::Acc a = op.identity();
  int64_t i = 0;
  if constexpr (Op::vectors) {
    using V = Vec<typename Op::In>;
    if (step == 1 && n > 1) {
      const V c = center;
      V a0 = op.identity();
      if (n >= 4 * V::size) {
        V a1 = a0, a2 = a0, a3 = a0;
        for (; i + 4 * V::size <= n; i += 4 * V::size) {
          a0 = op.join(a0, op.lift(V::load(x + i), c));
          a1 = op.join(a1, op.lift(V::load(x + i + V::size), c));
          a2 = op.join(a2, op.lift(V::load(x + i + 2 * V::size), c));
          a3 = op.join(a3, op.lift(V::load(x + i + 3 * V::size), c));
        }
        a0 = op.join(op.join(a0, a1), op.join(a2, a3));
      }
      for (; i + V::size <= n; i += V::size) a0 = op.join(a0, op.lift(V::load(x + i), c));
      if (const int left = static_cast<int>(n - i); left > 0) {
        const V tail = op.lift(V::load(x + i, left), c);
        a0 = op.join(a0, select(V::load(kLane<typename Op::In>) < V(static_cast<typename Op::In>(left)), tail,
                                V(op.identity())));
        i = n;
      }
      a = a0.fold([&](V u, V v) NN_LAMBDA { return op.join(u, v); });
    }
  }
  for (; i < n; ++i) a = op.join(a, element(op, x[i * step], center));
  return a;
}

// Blocks `first` to `last` of one output, of which each run of the last reduced dimension has `per_run`.
template <class Op>
typename Op::Acc reduce_blocks(const ReduceArgs& args, const Op& op, const typename Op::In* x, int64_t first,
                               int64_t last, int64_t per_run, typename Op::Acc center) {
  const int inner = args.reduced_ndim - 1;
  const int64_t n = args.reduced_shape[inner], step = args.x_reduced[inner];
  if (last == 1) return reduce_run(op, x, n, step, center);
  Tree<Op> tree{op};
  Odometer<1> run(inner, args.reduced_shape, first / per_run, args.x_reduced);
  for (int64_t b = first, at = first % per_run * kBlock; b < last; ++b) {
    tree.push(reduce_run(op, x + run.offset[0] + at * step, least(kBlock, n - at), step, center));
    if ((at += kBlock) >= n) {
      at = 0;
      run.next();
    }
  }
  return tree.total();
}

template <class Op>
typename Op::Acc center_of(const ReduceArgs& args, int64_t at) {
  return args.center ? static_cast<const typename Op::Acc*>(args.center)[at] : typename Op::Acc{};
}

template <class Op>
void reduce_rows(const ReduceArgs& args, const Op& op, const LaunchContext& ctx) {
  using Acc = typename Op::Acc;
  const auto* const x = static_cast<const typename Op::In*>(args.x);
  auto* const y = static_cast<typename Op::Out*>(args.y);
  const int64_t outputs = product(args.kept_shape, args.kept_ndim);
  const int64_t count = product(args.reduced_shape, args.reduced_ndim);
  const int64_t n = args.reduced_shape[args.reduced_ndim - 1];
  const int64_t per_run = ceil_div(n, kBlock), blocks = n > 0 ? count / n * per_run : 0;
  const int64_t blocks_of_chunk = kChunk / most(1, least(n, kBlock)),
                chunks = most(1, ceil_div(blocks, blocks_of_chunk));

  const auto part = [&](int64_t offset, int64_t chunk, Acc center) {
    const int64_t first = chunk * blocks_of_chunk;
    return reduce_blocks(args, op, x + offset, first, least(blocks, first + blocks_of_chunk), per_run, center);
  };
  if (chunks == 1) {
    parallel_for(ctx, outputs, most(1, kReduceGrain / most(1, count)), [&](int64_t begin, int64_t end) {
      Odometer<2> k(args.kept_ndim, args.kept_shape, begin, args.x_kept, args.y_kept);
      for (int64_t i = begin; i < end; ++i, k.next()) {
        const Acc center = center_of<Op>(args, k.offset[1]);
        y[k.offset[1]] = op.finish(blocks > 0 ? part(k.offset[0], 0, center) : op.identity(), center);
      }
    });
    return;
  }
  const Scratch scratch(static_cast<size_t>(outputs * chunks) * sizeof(Acc));
  auto* const parts = static_cast<Acc*>(scratch.data);
  parallel_for(ctx, outputs * chunks, 1, [&](int64_t begin, int64_t end) {
    Odometer<2> k(args.kept_ndim, args.kept_shape, begin / chunks, args.x_kept, args.y_kept);
    for (int64_t i = begin; i < end; ++i) {
      parts[i] = part(k.offset[0], i % chunks, center_of<Op>(args, k.offset[1]));
      if (i % chunks == chunks - 1) k.next();
    }
  });
  Odometer<1> k(args.kept_ndim, args.kept_shape, 0, args.y_kept);
  for (int64_t i = 0; i < outputs; ++i, k.next()) {
    Tree<Op> tree{op};
    for (int64_t c = 0; c < chunks; ++c) tree.push(parts[i * chunks + c]);
    y[k.offset[0]] = op.finish(tree.total(), center_of<Op>(args, k.offset[0]));
  }
}

// The pairwise join of v[0 ... count).
template <int count, class Op, class V>
NN_FN V join_group(const Op& op, V* v) {
  for (int half = count / 2; half > 0; half /= 2)
    for (int r = 0; r < half; ++r) v[r] = op.join(v[r], v[r + half]);
  return v[0];
}

// acc[j] = join(acc[j], the elements of `count` rows in column j).
template <int count, class Op>
void add_rows(const Op& op, const typename Op::In* const* rows, int64_t width, typename Op::Acc* acc,
              const typename Op::Acc* center) {
  using Acc = typename Op::Acc;
  int64_t j = 0;
  if constexpr (Op::vectors) {
    using V = Vec<Acc>;
    V v[count];
    for (; j + V::size <= width; j += V::size) {
      const V c = V::load(center + j);
      for (int r = 0; r < count; ++r) v[r] = op.lift(V::load(rows[r] + j), c);
      op.join(V::load(acc + j), join_group<count>(op, v)).store(acc + j);
    }
    if (const int left = static_cast<int>(width - j); left > 0) {
      const V c = V::load(center + j, left);
      for (int r = 0; r < count; ++r) v[r] = op.lift(V::load(rows[r] + j, left), c);
      op.join(V::load(acc + j, left), join_group<count>(op, v)).store(acc + j, left);
    }
  } else {
    for (; j < width; ++j) {
      Acc v[count];
      for (int r = 0; r < count; ++r) v[r] = element(op, rows[r][j], center[j]);
      acc[j] = op.join(acc[j], join_group<count>(op, v));
    }
  }
}

// acc = rows `first` to `last` of a strip joined: blocks of groups of rows.
template <class Op>
void reduce_strip(const ReduceArgs& args, const Op& op, const typename Op::In* x, int64_t first, int64_t last,
                  int64_t width, typename Op::Acc* acc, const typename Op::Acc* center) {
  alignas(64) typename Op::Acc block[kStrip];
  const typename Op::In* rows[kGroup];
  Odometer<1> row(args.reduced_ndim, args.reduced_shape, first, args.x_reduced);
  for (int64_t j = 0; j < width; ++j) acc[j] = op.identity();
  while (first < last) {
    for (int64_t j = 0; j < width; ++j) block[j] = op.identity();
    for (int64_t g = 0; g < kGroups && first < last; ++g) {
      const int count = static_cast<int>(least(kGroup, last - first));
      for (int r = 0; r < count; ++r, row.next()) rows[r] = x + row.offset[0];
      if (count == kGroup)
        add_rows<kGroup>(op, rows, width, block, center);
      else
        for (int r = 0; r < count; ++r) add_rows<1>(op, rows + r, width, block, center);
      first += count;
    }
    for (int64_t j = 0; j < width; ++j) acc[j] = op.join(acc[j], block[j]);
  }
}

// Strips of the last kept dimension, along which x is contiguous.
template <class Op>
struct Columns {
  using Acc = typename Op::Acc;

  const ReduceArgs& args;
  const Op& op;
  int last = args.kept_ndim - 1;
  int64_t width = args.kept_shape[last], y_step = args.y_kept[last];
  int64_t strips = ceil_div(width, kStrip), items = product(args.kept_shape, last) * strips;
  int64_t count = product(args.reduced_shape, args.reduced_ndim);
  int64_t chunks = most(1, ceil_div(count, kRowsOfChunk));

  // Where strip `item` begins, and how wide it is.
  struct Strip {
    int64_t x, y, width;
  };
  Strip strip(int64_t item) const {
    const Odometer<2> k(last, args.kept_shape, item / strips, args.x_kept, args.y_kept);
    const int64_t j = item % strips * kStrip;
    return {k.offset[0] + j, k.offset[1] + j * y_step, least(kStrip, width - j)};
  }
  void load_center(const Strip& s, Acc* center) const {
    for (int64_t j = 0; j < s.width; ++j) center[j] = center_of<Op>(args, s.y + j * y_step);
  }
  void finish(const Strip& s, const Acc* acc, const Acc* center) const {
    auto* const y = static_cast<typename Op::Out*>(args.y) + s.y;
    for (int64_t j = 0; j < s.width; ++j) y[j * y_step] = op.finish(acc[j], center[j]);
  }
  void reduce(int64_t item, int64_t chunk, Acc* acc, Acc* center) const {
    const Strip s = strip(item);
    load_center(s, center);
    const int64_t first = chunk * kRowsOfChunk;
    reduce_strip(args, op, static_cast<const typename Op::In*>(args.x) + s.x, first, least(count, first + kRowsOfChunk),
                 s.width, acc, center);
  }
};

template <class Op>
void reduce_columns(const ReduceArgs& args, const Op& op, const LaunchContext& ctx) {
  using Acc = typename Op::Acc;
  const Columns<Op> columns{args, op};
  const int64_t chunks = columns.chunks;
  const int64_t size = least(columns.width, kStrip) * least(columns.count, kRowsOfChunk);
  const int64_t grain = most(1, kReduceGrain / most(1, size));
  if (chunks == 1) {
    parallel_for(ctx, columns.items, grain, [&](int64_t begin, int64_t end) {
      alignas(64) Acc acc[kStrip], center[kStrip];
      for (int64_t i = begin; i < end; ++i) {
        columns.reduce(i, 0, acc, center);
        columns.finish(columns.strip(i), acc, center);
      }
    });
    return;
  }
  const int64_t room = least(columns.width, kStrip);
  const Scratch scratch(static_cast<size_t>(columns.items * chunks * room) * sizeof(Acc));
  auto* const parts = static_cast<Acc*>(scratch.data);
  parallel_for(ctx, columns.items * chunks, grain, [&](int64_t begin, int64_t end) {
    alignas(64) Acc center[kStrip];
    for (int64_t i = begin; i < end; ++i) columns.reduce(i / chunks, i % chunks, parts + i * room, center);
  });
  parallel_for(ctx, columns.items, most(1, kReduceGrain / (room * chunks)), [&](int64_t begin, int64_t end) {
    alignas(64) Acc center[kStrip];
    for (int64_t i = begin; i < end; ++i) {
      const auto s = columns.strip(i);
      Acc* const part = parts + i * chunks * room;
      for (int64_t step = 1; step < chunks; step *= 2)
        for (int64_t c = 0; c + step < chunks; c += 2 * step)
          for (int64_t j = 0; j < s.width; ++j)
            part[c * room + j] = op.join(part[c * room + j], part[(c + step) * room + j]);
      columns.load_center(s, center);
      columns.finish(s, part, center);
    }
  });
}

template <class Op>
void reduce_all(const ReduceArgs& args, const Op& op, const LaunchContext& ctx) {
  const bool columns = args.x_kept[args.kept_ndim - 1] == 1 && args.x_reduced[args.reduced_ndim - 1] != 1 &&
                       args.kept_shape[args.kept_ndim - 1] > 1;
  if (columns)
    reduce_columns(args, op, ctx);
  else
    reduce_rows(args, op, ctx);
}

}  // namespace
}  // namespace nn::NN_ISA
