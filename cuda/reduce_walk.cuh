// How a reduction walks over memory, for any Op:
//   struct Op {
//     using In, Acc;                                   // element read, partial result
//     static constexpr int ahead;                      // packs that a thread loads before it joins them
//     Acc identity() const;                            // join(identity, a) = a
//     Acc lift(In x, Center center, int64_t r) const;  // what element number r contributes
//     Acc join(Acc a, Acc b) const;
//     void write(void* y, int64_t at, Acc a, Center center) const;
//     Center center(int64_t k) const;                  // of output k; without it, the Acc of args.center
//     const In* beside() const;                        // if there is one, a second array that lies as x does: then it
//                                                      // is lift(x, element of that array, center, r)
//   };
//
// The idea: x is read once, 16 bytes a thread where the layout allows it, several loads in flight.
//   rows      the reduced elements are adjacent, or nothing is: 1 to 32 lanes or a block for each output.
//   columns   the outputs are adjacent: lanes lie along them, the other threads of the block along the rows.
// Long reductions are cut into chunks, a block each, whose partial results are reduced as columns by a second launch.
// Who joins what with whom depends on shapes and strides alone, never on the device or on where x begins.
// Bound: the memory's bandwidth, x (and what is beside it) once; partial results are a thousandth of it.
// The kernels are bounded to two blocks a multiprocessor or more: without that second bound ptxas aims at so many
// blocks on some architectures that it spills registers.
#pragma once

#include "core/kernels/reduce.h"
#include "cuda/block.cuh"
#include "cuda/divisor.cuh"
#include "cuda/loops.cuh"

