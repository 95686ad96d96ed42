// What runs along one dimension and must know where it is: the place of the largest element, and cumulative sums.
//
// The place of the largest is a reduction of pairs, value and place, in which the earlier of equals wins, so that the
// order of joining does not matter. Cumulative sums are kept in double and int64, and one of three ways:
//   a thread a row     where rows are short, or adjacent side by side and many: coalesced, no barrier
//   a warp a row       up to 1024 elements
//   a block a chunk    beyond; where rows are few, they are cut into chunks, whose sums a first launch leaves
// Within a warp and a block, threads have packs of neighbours and exchange the sums before theirs.
// Bound: the memory's bandwidth, x read once (twice where in chunks) and y written once.
#include "core/kernels/reduce.h"
#include "cuda/keys.cuh"
#include "cuda/reduce_walk.cuh"

namespace nn::cuda {
namespace {

template <class T>
struct Found {
  T value;
  int64_t index;
};

// NaN before all, then the larger value, then the smaller index.
template <class T>
struct LargestPlace {
  using In = T;
  using Key = typename Keys<T>::Key;
  using Acc = Found<Key>;
  static constexpr int ahead = 2;
  Keys<T> keys;
  int64_t* index;

  __device__ Acc identity() const { return {lowest<Key>(), INT64_MAX}; }
  __device__ Acc lift(T x, Acc, int64_t r) const { return {keys.key(x), r}; }
  __device__ Acc join(Acc a, Acc b) const {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool equal = a_nan ? b_nan : a.value == b.value;
    const bool keep = equal ? a.index <= b.index : a_nan || (!b_nan && a.value > b.value);
    return keep ? a : b;
  }
  __device__ void write(void* y, int64_t at, Acc a, Acc) const {
    static_cast<T*>(y)[at] = keys.value(a.value);
    index[at] = a.index;
  }
};

template <bool largest>
void arg_reduce(const ArgReduceArgs& args, const LaunchContext& ctx) {
  ReduceArgs reduction{};
  reduction.dtype = args.dtype;
  reduction.x = args.x;
  reduction.y = args.y;
  reduction.kept_ndim = args.kept_ndim;
  for (int d = 0; d < args.kept_ndim; ++d) {
    reduction.kept_shape[d] = args.kept_shape[d];
    reduction.x_kept[d] = args.x_kept[d];
    reduction.y_kept[d] = args.y_kept[d];
  }
  reduction.reduced_ndim = 1;
  reduction.reduced_shape[0] = args.count;
  reduction.x_reduced[0] = args.x_step;
  with_type(args.dtype, [&]<class T>(T) {
    using Read = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
    reduce_all(reduction, LargestPlace<Read>{Keys<Read>(largest), args.index}, ctx);
  });
}

// ---- cumulative sums and products

struct Add {
  __device__ static double join(double a, double b) { return a + b; }
  __device__ static int64_t join(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
  static constexpr int start = 0;
};
struct Multiply {
  __device__ static double join(double a, double b) { return a * b; }
  __device__ static int64_t join(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
  static constexpr int start = 1;
};

template <class T>
using AccOf = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;

struct ScanPlan {
  int64_t outputs;  // rows
  Divisor kept[kMaxDims];
  Divisor chunks;  // of a row
  int64_t size;    // elements of a chunk, whole tiles of a block
  bool packed;     // rows of x and of y are adjacent and begin aligned
  void* sums;      // [outputs, chunks], where there are several
};

// A thread for each row; it reads several elements ahead.
template <class T, class Op>
__global__ void __launch_bounds__(kThreads, 2) threads_kernel(ScanArgs args, ScanPlan plan) {
  constexpr int kAhead = 8;
  const int64_t k = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (k >= plan.outputs) return;
  const T* const x = static_cast<const T*>(args.x) + place_of(k, args.kept_ndim, plan.kept, args.x_kept);
  T* const y = static_cast<T*>(args.y) + place_of(k, args.kept_ndim, plan.kept, args.y_kept);
  AccOf<T> acc = Op::start;
  int64_t i = 0;
  for (; i + kAhead <= args.count; i += kAhead) {
    T v[kAhead];
#pragma unroll
    for (int u = 0; u < kAhead; ++u) v[u] = x[(i + u) * args.x_step];
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      acc = Op::join(acc, static_cast<AccOf<T>>(v[u]));
      y[(i + u) * args.y_step] = static_cast<T>(acc);
    }
  }
  for (; i < args.count; ++i) {
    acc = Op::join(acc, static_cast<AccOf<T>>(x[i * args.x_step]));
    y[i * args.y_step] = static_cast<T>(acc);
  }
}

// The sums of the chunks.
template <class T, class Op>
__global__ void __launch_bounds__(kThreads, 2) sums_kernel(ScanArgs args, ScanPlan plan) {
  using Acc = AccOf<T>;
  NN_SHARED(Acc, shared, [kThreads / kWarp]);
  const int64_t row = blockIdx.x / plan.chunks, chunk = blockIdx.x - row * plan.chunks.number;
  const T* const x = static_cast<const T*>(args.x) + place_of(row, args.kept_ndim, plan.kept, args.x_kept);
  const int64_t end = least(args.count, (chunk + 1) * plan.size);
  Acc acc = Op::start;
#pragma unroll 4
  for (int64_t i = chunk * plan.size + threadIdx.x; i < end; i += kThreads)
    acc = Op::join(acc, static_cast<Acc>(x[i * args.x_step]));
  const auto join = [](Acc a, Acc b) { return Op::join(a, b); };
  acc = block_reduce<kThreads>(acc, join, shared, static_cast<int>(threadIdx.x));
  if (threadIdx.x == 0) static_cast<Acc*>(plan.sums)[blockIdx.x] = acc;
}

// What the lanes before this one have, joined, and what all have.
template <class Acc, class Op>
__device__ __forceinline__ Acc before_lane(Acc own, int lane, Acc& all) {
  Acc through = own;
#pragma unroll
  for (int by = 1; by < kWarp; by *= 2) {
    const Acc other = __shfl_up_sync(kAllLanes, through, by);
    if (lane >= by) through = Op::join(other, through);
  }
  all = __shfl_sync(kAllLanes, through, kWarp - 1);
  const Acc before = __shfl_up_sync(kAllLanes, through, 1);
  return lane == 0 ? Acc{Op::start} : before;
}

// A warp or a block for each row or chunk: tiles of `threads` packs, one after the other.
template <class T, class Op, int threads>
__global__ void __launch_bounds__(kThreads, 2) rows_scan_kernel(ScanArgs args, ScanPlan plan) {
  using Acc = AccOf<T>;
  constexpr int kPack = kPackOf<T>, kWarps = threads / kWarp;
  using Packed = Pack<T, kPack>;
  NN_SHARED(Acc, shared, [kThreads / kWarp]);

  const int thread = static_cast<int>(threadIdx.x) % threads, lane = thread % kWarp, warp = thread / kWarp;
  const int64_t item = int64_t{blockIdx.x} * (kThreads / threads) + threadIdx.x / threads;
  const int64_t row = item / plan.chunks, chunk = item - row * plan.chunks.number;
  if (row >= plan.outputs) return;  // whole warps, and no block that has barriers
  const T* const x = static_cast<const T*>(args.x) + place_of(row, args.kept_ndim, plan.kept, args.x_kept);
  T* const y = static_cast<T*>(args.y) + place_of(row, args.kept_ndim, plan.kept, args.y_kept);

  Acc carry = Op::start;
  if (threads == kThreads && chunk > 0) {
    for (int64_t c = thread; c < chunk; c += threads)
      carry = Op::join(carry, static_cast<const Acc*>(plan.sums)[row * plan.chunks.number + c]);
    const auto join = [](Acc a, Acc b) { return Op::join(a, b); };
    carry = block_reduce<kThreads>(carry, join, shared, thread);
  }
  const int64_t end = least(args.count, (chunk + 1) * plan.size);
  for (int64_t tile = chunk * plan.size; tile < end; tile += threads * kPack) {
    const int64_t first = tile + thread * kPack;
    const bool whole = plan.packed && first + kPack <= end;
    Packed v;
    Acc acc[kPack];
    if (whole) {
      v = *reinterpret_cast<const Packed*>(x + first);
    } else {
#pragma unroll
      for (int p = 0; p < kPack; ++p) v.at[p] = first + p < end ? x[(first + p) * args.x_step] : T{Op::start};
    }
    acc[0] = static_cast<Acc>(v.at[0]);
#pragma unroll
    for (int p = 1; p < kPack; ++p) acc[p] = Op::join(acc[p - 1], static_cast<Acc>(v.at[p]));

    Acc all;
    const Acc within = before_lane<Acc, Op>(acc[kPack - 1], lane, all);
    Acc earlier = carry;
    if constexpr (kWarps > 1) {
      __syncthreads();  // everyone has read the sums of the tile before
      if (lane == 0) shared[warp] = all;
      __syncthreads();
      all = Op::start;
      for (int w = 0; w < kWarps; ++w) {
        if (w == warp) earlier = Op::join(carry, all);
        all = Op::join(all, shared[w]);
      }
    }
    const Acc before = Op::join(earlier, within);
#pragma unroll
    for (int p = 0; p < kPack; ++p) {
      v.at[p] = static_cast<T>(Op::join(before, acc[p]));
      if (!whole && first + p < end) y[(first + p) * args.y_step] = v.at[p];
    }
    if (whole) *reinterpret_cast<Packed*>(y + first) = v;
    carry = Op::join(carry, all);
  }
}

template <class T, class Op>
void scan_of(const ScanArgs& args, const LaunchContext& ctx) {
  constexpr int64_t kPack = kPackOf<T>, kTile = kThreads * kPack, kShort = 16, kMany = 4096, kLong = 1024;
  const int last = args.kept_ndim - 1;
  ScanPlan plan{};
  plan.outputs = product_of(args.kept_shape, args.kept_ndim);
  if (plan.outputs * args.count == 0) return;
  for (int d = 0; d < args.kept_ndim; ++d) plan.kept[d] = Divisor(args.kept_shape[d]);
  const auto aligned = [&](const void* data, const int64_t* strides) {
    return reinterpret_cast<uintptr_t>(data) % (sizeof(T) * kPack) == 0 &&
           all_multiples(strides, args.kept_ndim, kPack);
  };
  plan.packed = args.x_step == 1 && args.y_step == 1 && aligned(args.x, args.x_kept) && aligned(args.y, args.y_kept);
  plan.chunks = Divisor(1);
  plan.size = args.count;

  const bool side_by_side = args.x_kept[last] == 1 && args.x_step != 1 && args.kept_shape[last] > 1;
  const auto launch_blocks = [&](auto* kernel, int64_t blocks) {
    NN_LAUNCH(kernel, static_cast<unsigned>(blocks), kThreads, 0, ctx, args, plan);
  };
  if (args.count <= kShort || (side_by_side && plan.outputs >= kMany))
    return launch_blocks(threads_kernel<T, Op>, ceil_div(plan.outputs, int64_t{kThreads}));
  if (args.count <= kLong)
    return launch_blocks(rows_scan_kernel<T, Op, kWarp>, ceil_div(plan.outputs, int64_t{kThreads / kWarp}));
  plan.size = round_up(chunk_size(args.count, plan.outputs, 4 * kTile), kTile);
  plan.chunks = Divisor(ceil_div(args.count, plan.size));
  const int64_t blocks = plan.outputs * plan.chunks.number;
  const Workspace sums(plan.chunks.number > 1 ? static_cast<size_t>(blocks) * sizeof(AccOf<T>) : 0, ctx);
  plan.sums = sums.data;
  if (plan.chunks.number > 1) launch_blocks(sums_kernel<T, Op>, blocks);
  launch_blocks(rows_scan_kernel<T, Op, kThreads>, blocks);
}

template <class Op>
void scan(const ScanArgs& args, const LaunchContext& ctx) {
  if (args.dtype == DType::float32) return scan_of<float, Op>(args, ctx);
  if (args.dtype == DType::float64) return scan_of<double, Op>(args, ctx);
  return scan_of<int64_t, Op>(args, ctx);
}

}  // namespace

extern const ScanKernels scan_kernels;
const ScanKernels scan_kernels = {
    {"max_with_index", arg_reduce<true>},
    {"min_with_index", arg_reduce<false>},
    {"cumsum", scan<Add>},
    {"cumprod", scan<Multiply>},
};

}  // namespace nn::cuda
