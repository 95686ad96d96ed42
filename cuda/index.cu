// Indexing: elements and slices picked, put, and found; sums are in index_add.cu, sorting in sort.cu.
//
// The idea: a thread for each element of the result, or for 16 bytes of it where slices lie together in memory.
// Where places are written and one is named several times, the last shall win: a first pass leaves the largest i at
// each place that is named, an integer's maximum, which no order changes, and a second one writes only for that i.
// Parallel: all elements. Bound: memory, of which single elements here and there use 32 bytes for 4.
#include "cuda/index_lines.cuh"
#include "math/scalar.h"
#include "math/sequence.h"

namespace nn::cuda {
extern const IndexKernels index_kernels;

void index_add(const IndexArgs& args, const LaunchContext& ctx);     // index_add.cu
void scatter_add(const GatherArgs& args, const LaunchContext& ctx);  // index_add.cu
void nonzero(const NonzeroArgs& args, const LaunchContext& ctx);     // nonzero.cu
void sort(const SortArgs& args, const LaunchContext& ctx);           // sort.cu

namespace {

template <class T>
__global__ void __launch_bounds__(kThreads) pick_kernel(Lines l, int64_t total) {
  T* const y = static_cast<T*>(l.y);
  const T* const x = static_cast<const T*>(l.x);
  for_lines(l, total, [&](int64_t, int64_t, const int64_t (&place)[3]) {
    const int64_t at = l.index[place[1]];
    y[place[0]] = inside(l, at) ? x[place[2] + at * l.step[2]] : T{};
  });
}

// last[place] = 0 for every place that is named, or the largest i + 1 of those that name it.
__global__ void __launch_bounds__(kThreads) mark_kernel(Lines l, int64_t total, unsigned* last, bool first) {
  for_lines(l, total, [&](int64_t line, int64_t i, const int64_t (&place)[3]) {
    const int64_t at = l.index[place[1]];
    if (!inside(l, at)) return;
    unsigned* const mark = last + line * l.extent + at;
    if (first)
      atomicExch(mark, 0u);
    else
      atomicMax(mark, static_cast<unsigned>(i + 1));
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) put_kernel(Lines l, int64_t total, const unsigned* last) {
  const T* const y = static_cast<const T*>(l.y);
  T* const x = static_cast<T*>(l.x);
  for_lines(l, total, [&](int64_t line, int64_t i, const int64_t (&place)[3]) {
    const int64_t at = l.index[place[1]];
    if (!inside(l, at)) return;
    if (last == nullptr || last[(l.shared ? 0 : line * l.extent) + at] == static_cast<unsigned>(i + 1))
      x[place[2] + at * l.step[2]] = y[place[0]];
  });
}

struct alignas(16) Bytes16 {
  uint64_t half[2];
};

// body(T{}) for the widest T that the elements can be moved by; the lines are made to fit.
template <class Body>
void with_unit(DType dtype, Lines& lines, const Body& body) {
  int64_t size = 0;
  with_any_type(dtype, [&]<class T>(T) { size = sizeof(T); });
  if (widen(lines, size, 16)) return body(Bytes16{});
  if (size == 8 || widen(lines, size, 8)) return body(uint64_t{});
  if (size == 4 || widen(lines, size, 4)) return body(uint32_t{});
  if (size == 2) return body(uint16_t{});
  body(uint8_t{});
}

template <class Args>
void pick(const Args& args, const LaunchContext& ctx) {
  Lines lines = lines_of(args);
  with_unit(args.dtype, lines, [&]<class T>(T) {
    const int64_t total = lines.lines() * lines.count;
    if (total > 0) NN_LAUNCH(pick_kernel<T>, blocks_for(total), kThreads, 0, ctx, lines, total);
  });
}

template <class T>
void put_lines(const Lines& lines, const LaunchContext& ctx) {
  const int64_t total = lines.lines() * lines.count;
  if (total == 0) return;
  if (lines.count == 1) {
    NN_LAUNCH(put_kernel<T>, blocks_for(total), kThreads, 0, ctx, lines, total, nullptr);
    return;
  }
  const Lines index = index_alone(lines);
  const int64_t sets = index.lines(), named = sets * index.count;
  const Workspace workspace(static_cast<size_t>(sets * index.extent) * sizeof(unsigned), ctx);
  unsigned* const last = static_cast<unsigned*>(workspace.data);
  for (const bool first : {true, false})
    NN_LAUNCH(mark_kernel, blocks_for(named), kThreads, 0, ctx, index, named, last, first);
  NN_LAUNCH(put_kernel<T>, blocks_for(total), kThreads, 0, ctx, lines, total, last);
}

template <class Args>
void put(const Args& args, const LaunchContext& ctx) {
  constexpr int64_t kMost = int64_t{1} << 31;  // i + 1 fits into 32 bits: longer lines in parts, one after the other
  Lines lines = lines_of(args);
  with_unit(args.dtype, lines, [&]<class T>(T) {
    for (int64_t begin = 0; begin < args.count; begin += kMost) {
      Lines part = lines;
      part.count = args.count - begin < kMost ? args.count - begin : kMost;
      part.y = static_cast<T*>(lines.y) + begin * lines.step[0];
      part.index = lines.index + begin * lines.step[1];
      put_lines<T>(part, ctx);
    }
  });
}

__global__ void __launch_bounds__(kThreads) check_kernel(CheckIndexArgs args) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
#pragma unroll 1
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < args.count; i += step)
    if (args.index[i] < args.low || args.index[i] >= args.high) report(args.fault, args.index[i]);
}

void check_index(const CheckIndexArgs& args, const LaunchContext& ctx) {
  if (args.count > 0) NN_LAUNCH(check_kernel, blocks_for(args.count), kThreads, 0, ctx, args);
}

__global__ void __launch_bounds__(kThreads) wrap_kernel(WrapIndexArgs args) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
#pragma unroll 1
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < args.count; i += step) {
    const int64_t at = args.index[i];
    if (at < -args.size || at >= args.size) report(args.fault, at);
    args.wrapped[i] = at < 0 ? at + args.size : at;
  }
}