namespace nn::cuda {

// Chunks are made until there are blocks enough for a large GPU, and beyond that so that no thread adds up very many.
inline constexpr int64_t kEnoughBlocks = 132 * 8;
inline constexpr int64_t kMostChunks = 4096;

template <class T>
inline constexpr int kPackOf = sizeof(T) >= 16  ? 1
                               : sizeof(T) >= 8 ? 2
                                                : 4;

struct ReducePlan {
  int64_t outputs, count;                     // results, and elements of each
  Divisor chunks;                             // of an output
  int64_t size;                               // elements of a chunk
  Divisor strips;                             // of columns: how many cover the last kept dimension
  Divisor kept[kMaxDims], reduced[kMaxDims];  // the extents
  int lanes;                                  // a power of two, along the elements of a row, or along columns
  bool packed;                                // whole packs lie adjacent and aligned
  void* parts;                                // [chunks, outputs], where there are several
};

// Pairwise join of v[0 ... count), a power of two.
template <int count, class Op>
__device__ __forceinline__ typename Op::Acc join_all(const Op& op, typename Op::Acc (&v)[count]) {
#pragma unroll
  for (int half = count / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) v[i] = op.join(v[i], v[i + half]);
  return v[0];
}

// What lift and write are told of output k: what the op says, or the element of args.center.
template <class Op>
__device__ __forceinline__ auto center_of(const Op& op, const ReduceArgs& args, int64_t k, int64_t y_at) {
  if constexpr (requires { op.center(k); })
    return op.center(k);
  else
    return args.center != nullptr ? static_cast<const typename Op::Acc*>(args.center)[y_at] : typename Op::Acc{};
}

template <class Op>
concept HasBeside = requires(const Op& op) { op.beside(); };

// From an element of x to its neighbour in the other array.
template <class Op>
__device__ __forceinline__ int64_t way_beside(const Op& op, const ReduceArgs& args) {
  if constexpr (HasBeside<Op>)
    return (reinterpret_cast<intptr_t>(op.beside()) - reinterpret_cast<intptr_t>(args.x)) /
           static_cast<intptr_t>(sizeof(typename Op::In));
  else
    return 0;
}

// What is read at once: packs of x and of the array beside it.
template <class Op>
struct Read {
  using Packed = Pack<typename Op::In, kPackOf<typename Op::In>>;
  Packed x, beside;
  template <class Load>  // load(pack, way from the elements of x)
  __device__ __forceinline__ void each(int64_t way, const Load& load) {
    load(x, int64_t{0});
    if constexpr (HasBeside<Op>) load(beside, way);
  }
  template <class Center>
  __device__ __forceinline__ typename Op::Acc lift(const Op& op, int p, const Center& center, int64_t r) const {
    if constexpr (HasBeside<Op>)
      return op.lift(x.at[p], beside.at[p], center, r);
    else
      return op.lift(x.at[p], center, r);
  }
};

template <class Op, class Center>
__device__ __forceinline__ void write_result(const ReduceArgs& args, const ReducePlan& plan, const Op& op,
                                             int64_t chunk, int64_t k, int64_t y_at, typename Op::Acc a,
                                             const Center& center) {
  if (plan.parts != nullptr)
    static_cast<typename Op::Acc*>(plan.parts)[chunk * plan.outputs + k] = a;
  else
    op.write(args.y, y_at, a, center);
}

template <class Op>
__global__ void __launch_bounds__(kThreads, 2) rows_kernel(ReduceArgs args, ReducePlan plan, Op op) {
  using In = typename Op::In;
  using Acc = typename Op::Acc;
  constexpr int kPack = kPackOf<In>;
  using Packed = Pack<In, kPack>;
  NN_SHARED(Acc, shared, [kThreads / kWarp]);

  const int lanes = plan.lanes, thread = static_cast<int>(threadIdx.x), lane = thread % lanes;
  const int64_t number = int64_t{blockIdx.x} * (kThreads / lanes) + thread / lanes;
  const bool here = number < plan.outputs * plan.chunks.number;
  const int64_t item = here ? number : 0, k = item / plan.chunks, chunk = item - k * plan.chunks.number;
  const int64_t y_at = place_of(k, args.kept_ndim, plan.kept, args.y_kept);
  const In* const x = static_cast<const In*>(args.x) + place_of(k, args.kept_ndim, plan.kept, args.x_kept);
  const auto center = center_of(op, args, k, y_at);
  const int64_t way = way_beside(op, args);

  const int64_t first = chunk * plan.size, rest = plan.count - first, n = here ? least(rest, plan.size) : 0;
  const int inner = args.reduced_ndim - 1;
  const int64_t step = args.x_reduced[inner];
  const bool adjacent = step == 1, line = inner == 0;
  // A thread has packs; their elements are adjacent where those of x are, and otherwise as far apart as there are
  // lanes.
  const int sweep = lanes * kPack, gap = adjacent ? 1 : lanes;
  const int64_t own = first + (adjacent ? lane * kPack : lane), next = gap * step, whole = n & -int64_t{sweep};
  Acc acc[kPack];
#pragma unroll
  for (Acc& a : acc) a = op.identity();

  int64_t done = 0;
  if (Op::ahead > 1 && line) {
    for (; done + Op::ahead * sweep <= whole; done += Op::ahead * sweep) {
      Read<Op> v[Op::ahead];
      const In* from = x + (own + done) * step;
#pragma unroll
      for (int u = 0; u < Op::ahead; ++u, from += sweep * step) {
        v[u].each(way, [&](Packed& pack, int64_t apart) {
          if (plan.packed) {
            pack = *reinterpret_cast<const Packed*>(from + apart);
          } else {
#pragma unroll
            for (int p = 0; p < kPack; ++p) pack.at[p] = from[apart + p * next];
          }
        });
      }
#pragma unroll
      for (int p = 0; p < kPack; ++p) {
        Acc lifted[Op::ahead];
#pragma unroll
        for (int u = 0; u < Op::ahead; ++u) lifted[u] = v[u].lift(op, p, center, own + done + u * sweep + p * gap);
        acc[p] = op.join(acc[p], join_all(op, lifted));
      }
    }
  }
#pragma unroll 1
  for (; done < n; done += sweep) {
    const int64_t r = own + done, end = first + n;
    Read<Op> v;
    v.each(way, [&](Packed& pack, int64_t apart) {
      if (plan.packed && done < whole) {
        pack = *reinterpret_cast<const Packed*>(x + apart + place_of(r, inner + 1, plan.reduced, args.x_reduced));
      } else {
#pragma unroll
        for (int p = 0; p < kPack; ++p)
          if (r + p * gap < end) pack.at[p] = x[apart + place_of(r + p * gap, inner + 1, plan.reduced, args.x_reduced)];
      }
    });
#pragma unroll
    for (int p = 0; p < kPack; ++p)
      if (r + p * gap < end) acc[p] = op.join(acc[p], v.lift(op, p, center, r + p * gap));
  }

  const auto join = [&](Acc a, Acc b) { return op.join(a, b); };
  Acc a = join_all(op, acc);
  a = lanes == kThreads ? block_reduce<kThreads>(a, join, shared, thread) : warp_reduce(a, join, lanes);
  if (here && lane == 0) write_result(args, plan, op, chunk, k, y_at, a, center);
}

template <class Op>
__global__ void __launch_bounds__(kThreads, 2) columns_kernel(ReduceArgs args, ReducePlan plan, Op op) {
  using In = typename Op::In;
  using Acc = typename Op::Acc;
  constexpr int kPack = kPackOf<In>;
  using Packed = Pack<In, kPack>;
  NN_SHARED(Acc, shared, [kPack][kThreads]);

  const int lanes = plan.lanes, thread = static_cast<int>(threadIdx.x), lane = thread % lanes, own = thread / lanes;
  const int high = kThreads / lanes, last = args.kept_ndim - 1, inner = args.reduced_ndim - 1;
  const int64_t strip = blockIdx.x / plan.chunks, chunk = blockIdx.x - strip * plan.chunks.number;
  const int64_t outer = strip / plan.strips, width = args.kept_shape[last];
  const int64_t column = ((strip - outer * plan.strips.number) * lanes + lane) * kPack, left = width - column;
  const int columns = left >= kPack ? kPack : left > 0 ? static_cast<int>(left) : 0;
  const int64_t x_at = last > 0 ? place_of(outer, last, plan.kept, args.x_kept) : 0;
  const int64_t y_at = last > 0 ? place_of(outer, last, plan.kept, args.y_kept) : 0;
  const In* const x = static_cast<const In*>(args.x) + x_at + column;
  const auto place_of_result = [&](int p) { return y_at + (column + p) * args.y_kept[last]; };
  Acc acc[kPack];
  decltype(center_of(op, args, 0, 0)) center[kPack] = {};
#pragma unroll
  for (int p = 0; p < kPack; ++p) {
    acc[p] = op.identity();
    const int inside = p < columns ? p : 0;
    if (columns > 0) center[p] = center_of(op, args, outer * width + column + inside, place_of_result(inside));
  }

  const int64_t first = chunk * plan.size + own;
  const int64_t end = columns > 0 ? least(plan.count, (chunk + 1) * plan.size) : 0;  // lanes beyond the last column
  const bool packed = plan.packed && columns == kPack;
  const auto read = [&](Read<Op>& v, int64_t place) {
    v.each(way_beside(op, args), [&](Packed& pack, int64_t apart) {
      if (packed) {
        pack = *reinterpret_cast<const Packed*>(x + apart + place);
      } else {
#pragma unroll
        for (int p = 0; p < kPack; ++p) pack.at[p] = p < columns ? x[apart + place + p] : In{};
      }
    });
  };
  int64_t r = first;
  if (Op::ahead > 1 && inner == 0) {
    for (; r + (Op::ahead - 1) * high < end; r += Op::ahead * high) {
      Read<Op> v[Op::ahead];
#pragma unroll
      for (int u = 0; u < Op::ahead; ++u) read(v[u], (r + u * high) * args.x_reduced[0]);
#pragma unroll
      for (int p = 0; p < kPack; ++p) {
        Acc lifted[Op::ahead];
#pragma unroll
        for (int u = 0; u < Op::ahead; ++u) lifted[u] = v[u].lift(op, p, center[p], r + u * high);
        acc[p] = op.join(acc[p], join_all(op, lifted));
      }
    }
  }
#pragma unroll 1
  for (; r < end; r += high) {
    Read<Op> v;
    read(v, place_of(r, inner + 1, plan.reduced, args.x_reduced));
#pragma unroll
    for (int p = 0; p < kPack; ++p) acc[p] = op.join(acc[p], v.lift(op, p, center[p], r));
  }

  for (int half = high / 2; half > 0; half /= 2) {
#pragma unroll
    for (int p = 0; p < kPack; ++p)
      if (own >= half && own < 2 * half) shared[p][thread] = acc[p];
    __syncthreads();
#pragma unroll
    for (int p = 0; p < kPack; ++p)
      if (own < half) acc[p] = op.join(acc[p], shared[p][thread + half * lanes]);
  }
  if (own > 0) return;
#pragma unroll
  for (int p = 0; p < kPack; ++p)
    if (p < columns)
      write_result(args, plan, op, chunk, outer * width + column + p, place_of_result(p), acc[p], center[p]);
}

// The second launch: elements are partial results.
template <class Op>
struct Joined : Op {
  using In = typename Op::Acc;
  static constexpr int ahead = sizeof(In) > 8 ? 2 : 4;
  void beside() const = delete;

