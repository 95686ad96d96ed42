// Sorting along one dimension, stably.
//
// The idea: an element becomes an unsigned key in the same order (csrc/math/sort_key.h), paired with its place. Tiles
// of 2048 pairs are sorted in shared memory by Batcher's bitonic network ("Sorting networks and their applications",
// 1968), in which equal keys are told apart by their places; lines of up to 2048 elements are done then, and as many of
// them share a tile as fit. Longer lines are merged, two runs to one in each pass: a block finds by bisection which
// parts of the two runs make its 2048 results (Green, McColl, Bader: "GPU merge path", 2012), and each element of the
// parts finds its rank among the others by bisection in shared memory. Where only the first `keep` are asked for, no
// run is longer. Parallel: all lines and all tiles. Bytes moved: 8 (12 for elements of 8 bytes) for a pair, read and
// written in each of log2(count / 2048) passes; the bound of a tile is the 66 steps of its network in shared memory.
#include <stdexcept>

#include "core/kernels/index.h"
#include "cuda/loops.cuh"
#include "cuda/math.cuh"
#include "math/sort_key.h"

namespace nn::cuda {

void sort(const SortArgs& args, const LaunchContext& ctx);

namespace {

constexpr int kTile = 2048;  // pairs of a block

// Keys of 4 or 8 bytes: those of 1 byte are widened.
template <class T>
using Key = typename KeyOf<sizeof(T) == 1 ? 4 : sizeof(T)>::type;

// Where a line begins in x, and in values and index.
struct LinePlace {
  int64_t x, y;
};
__device__ __forceinline__ LinePlace locate_line(const SortArgs& a, int64_t line) {
  LinePlace place{0, 0};
  for (int d = a.kept_ndim - 1; d >= 0; --d) {
    const int64_t up = d > 0 ? line / a.kept_shape[d] : 0, at = line - up * a.kept_shape[d];
    place.x += at * a.x_kept[d];
    place.y += at * a.y_kept[d];
    line = up;
  }
  return place;
}

// Runs of sorted pairs: each line has `parts` of them, of `span` elements before all but the first `keep` were dropped.
struct Runs {
  int64_t count, keep, span;

