// The coordinates of the elements that are not 0.
//
// The idea: each thread takes a range of elements, counts what it will find, and from then on knows where its rows of
// the result begin. Bound: the second reading of x, a store for each element, and the result.
#include "core/kernels/index.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/odometer.h"

namespace nn::NN_ISA {
namespace {

template <class T>
int64_t count_of(const T* x, int64_t count) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) found += x[i] != T(0);
  return found;
}

// Writes the coordinates of elements [begin, end) from y on. First come places within a row, each of which the next one
// overwrites unless its element counts: no branch to guess wrong.
template <class T>
void write_range(const NonzeroArgs& args, int64_t begin, int64_t end, int64_t* y) {
  constexpr int64_t kBlock = 512;
  const int last = args.ndim - 1;
  const int64_t width = args.shape[last];
  const int64_t strides[kMaxDims] = {};
  const T* const x = static_cast<const T*>(args.x);
  int64_t place[kBlock];
  for (Odometer<1> row(last, args.shape, begin / width, strides); begin < end; row.next()) {
    const int64_t start = begin - begin % width, stop = start + width < end ? start + width : end;
    while (begin < stop) {
      const int64_t to = begin + kBlock < stop ? begin + kBlock : stop;
      int64_t found = 0;
      for (; begin < to; ++begin) {
        place[found] = begin - start;
        found += x[begin] != T(0);
      }
      for (int64_t k = 0; k < found; ++k, y += args.ndim) {
        for (int d = 0; d < last; ++d) y[d] = row.at[d];
        y[last] = place[k];
      }
    }
  }
}

template <class T>
void find(const NonzeroArgs& args, const LaunchContext& ctx) {
  constexpr int64_t kGrain = 1 << 15;  // elements that are worth a thread
  const T* const x = static_cast<const T*>(args.x);
  int64_t count = 1;
  for (int d = 0; d < args.ndim; ++d) count *= args.shape[d];
  const int64_t most = count / kGrain, parts = most < 1 ? 1 : most < ctx.threads ? most : ctx.threads;
  const Scratch scratch(static_cast<size_t>(parts + 1) * sizeof(int64_t));
  int64_t* const before = static_cast<int64_t*>(scratch.data);  // what the ranges before it find
  const auto bound = [&](int64_t part) { return count * part / parts; };
  before[0] = 0;
  if (parts > 1)
    parallel_for(ctx, parts, 1, [&](int64_t first, int64_t end) {
      for (int64_t p = first; p < end; ++p) before[p + 1] = count_of(x + bound(p), bound(p + 1) - bound(p));
    });
  for (int64_t p = 2; p < parts; ++p) before[p] += before[p - 1];
  parallel_for(ctx, parts, 1, [&](int64_t first, int64_t end) {
    for (int64_t p = first; p < end; ++p) write_range<T>(args, bound(p), bound(p + 1), args.y + before[p] * args.ndim);
  });
}

}  // namespace

void nonzero(const NonzeroArgs& args, const LaunchContext& ctx) {
  switch (args.dtype) {
    case DType::float32:
      return find<float>(args, ctx);
    case DType::float64:
      return find<double>(args, ctx);
    case DType::int32:
      return find<int32_t>(args, ctx);
    case DType::int64:
      return find<int64_t>(args, ctx);
    default:
      return find<uint8_t>(args, ctx);
  }
}

}  // namespace nn::NN_ISA