  template <class Center>
  __device__ In lift(In part, const Center&, int64_t) const {
    return part;
  }
};

// ---- the host's side: plans

inline int64_t product_of(const int64_t* extents, int ndim) {
  int64_t product = 1;
  for (int d = 0; d < ndim; ++d) product *= extents[d];
  return product;
}
inline int64_t round_up(int64_t a, int64_t step) { return ceil_div(a, step) * step; }
inline int power_of_two(int64_t at_least, int most) {
  int power = 1;
  while (power < most && power < at_least) power *= 2;
  return power;
}
inline bool all_multiples(const int64_t* strides, int ndim, int64_t of) {
  for (int d = 0; d < ndim; ++d)
    if (strides[d] % of != 0) return false;
  return true;
}

// Elements of a chunk between `least` and 16 times as many, a multiple of it, of outputs that take `blocks` blocks.
inline int64_t chunk_size(int64_t count, int64_t blocks, int64_t least) {
  const int64_t wanted = ceil_div(count, ceil_div(kEnoughBlocks, blocks));
  const int64_t size = wanted < least ? least : wanted > 16 * least ? 16 * least : round_up(wanted, least);
  return count <= size * kMostChunks ? size : round_up(ceil_div(count, kMostChunks), least);
}

template <class In>
bool begins_aligned(const void* array) {
  return reinterpret_cast<uintptr_t>(array) % (sizeof(In) * kPackOf<In>) == 0;
}

inline ReducePlan plan_for(const ReduceArgs& args) {
  ReducePlan plan{};
  plan.outputs = product_of(args.kept_shape, args.kept_ndim);
  plan.count = product_of(args.reduced_shape, args.reduced_ndim);
  for (int d = 0; d < args.kept_ndim; ++d) plan.kept[d] = Divisor(args.kept_shape[d]);
  for (int d = 0; d < args.reduced_ndim; ++d) plan.reduced[d] = Divisor(args.reduced_shape[d]);
  return plan;
}
inline Divisor chunks_of(const ReducePlan& plan) {
  return Divisor(plan.count > 0 ? ceil_div(plan.count, plan.size) : 1);
}

template <class In>
ReducePlan plan_rows(const ReduceArgs& args) {
  constexpr int64_t kPack = kPackOf<In>;
  const int inner = args.reduced_ndim - 1;
  ReducePlan plan = plan_for(args);
  const bool long_rows = plan.count > 16 * kWarp * kPack;
  plan.lanes = long_rows ? kThreads : power_of_two(ceil_div(plan.count, 2 * kPack), kWarp);
  plan.size = long_rows ? chunk_size(plan.count, plan.outputs, 4 * kThreads * kPack) : plan.count;
  plan.chunks = chunks_of(plan);
  plan.packed = begins_aligned<In>(args.x) && args.x_reduced[inner] == 1 &&
                all_multiples(args.x_kept, args.kept_ndim, kPack) && all_multiples(args.x_reduced, inner, kPack) &&
                (inner == 0 || args.reduced_shape[inner] % kPack == 0);
  return plan;
}

template <class In>
ReducePlan plan_columns(const ReduceArgs& args, bool in_chunks) {
  constexpr int64_t kPack = kPackOf<In>;
  const int last = args.kept_ndim - 1;
  ReducePlan plan = plan_for(args);
  plan.lanes = power_of_two(ceil_div(args.kept_shape[last], kPack), kWarp);
  const int high = power_of_two(ceil_div(plan.count, int64_t{4}), kThreads / plan.lanes);
  plan.lanes = kThreads / high;
  plan.strips = Divisor(ceil_div(args.kept_shape[last], plan.lanes * kPack));
  const int64_t blocks = plan.outputs / args.kept_shape[last] * plan.strips.number;
  plan.size = in_chunks ? chunk_size(plan.count, blocks, 4 * high) : plan.count;
  plan.chunks = chunks_of(plan);
  plan.packed = begins_aligned<In>(args.x) && all_multiples(args.x_kept, last, kPack) &&
                all_multiples(args.x_reduced, args.reduced_ndim, kPack);
  return plan;
}

template <class Op>
void reduce_columns(const ReduceArgs& args, const ReducePlan& plan, const Op& op, const LaunchContext& ctx) {
  const int64_t blocks = plan.outputs / args.kept_shape[args.kept_ndim - 1] * plan.strips.number * plan.chunks.number;
  NN_LAUNCH(columns_kernel<Op>, static_cast<unsigned>(blocks), kThreads, 0, ctx, args, plan, op);
}

// The partial results of [chunks, outputs].
template <class Op>
void reduce_parts(ReduceArgs args, const ReducePlan& first, const Op& op, const LaunchContext& ctx) {
  args.x = first.parts;
  args.reduced_ndim = 1;
  args.reduced_shape[0] = first.chunks.number;
  args.x_reduced[0] = first.outputs;
  int64_t stride = 1;
  for (int d = args.kept_ndim - 1; d >= 0; --d) {
    args.x_kept[d] = stride;
    stride *= args.kept_shape[d];
  }
  reduce_columns(args, plan_columns<typename Op::In>(args, false), op, ctx);
}

template <class Op, bool kRows = true>  // kRows: whether there may be others than columns
void reduce_all(const ReduceArgs& args, const Op& op, const LaunchContext& ctx) {
  using In = typename Op::In;
  if (product_of(args.kept_shape, args.kept_ndim) == 0) return;
  const int last = args.kept_ndim - 1;
  const bool columns =
      !kRows || (args.x_kept[last] == 1 && args.x_reduced[args.reduced_ndim - 1] != 1 && args.kept_shape[last] > 1);
  ReducePlan plan = columns ? plan_columns<In>(args, true) : plan_rows<In>(args);
  if constexpr (HasBeside<Op>) plan.packed = plan.packed && begins_aligned<In>(op.beside());
  const bool several = plan.chunks.number > 1;
  const Workspace parts(several ? static_cast<size_t>(plan.chunks.number * plan.outputs) * sizeof(typename Op::Acc) : 0,
                        ctx);
  plan.parts = parts.data;
  if (columns) {
    reduce_columns(args, plan, op, ctx);
  } else if constexpr (kRows) {
    const int64_t blocks = ceil_div(plan.outputs * plan.chunks.number, int64_t{kThreads / plan.lanes});
    NN_LAUNCH(rows_kernel<Op>, static_cast<unsigned>(blocks), kThreads, 0, ctx, args, plan, op);
  }
  if (several) reduce_parts(args, plan, Joined<Op>{op}, ctx);
}

}  // namespace nn::cuda