void wrap_index(const WrapIndexArgs& args, const LaunchContext& ctx) {
  if (args.count > 0) NN_LAUNCH(wrap_kernel, blocks_for(args.count), kThreads, 0, ctx, args);
}

// A thread for each column of a bag. Bounds that are wrong have been reported: it stays inside the index. float32 is
// compared in double, which makes one kernel of two.
__global__ void __launch_bounds__(kThreads) bag_max_kernel(BagMaxArgs args) {
  const int64_t columns = int64_t{gridDim.x} * kThreads;
#pragma unroll 1
  for (int64_t b = blockIdx.y; b < args.bags; b += gridDim.y) {
    const int64_t first = args.start[b], end = least(args.start[b + 1], args.count);
#pragma unroll 1
    for (int64_t d = int64_t{blockIdx.x} * kThreads + threadIdx.x; d < args.width; d += columns) {
      int64_t place = -1;
      double largest = 0;
#pragma unroll 1
      for (int64_t i = first < 0 ? 0 : first; i < end; ++i) {
        const int64_t row = args.index[i];
        if (row == args.padding) continue;
        if (row < 0 || row >= args.extent) {
          report(args.fault, row);
          continue;
        }
        const int64_t at = row * args.x_row + d * args.x_column;
        const double value = args.dtype == DType::float32 ? static_cast<const float*>(args.x)[at]
                                                          : static_cast<const double*>(args.x)[at];
        if (place >= 0 && !exceeds(value, largest)) continue;
        place = row;
        largest = value;
      }
      args.place[b * args.width + d] = place;
    }
  }
}

void bag_max(const BagMaxArgs& args, const LaunchContext& ctx) {
  if (args.bags * args.width == 0) return;
  const dim3 grid(blocks_for(args.width), static_cast<unsigned>(least(args.bags, int64_t{1} << 15)));
  NN_LAUNCH(bag_max_kernel, grid, kThreads, 0, ctx, args);
}

__global__ void __launch_bounds__(kThreads) sequence_kernel(SequenceArgs args) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
#pragma unroll 1
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < args.count; i += step) {
    if (args.dtype == DType::int64)
      static_cast<int64_t*>(args.y)[i] = integer_at(args.integer_start, args.integer_step, i);
    else
      static_cast<double*>(args.y)[i] = number_at(args.start, args.end, args.step, args.half, args.count, i);
  }
}

void sequence(const SequenceArgs& args, const LaunchContext& ctx) {
  if (args.count > 0) NN_LAUNCH(sequence_kernel, blocks_for(args.count), kThreads, 0, ctx, args);
}

}  // namespace

const IndexKernels index_kernels = {
    {"index_select", pick<IndexArgs>},
    {"index_copy", put<IndexArgs>},
    {"index_add", index_add},
    {"gather", pick<GatherArgs>},
    {"scatter", put<GatherArgs>},
    {"scatter_add", scatter_add},
    {"check_index", check_index},
    {"wrap_index", wrap_index},
    {"nonzero", nonzero},
    {"sort", sort},
    {"sequence", sequence},
    {"bag_max", bag_max},
};

}  // namespace nn::cuda