  __host__ __device__ int64_t parts() const { return ceil_div(count, span); }
  __host__ __device__ int64_t pitch() const { return span < keep ? span : keep; }
  __host__ __device__ Runs merged() const { return {count, keep, span * 2}; }
  __host__ __device__ int64_t length(int64_t part) const {
    const int64_t left = count - part * span;
    return left <= 0 ? 0 : left < pitch() ? left : pitch();
  }
};

template <class U>
struct Pairs {
  U* key;
  uint32_t* place;
};

// Sorts runs of `row` elements, a power of two, kTile / row in a block: into `to`, or, where lines are single runs,
// into the result.
template <class T>
__global__ void __launch_bounds__(kThreads)
    tile_sort_kernel(SortArgs args, int64_t lines, Runs runs, int row, Pairs<Key<T>> to) {
  using U = Key<T>;
  NN_SHARED(U, key, [kTile]);
  NN_SHARED(uint32_t, place, [kTile]);
  const T* const x = static_cast<const T*>(args.x);
  const U flip = args.descending ? U(~U(0)) : U(0);
  const int64_t parts = runs.parts(), all = lines * parts;
  const int most = kTile / row;
  for (int64_t first = int64_t{blockIdx.x} * most; first < all; first += int64_t{gridDim.x} * most) {
    const int here = static_cast<int>(all - first < most ? all - first : most), pairs = here * row;
    for (int e = threadIdx.x; e < pairs; e += kThreads) {
      const int64_t run = first + e / row, line = run / parts, at = (run - line * parts) * row + e % row;
      const bool real = at < args.count;
      key[e] = real ? U(U(sort_key(x[locate_line(args, line).x + at * args.x_step])) ^ flip) : U(~U(0));
      place[e] = real ? static_cast<uint32_t>(at) : ~0u;
    }
    for (int size = 2; size <= row; size *= 2)
      for (int by = size / 2; by > 0; by /= 2) {
        __syncthreads();
        for (int p = threadIdx.x; p < pairs / 2; p += kThreads) {
          const int low = (p & ~(by - 1)) * 2 + (p & (by - 1)), high = low + by;
          const bool up = (low & (row - 1) & size) == 0;
          const U a = key[low], b = key[high];
          const uint32_t a_place = place[low], b_place = place[high];
          if ((b < a || (b == a && b_place < a_place)) == up) {
            key[low] = b, key[high] = a;
            place[low] = b_place, place[high] = a_place;
          }
        }
      }
    __syncthreads();
    for (int e = threadIdx.x; e < pairs; e += kThreads) {
      const int64_t run = first + e / row, line = run / parts, part = run - line * parts, k = e % row;
      if (k >= runs.length(part)) continue;
      if (to.key != nullptr) {
        to.key[run * runs.pitch() + k] = key[e];
        to.place[run * runs.pitch() + k] = place[e];
      } else {
        const LinePlace begin = locate_line(args, line);
        static_cast<T*>(args.values)[begin.y + k * args.y_step] = x[begin.x + int64_t{place[e]} * args.x_step];
        args.index[begin.y + k * args.y_step] = place[e];
      }
    }
    __syncthreads();
  }
}

// How many of the first `d` of two merged runs come from a. Of equal keys those of a come first.
template <class U>
__device__ __forceinline__ int64_t merge_path(const U* a, int64_t a_count, const U* b, int64_t b_count, int64_t d) {
  int64_t low = d > b_count ? d - b_count : 0, high = d < a_count ? d : a_count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (a[middle] <= b[d - 1 - middle])
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// How many of the sorted keys come before `key`; before equal ones too, or after them.
template <class U>
__device__ __forceinline__ int rank_of(U key, const U* keys, int count, bool after) {
  int low = 0, high = count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (keys[middle] < key || (after && keys[middle] == key))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Runs 2 r and 2 r + 1 of each line to one.
template <class U>
__global__ void __launch_bounds__(kThreads) merge_kernel(int64_t lines, Runs runs, Pairs<U> from, Pairs<U> to) {
  NN_SHARED(U, key, [kTile]);
  NN_SHARED(int64_t, border, [2]);
  const Runs merged = runs.merged();
  const int64_t parts = runs.parts(), merged_parts = merged.parts(), tiles = ceil_div(merged.pitch(), int64_t{kTile});
  for (int64_t n = blockIdx.x; n < lines * merged_parts * tiles; n += gridDim.x) {
    const int64_t run = n / tiles, begin = (n - run * tiles) * kTile;
    const int64_t line = run / merged_parts, part = (run - line * merged_parts) * 2;
    const int64_t length = merged.length(part / 2), a_count = runs.length(part), b_count = runs.length(part + 1);
    if (begin >= length) continue;
    const int64_t end = begin + kTile < length ? begin + kTile : length;
    const int64_t a = (line * parts + part) * runs.pitch(), b = a + runs.pitch();
    __syncthreads();  // the last results have been found
    if (threadIdx.x % 32 == 0 && threadIdx.x < 64)
      border[threadIdx.x / 32] =
          merge_path(from.key + a, a_count, from.key + b, b_count, threadIdx.x == 0 ? begin : end);
    __syncthreads();
    const int64_t a_begin = a + border[0], b_begin = b + begin - border[0];
    const int a_here = static_cast<int>(border[1] - border[0]), here = static_cast<int>(end - begin);
    const auto source = [&](int e) { return e < a_here ? a_begin + e : b_begin + (e - a_here); };
    for (int e = threadIdx.x; e < here; e += kThreads) key[e] = from.key[source(e)];
    __syncthreads();
    for (int e = threadIdx.x; e < here; e += kThreads) {
      const bool of_a = e < a_here;
      const int other = of_a ? rank_of(key[e], key + a_here, here - a_here, false) : rank_of(key[e], key, a_here, true);
      const int64_t k = run * merged.pitch() + begin + (of_a ? e : e - a_here) + other;
      to.key[k] = key[e];
      to.place[k] = from.place[source(e)];
    }
  }
}

// The result from the places in order.
template <class T>
__global__ void __launch_bounds__(kThreads) finish_kernel(SortArgs args, int64_t lines, const uint32_t* place) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x; n < lines * args.keep; n += step) {
    const int64_t line = n / args.keep, k = n - line * args.keep, at = place[n];
    const LinePlace begin = locate_line(args, line);
    static_cast<T*>(args.values)[begin.y + k * args.y_step] = static_cast<const T*>(args.x)[begin.x + at * args.x_step];
    args.index[begin.y + k * args.y_step] = at;
  }
}

unsigned grid_of(int64_t blocks) { return static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks); }

template <class T>
void sort_lines(const SortArgs& args, int64_t lines, const LaunchContext& ctx) {
  using U = Key<T>;
  if (args.count <= kTile) {
    int row = 2;
    while (row < args.count) row *= 2;
    const Runs runs{args.count, args.keep, row};
    NN_LAUNCH(tile_sort_kernel<T>, grid_of(ceil_div(lines, int64_t{kTile / row})), kThreads, 0, ctx, args, lines, runs,
              row, Pairs<U>{});
    return;
  }
  Runs runs{args.count, args.keep, kTile};
  int64_t most = 0;  // a last run that is short leaves room unused, in some passes more than in others
  for (Runs r = runs; r.span < 2 * r.count; r = r.merged())
    if (r.parts() * r.pitch() > most) most = r.parts() * r.pitch();
  const size_t pairs = static_cast<size_t>(lines * most);
  const Workspace keys(2 * pairs * sizeof(U), ctx), places(2 * pairs * sizeof(uint32_t), ctx);
  Pairs<U> now{static_cast<U*>(keys.data), static_cast<uint32_t*>(places.data)};
  Pairs<U> next{now.key + pairs, now.place + pairs};
  NN_LAUNCH(tile_sort_kernel<T>, grid_of(lines * runs.parts()), kThreads, 0, ctx, args, lines, runs, kTile, now);
  for (; runs.parts() > 1; runs = runs.merged()) {
    const Runs merged = runs.merged();
    const int64_t blocks = lines * merged.parts() * ceil_div(merged.pitch(), int64_t{kTile});
    NN_LAUNCH(merge_kernel<U>, grid_of(blocks), kThreads, 0, ctx, lines, runs, now, next);
    const Pairs<U> free = now;
    now = next, next = free;
  }
  NN_LAUNCH(finish_kernel<T>, blocks_for(lines * args.keep), kThreads, 0, ctx, args, lines, now.place);
}

}  // namespace

void sort(const SortArgs& args, const LaunchContext& ctx) {
  int64_t lines = 1;
  for (int d = 0; d < args.kept_ndim; ++d) lines *= args.kept_shape[d];
  if (lines == 0 || args.keep == 0) return;
  if (args.count >= int64_t{1} << 32) throw std::invalid_argument("sort: lines of 2^32 elements or more, on cuda");
  const auto run = [&]<class T>(T) { sort_lines<T>(args, lines, ctx); };
  switch (args.dtype) {
    case DType::float32:
      return run(float{});
    case DType::float64:
      return run(double{});
    case DType::int32:
      return run(int32_t{});
    case DType::int64:
      return run(int64_t{});
    default:
      return run(uint8_t{});  // booleans are stored as 0 and 1
  }
}

}  // namespace nn::cuda
