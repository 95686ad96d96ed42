// Contracts of indexing: elements picked from, and put to, places that an array of integers names.
#pragma once

#include "core/kernels/fault.h"
#include "core/kernels/kernel.h"

namespace nn {

// Whole slices. x has `extent` slices along the indexed dimension, y has `count`, and slice i of y belongs to slice
// index[i] of x. The other dimensions are merged and ordered by the strides of x, the smallest last; there is at least
// one. index holds `count` adjacent int64 in [0, extent); `fault` tells of others. Where one slice of x is named
// several times, the order is that of i.
struct IndexArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  void* x;
  void* y;
  const int64_t* index;
  int64_t extent, count;
  int64_t x_step, y_step;  // from one slice to the next
  int kept_ndim;
  int64_t kept_shape[kMaxDims], x_kept[kMaxDims], y_kept[kMaxDims];
  FaultSite fault;
};

// Single elements. For each place p of the loop and i below `count`, y[p, i] belongs to x[p, index[p, i]]; the loop's
// operands are y, index and x, with the indexed dimension left out, whose steps are given. An index is in [0, extent);
// `fault` tells of others.
struct GatherArgs {
  static constexpr bool takes_half_on_gpu = true;
  DType dtype;
  StridedLoop<3> loop;  // y, index, x
  int64_t count, extent;
  int64_t step[3];
  FaultSite fault;
};

// Whether `count` adjacent int64 are in [low, high). Where `fault` has no word, *first_bad = the first i for which
// index[i] is not, or -1.
struct CheckIndexArgs {
  const int64_t* index;
  int64_t count, low, high;
  int64_t* first_bad;
  FaultSite fault;
};

// wrapped[i] = index[i], or index[i] + size where it is negative, for `count` adjacent int64 in [-size, size); `fault`
// tells of others.
struct WrapIndexArgs {
  const int64_t* index;
  int64_t* wrapped;
  int64_t count, size;
  FaultSite fault;
};

// The coordinates of the elements that are not 0, row by row: y is [found, ndim], `found` their number, ndim at
// least 1. x is contiguous with `shape`.
struct NonzeroArgs {
  DType dtype;
  const void* x;
  int64_t* y;
  int64_t found;
  int ndim;
  int64_t shape[kMaxDims];
};

// values[k, i], index[k, i]: the first `keep` of x[k, ...] in order along one dimension, and where each was. Equal
// elements keep their order, NaN counts as the largest. The kept dimensions are as for IndexArgs; values and index have
// one layout.
struct SortArgs {
  DType dtype;
  bool descending;
  const void* x;
  void* values;
  int64_t* index;
  int64_t count, keep, x_step, y_step;
  int kept_ndim;
  int64_t kept_shape[kMaxDims], x_kept[kMaxDims], y_kept[kMaxDims];
};

// place[b, d] = the row i among index[start[b]] ... index[start[b + 1] - 1], those that are `padding` apart, in which
// x[i, d] is the largest: NaN counts as the largest, and the first of equals is taken; -1 where there is none. start
// has bags + 1 elements, which do not decrease, from 0 to at most `count`; index holds `count` in [0, extent); `fault`
// tells of others.
struct BagMaxArgs {
  DType dtype;
  const void* x;
  const int64_t* index;
  const int64_t* start;
  int64_t* place;
  int64_t bags, width, count, extent, padding;
  int64_t x_row, x_column;
  FaultSite fault;
};

// y[i] = start + i step, of `count` adjacent elements. Of float64 the first `half` are counted so, the others back from
// the end: y[i] = end - (count - 1 - i) step. Products are rounded before they are added.
struct SequenceArgs {
  DType dtype;  // int64, for `integer_start` and `integer_step`, or float64
  void* y;
  int64_t count;
  int64_t integer_start, integer_step;
  double start, end, step;
  int64_t half;
};

struct IndexKernels {
  Kernel<IndexArgs> select;        // y = x at index
  Kernel<IndexArgs> copy;          // x at index = y
  Kernel<IndexArgs> add;           // x at index += y
  Kernel<GatherArgs> gather;       // y = x at index
  Kernel<GatherArgs> scatter;      // x at index = y
  Kernel<GatherArgs> scatter_add;  // x at index += y
  Kernel<CheckIndexArgs> check;
  Kernel<WrapIndexArgs> wrap;
  Kernel<NonzeroArgs> nonzero;
  Kernel<SortArgs> sort;
  Kernel<SequenceArgs> sequence;
  Kernel<BagMaxArgs> bag_max;
};

}  // namespace nn
