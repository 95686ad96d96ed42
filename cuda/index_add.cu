// Sums at places that an index names: the backward of an embedding and of gather.
//
// The idea: the index is sorted, stably, so that what belongs to one place comes together, in the order of i; then each
// place has an owner that sums. So the sum's order is decided by the index, never by the threads, without atomics.
// A place that is named very often would keep one thread busy for long: positions are cut into chunks of 64, the sums
// of a place in the chunks it reaches into are kept aside and joined by a second pass.
// Parallel: all chunks of all places, each line, by 16 bytes where lines lie together. Bytes moved: y once, the touched
// part of x twice, the sorted index (16 bytes for a place) once for every line, mostly from a cache. An index of one
// place for each line needs none of this.
#include <type_traits>

#include "cuda/index_lines.cuh"

namespace nn::cuda {

void index_add(const IndexArgs& args, const LaunchContext& ctx);
void scatter_add(const GatherArgs& args, const LaunchContext& ctx);
void sort(const SortArgs& args, const LaunchContext& ctx);  // sort.cu

namespace {

constexpr int64_t kChunk = 64;

template <class T>
__device__ __forceinline__ T sum(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a || b;
  else
    return static_cast<T>(a + b);
}
template <class T, int kCount>
__device__ __forceinline__ Pack<T, kCount> sum(const Pack<T, kCount>& a, const Pack<T, kCount>& b) {
  Pack<T, kCount> c;
#pragma unroll
  for (int k = 0; k < kCount; ++k) c.at[k] = sum(a.at[k], b.at[k]);
  return c;
}

template <class T>
__global__ void __launch_bounds__(kThreads) add_single_kernel(Lines l, int64_t total) {
  for_lines(l, total, [&](int64_t, int64_t, const int64_t (&place)[3]) {
    const int64_t at = l.index[place[1]];
    if (!inside(l, at)) return;
    T* const to = static_cast<T*>(l.x) + place[2] + at * l.step[2];
    *to = sum(*to, static_cast<const T*>(l.y)[place[0]]);
  });
}

// The index of each line, sorted, and where in the line each of its places was.
struct Sorted {
  const int64_t* place;
  const int64_t* from;
  int64_t next;  // from a line to its neighbour: 0 where all share one
};

// Divisions of 64 bits would take more registers than there are: what a launch numbers fits into 30 bits.
constexpr int64_t kMost = int64_t{1} << 30;

// body(line, position) for those of a thread: `positions` from `first` on, lines first where neighbouring lines are
// neighbours in memory.
template <class Body>
__device__ __forceinline__ void for_positions(int64_t lines, int64_t first, int64_t positions, bool lines_first,
                                              const Body& body) {
  const uint32_t total = static_cast<uint32_t>(lines * positions), step = gridDim.x * kThreads;
  const uint32_t inner = static_cast<uint32_t>(lines_first ? lines : positions);
  for (uint32_t n = blockIdx.x * kThreads + threadIdx.x; n < total; n += step) {
    const uint32_t slow = n / inner, fast = n - slow * inner;
    body(lines_first ? fast : slow, first + (lines_first ? slow : fast));
  }
}

// partial[2 c] and partial[2 c + 1]: the sums of chunk c for the place that it begins with and the one that it ends
// with, if these reach into other chunks; one of each for every line.
template <class T>
__global__ void __launch_bounds__(kThreads) add_chunks_kernel(Lines l, int64_t lines, int64_t first, int64_t positions,
                                                              Sorted sorted, T* partial, bool lines_first) {
  for_positions(lines, first, positions, lines_first, [&](uint32_t line, int64_t p) {
    const int64_t* const place = sorted.place + static_cast<int64_t>(line) * sorted.next;
    const int64_t at = place[p];
    const bool begins = p == 0 || place[p - 1] != at;
    if (!begins && p % kChunk != 0) return;
    if (!inside(l, at)) return;
    int64_t begin[3];
    locate_line(l, line, begin);
    const int64_t* const from = sorted.from + static_cast<int64_t>(line) * sorted.next;
    const T* const y = static_cast<const T*>(l.y) + begin[0];
    T* const x = static_cast<T*>(l.x) + begin[2] + at * l.step[2];
    const int64_t full = (p / kChunk + 1) * kChunk, end = full < l.count ? full : l.count;
    int64_t q = p;
    while (q < end && place[q] == at) ++q;
    const bool closed = begins && (q == l.count || place[q] != at);
    T total = y[from[p] * l.step[0]];
    if (closed) total = sum(*x, total);
    for (int64_t k = p + 1; k < q; ++k) total = sum(total, y[from[k] * l.step[0]]);
    if (closed)
      *x = total;
    else
      partial[(p / kChunk * 2 + (p % kChunk != 0)) * lines + static_cast<int64_t>(line)] = total;
  });
}

// The place that a chunk ends with, if it began there and goes on.
template <class T>
__global__ void __launch_bounds__(kThreads) join_chunks_kernel(Lines l, int64_t lines, int64_t first, int64_t positions,
                                                               Sorted sorted, const T* partial, bool lines_first) {
  for_positions(lines, first, positions, lines_first, [&](uint32_t line, int64_t c) {
    const int64_t* const place = sorted.place + static_cast<int64_t>(line) * sorted.next;
    const int64_t start = c * kChunk, at = place[start + kChunk - 1];
    if (place[start + kChunk] != at || at < 0 || at >= l.extent) return;
    const bool whole = place[start] == at;
    if (whole && c > 0 && place[start - 1] == at) return;
    int64_t begin[3];
    locate_line(l, line, begin);
    T* const x = static_cast<T*>(l.x) + begin[2] + at * l.step[2];
    T total = sum(*x, partial[(2 * c + !whole) * lines + static_cast<int64_t>(line)]);
    for (int64_t k = c + 1; k * kChunk < l.count && place[k * kChunk] == at; ++k)
      total = sum(total, partial[2 * k * lines + static_cast<int64_t>(line)]);
    *x = total;
  });
}

// The index of `index`, lines of it alone, next to each other at `place`, and their sources at `from`.
void sort_index(const Lines& index, int64_t* place, int64_t* from, const LaunchContext& ctx) {
  SortArgs args{};
  args.dtype = DType::int64;
  args.x = index.index;
  args.values = place;
  args.index = from;
  args.count = args.keep = index.count;
  args.x_step = index.step[1];
  args.y_step = 1;
  args.kept_ndim = index.outer.ndim;
  for (int d = 0; d < index.outer.ndim; ++d) {
    args.kept_shape[d] = index.outer.shape[d];
    args.x_kept[d] = index.outer.stride[1][d];
  }
  if (index.width > 1) {
    args.kept_shape[args.kept_ndim] = index.width;
    args.x_kept[args.kept_ndim++] = index.next[1];
  }
  int64_t next = index.count;
  for (int d = args.kept_ndim - 1; d >= 0; --d) {
    args.y_kept[d] = next;
    next *= args.kept_shape[d];
  }
  sort(args, ctx);
}

// start(first, positions) for all of `count`, few enough at a time.
template <class Start>
void in_parts(int64_t lines, int64_t count, const Start& start) {
  const int64_t most = kMost / lines;
  for (int64_t first = 0; first < count; first += most) start(first, count - first < most ? count - first : most);
}

template <class T>
void add_few_lines(const Lines& lines, int64_t many, const LaunchContext& ctx) {
  const Lines index = index_alone(lines);
  const int64_t named = index.lines() * index.count, chunks = ceil_div(lines.count, kChunk);
  const Workspace room(static_cast<size_t>(2 * named) * sizeof(int64_t), ctx);
  const Workspace partial(chunks > 1 ? static_cast<size_t>(2 * chunks * many) * sizeof(T) : 0, ctx);
  int64_t *const place = static_cast<int64_t*>(room.data), *const from = place + named;
  sort_index(index, place, from, ctx);
  const Sorted sorted{place, from, lines.shared ? 0 : lines.count};
  const bool lines_first = lines.shared && lines.width > 1;
  T* const parts = static_cast<T*>(partial.data);
  in_parts(many, lines.count, [&](int64_t first, int64_t positions) {
    NN_LAUNCH(add_chunks_kernel<T>, blocks_for(many * positions), kThreads, 0, ctx, lines, many, first, positions,
              sorted, parts, lines_first);
  });
  in_parts(many, chunks - 1, [&](int64_t first, int64_t positions) {
    NN_LAUNCH(join_chunks_kernel<T>, blocks_for(many * positions), kThreads, 0, ctx, lines, many, first, positions,
              sorted, parts, lines_first);
  });
}

// Lines that are too many for the kernels, as two halves of their longest dimension.
template <class T>
void add_lines(const Lines& lines, const LaunchContext& ctx) {
  const int64_t many = lines.lines(), total = many * lines.count;
  if (total == 0) return;
  if (lines.count == 1) {
    NN_LAUNCH(add_single_kernel<T>, blocks_for(total), kThreads, 0, ctx, lines, total);
    return;
  }
  if (many <= kMost) return add_few_lines<T>(lines, many, ctx);
  int longest = 0;
  for (int d = 1; d < lines.outer.ndim; ++d)
    if (lines.outer.shape[d] > lines.outer.shape[longest]) longest = d;
  const bool neighbours = lines.width >= lines.outer.shape[longest];
  Lines half[2] = {lines, lines};
  const int64_t extent = neighbours ? lines.width : lines.outer.shape[longest], middle = extent / 2;
  for (int h = 0; h < 2; ++h)
    (neighbours ? half[h].width : half[h].outer.shape[longest]) = h == 0 ? middle : extent - middle;
  const auto beyond = [&](int n) { return middle * (neighbours ? lines.next[n] : lines.outer.stride[n][longest]); };
  half[1].y = static_cast<T*>(lines.y) + beyond(0);
  half[1].index = lines.index + beyond(1);
  half[1].x = static_cast<T*>(lines.x) + beyond(2);
  for (const Lines& each : half) add_lines<T>(each, ctx);
}

template <class Args>
void add(const Args& args, const LaunchContext& ctx) {
  Lines lines = lines_of(args);
  with_type(args.dtype, [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      if (widen(lines, sizeof(T), 16)) return add_lines<Pack<T, 16 / sizeof(T)>>(lines, ctx);
    }
    add_lines<T>(lines, ctx);
  });
}

}  // namespace

void index_add(const IndexArgs& args, const LaunchContext& ctx) { add(args, ctx); }
void scatter_add(const GatherArgs& args, const LaunchContext& ctx) { add(args, ctx); }

}  // namespace nn::cuda
