// Both kinds of indexing as one, and the walk over what they touch.
#pragma once

#include "core/kernels/index.h"
#include "cuda/loops.cuh"

namespace nn::cuda {

// Element (line, i) of y belongs to element (line, index[line, i]) of x. Where whole slices are named, all lines share
// an index. A line is a place of `outer` and one of its `width` neighbours, which come before the next i: wherever
// neighbours in memory are neighbours of a thread.
struct Lines {
  void* y;
  const int64_t* index;
  void* x;
  int64_t count, extent, width;
  int64_t step[3], next[3];  // of y, index and x: along the indexed dimension, and from a line to its neighbour
  StridedLoop<3> outer;
  bool shared;
  FaultSite fault;

  int64_t lines() const { return count_of(outer) * width; }
};

// `near`: the operand whose strides say which dimension is the fastest.
inline Lines lines_of(const StridedLoop<3>& loop, const int64_t (&step)[3], int near) {
  Lines l{};
  l.outer = loop;
  l.width = 1;
  const int last = loop.ndim - 1;
  const bool wide = loop.shape[last] > 1 && (loop.stride[near][last] == 1 || loop.stride[near][last] <= step[near]);
  if (wide) {
    l.width = loop.shape[last];
    l.outer.ndim = last;
  }
  if (l.outer.ndim == 0) {
    l.outer.ndim = 1;
    l.outer.shape[0] = 1;
  }
  for (int n = 0; n < 3; ++n) {
    l.step[n] = step[n];
    l.next[n] = wide ? loop.stride[n][last] : 1;
  }
  return l;
}

inline Lines lines_of(const IndexArgs& args) {
  StridedLoop<3> loop{};
  loop.ndim = args.kept_ndim;
  for (int d = 0; d < args.kept_ndim; ++d) {
    loop.shape[d] = args.kept_shape[d];
    loop.stride[0][d] = args.y_kept[d];
    loop.stride[2][d] = args.x_kept[d];
  }
  Lines l = lines_of(loop, {args.y_step, 1, args.x_step}, 2);
  l.y = args.y, l.index = args.index, l.x = args.x;
  l.count = args.count, l.extent = args.extent;
  l.shared = true, l.fault = args.fault;
  return l;
}

inline Lines lines_of(const GatherArgs& args) {
  Lines l = lines_of(args.loop, args.step, 0);
  l.y = args.loop.data[0], l.index = static_cast<const int64_t*>(args.loop.data[1]), l.x = args.loop.data[2];
  l.count = args.count, l.extent = args.extent;
  l.fault = args.fault;
  return l;
}

// The index as lines of its own: one line where all share it.
inline Lines index_alone(const Lines& lines) {
  Lines l = lines;
  if (!lines.shared) return l;
  l.outer = {};
  l.outer.ndim = 1;
  l.outer.shape[0] = 1;
  l.width = 1;
  return l;
}

// Neighbours taken together, `unit` bytes at a time, if they lie together everywhere and begin at multiples of it.
inline bool widen(Lines& lines, int64_t element, int64_t unit) {
  if (!lines.shared || lines.width == 1 || lines.next[0] != 1 || lines.next[2] != 1) return false;
  const auto fits = [&](int64_t elements) { return elements * element % unit == 0; };
  bool all = fits(lines.width);
  for (int n = 0; n < 3; n += 2) {
    all = all && fits(lines.step[n]) && reinterpret_cast<uintptr_t>(n == 0 ? lines.y : lines.x) % unit == 0;
    for (int d = 0; d < lines.outer.ndim; ++d)
      all = all && (lines.outer.shape[d] == 1 || fits(lines.outer.stride[n][d]));
  }
  if (!all) return false;
  const int64_t by = unit / element;
  lines.width /= by;
  for (int n = 0; n < 3; n += 2) {
    lines.step[n] /= by;
    for (int d = 0; d < lines.outer.ndim; ++d) lines.outer.stride[n][d] /= by;
  }
  return true;
}

// Where a line begins in y, index and x.
template <class Index>
__device__ __forceinline__ void locate_line(const Lines& l, Index line, int64_t (&place)[3]) {
  const Index width = static_cast<Index>(l.width), o = line / width, j = line - o * width;
  locate(l.outer, o, place);
  for (int n = 0; n < 3; ++n) place[n] += static_cast<int64_t>(j) * l.next[n];
}

// body(line, i, place) for the elements of this thread: where they are in y and index, and where their line begins in
// x.
template <class Index, class Body>
__device__ __forceinline__ void walk_lines(const Lines& l, Index total, const Body& body) {
  const Index width = static_cast<Index>(l.width), count = static_cast<Index>(l.count);
  const Index step = static_cast<Index>(gridDim.x) * kThreads;
#pragma unroll 1
  for (Index n = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; n < total; n += step) {
    const Index q = n / width, j = n - q * width, o = q / count, i = q - o * count;
    int64_t place[3];
    locate(l.outer, o, place);
    for (int k = 0; k < 3; ++k) place[k] += static_cast<int64_t>(j) * l.next[k];
    for (int k = 0; k < 2; ++k) place[k] += static_cast<int64_t>(i) * l.step[k];
    body(static_cast<int64_t>(o) * l.width + j, static_cast<int64_t>(i), place);
  }
}
template <class Body>
__device__ __forceinline__ void for_lines(const Lines& l, int64_t total, const Body& body) {
  if (total < int64_t{1} << 30)  // room for a step of the grid
    walk_lines<uint32_t>(l, static_cast<uint32_t>(total), body);
  else
    walk_lines<uint64_t>(l, static_cast<uint64_t>(total), body);
}

// Whether x has a place `at`; if not, the host is told.
__device__ __forceinline__ bool inside(const Lines& l, int64_t at) {
  const bool good = 0 <= at && at < l.extent;
  if (!good) report(l.fault, at);
  return good;
}

}  // namespace nn::cuda
