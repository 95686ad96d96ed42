// What runs along one dimension and must know where it is: the place of the largest element, and cumulative sums.
//
// The place of the largest in a row: blocks of a row that fit the first cache are reduced with vectors, as a maximum;
// only a block that beats the best so far is looked through for its place. In columns, the best values and the places
// of a strip are kept side by side, and rows pass over them. Cumulative sums are kept in double and int64.
#include "cpu/kernels/reduce_walk.h"

namespace nn::NN_ISA {
namespace {

template <class T>
struct Found {
  T value;
  int64_t index;
};

template <class T, bool largest>
struct Order {
  template <class V>
  NN_FN V better(V a, V b) {
    return largest ? max(a, b) : min(a, b);
  }
  // Whether a, found later, replaces b: strictly better, or the first NaN.
  NN_FN bool replaces(T a, T b) { return (largest ? a > b : a < b) || (a != a && b == b); }
};

template <class T, bool largest>
T best_of_block(const T* x, int64_t n, int64_t step) {
  using O = Order<T, largest>;
  T best = x[0];
  int64_t i = 0;
  if constexpr (is_floating<T>) {
    using V = Vec<T>;
    if (step == 1 && n >= 2 * V::size) {
      V a = V::load(x), b = V::load(x + V::size);
      for (i = 2 * V::size; i + 2 * V::size <= n; i += 2 * V::size) {
        a = O::better(a, V::load(x + i));
        b = O::better(b, V::load(x + i + V::size));
      }
      best = O::better(a, b).fold([](V u, V v) NN_LAMBDA { return O::better(u, v); });
    }
  }
  for (; i < n; ++i) best = O::better(best, x[i * step]);
  return best;
}

template <class T>
int64_t find(const T* x, int64_t n, int64_t step, T value) {
  int64_t i = 0;
  if constexpr (is_floating<T>) {
    using V = Vec<T>;
    if (step == 1 && value == value)
      while (i + V::size <= n && !any(V::load(x + i) == V(value))) i += V::size;
  }
  while (i < n && !(x[i * step] == value || (value != value && x[i * step] != x[i * step]))) ++i;
  return i;
}

template <class T, bool largest>
Found<T> best_of_row(const T* x, int64_t begin, int64_t end, int64_t step) {
  Found<T> best = {x[begin * step], begin};
  for (int64_t i = begin; i < end; i += kBlock) {
    const int64_t n = least(kBlock, end - i);
    const T value = best_of_block<T, largest>(x + i * step, n, step);
    if (i == begin || Order<T, largest>::replaces(value, best.value))
      best = {value, i + find(x + i * step, n, step, value)};
  }
  return best;
}

template <class T, bool largest>
void arg_rows(const ArgReduceArgs& args, const LaunchContext& ctx) {
  const auto* const x = static_cast<const T*>(args.x);
  auto* const y = static_cast<T*>(args.y);
  const int64_t outputs = product(args.kept_shape, args.kept_ndim), n = args.count, chunks = ceil_div(n, kChunk);
  const Scratch scratch(static_cast<size_t>(chunks > 1 ? outputs * chunks : 0) * sizeof(Found<T>));
  auto* const parts = static_cast<Found<T>*>(scratch.data);
  parallel_for(ctx, outputs * chunks, most(1, kReduceGrain / n), [&](int64_t begin, int64_t end) {
    Odometer<2> k(args.kept_ndim, args.kept_shape, begin / chunks, args.x_kept, args.y_kept);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % chunks * kChunk;
      const Found<T> best = best_of_row<T, largest>(x + k.offset[0], first, least(n, first + kChunk), args.x_step);
      if (chunks > 1) {
        parts[i] = best;
      } else {
        y[k.offset[1]] = best.value;
        args.index[k.offset[1]] = best.index;
      }
      if (i % chunks == chunks - 1) k.next();
    }
  });
  if (chunks == 1) return;
  Odometer<1> k(args.kept_ndim, args.kept_shape, 0, args.y_kept);
  for (int64_t i = 0; i < outputs; ++i, k.next()) {
    Found<T> best = parts[i * chunks];
    for (int64_t c = 1; c < chunks; ++c)
      if (Order<T, largest>::replaces(parts[i * chunks + c].value, best.value)) best = parts[i * chunks + c];
    y[k.offset[0]] = best.value;
    args.index[k.offset[0]] = best.index;
  }
}

// An integer as wide as T, so that values and places fill vectors alike.
template <int bytes>
struct PlaceOf {
  using type = int32_t;
};
template <>
struct PlaceOf<8> {
  using type = int64_t;
};

// Rows `begin` to `end`, at most kRowsOfChunk, over a strip: best and place are those of these rows.
template <class T, bool largest>
void best_of_rows(const T* __restrict x, int64_t rows, int64_t step, int64_t width, T* __restrict best,
                  typename PlaceOf<sizeof(T)>::type* __restrict place) {
  for (int64_t j = 0; j < width; ++j) best[j] = x[j], place[j] = 0;
  for (int64_t r = 1; r < rows; ++r) {
    const T* const row = x + r * step;
    const auto here = static_cast<typename PlaceOf<sizeof(T)>::type>(r);
    for (int64_t j = 0; j < width; ++j) {
      const T a = row[j], b = best[j];
      const bool take = (largest ? a > b : a < b) | ((a != a) & (b == b));
      best[j] = take ? a : b;
      place[j] = take ? here : place[j];
    }
  }
}

template <class T, bool largest>
void arg_columns(const ArgReduceArgs& args, const LaunchContext& ctx) {
  constexpr int64_t kWidth = 256;
  const int last = args.kept_ndim - 1;
  const int64_t width = args.kept_shape[last], y_step = args.y_kept[last], strips = ceil_div(width, kWidth);
  const int64_t items = product(args.kept_shape, last) * strips;
  const int64_t grain = most(1, kReduceGrain / (least(width, kWidth) * args.count));
  parallel_for(ctx, items, grain, [&](int64_t begin, int64_t end) {
    alignas(64) T best[kWidth], value[kWidth];
    typename PlaceOf<sizeof(T)>::type place[kWidth];
    int64_t index[kWidth];
    for (int64_t i = begin; i < end; ++i) {
      const Odometer<2> k(last, args.kept_shape, i / strips, args.x_kept, args.y_kept);
      const int64_t j0 = i % strips * kWidth, n = least(kWidth, width - j0);
      const T* const x = static_cast<const T*>(args.x) + k.offset[0] + j0;
      for (int64_t r = 0; r < args.count; r += kRowsOfChunk) {
        best_of_rows<T, largest>(x + r * args.x_step, least(kRowsOfChunk, args.count - r), args.x_step, n, best, place);
        for (int64_t j = 0; j < n; ++j) {
          if (r > 0 && !Order<T, largest>::replaces(best[j], value[j])) continue;
          value[j] = best[j];
          index[j] = r + place[j];
        }
      }
      for (int64_t j = 0; j < n; ++j) {
        const int64_t at = k.offset[1] + (j0 + j) * y_step;
        static_cast<T*>(args.y)[at] = value[j];
        args.index[at] = index[j];
      }
    }
  });
}

// Rows with a stride would use one element of each cache line: columns where the outputs are adjacent instead.
template <class Args>
bool by_columns(const Args& args) {
  const int last = args.kept_ndim - 1;
  return args.x_kept[last] == 1 && args.x_step != 1 && args.kept_shape[last] > 1;
}

template <bool largest>
void arg_reduce(const ArgReduceArgs& args, const LaunchContext& ctx) {
  const auto run = [&]<class T>(T) {
    by_columns(args) ? arg_columns<T, largest>(args, ctx) : arg_rows<T, largest>(args, ctx);
  };
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
      return run(uint8_t{});
  }
}

struct Add {
  NN_FN double join(double a, double b) { return a + b; }
  NN_FN int64_t join(int64_t a, int64_t b) { return static_cast<int64_t>(uint64_t(a) + uint64_t(b)); }
  static constexpr int start = 0;
};
struct Multiply {
  NN_FN double join(double a, double b) { return a * b; }
  NN_FN int64_t join(int64_t a, int64_t b) { return static_cast<int64_t>(uint64_t(a) * uint64_t(b)); }
  static constexpr int start = 1;
};

// One row. The result before is needed for the next, so a row advances at the pace of one addition after the other; a
// long row is cut into four parts, of which the first three are added up first, all at once, and which then advance
// together.
template <class T, class Op, class Acc>
void scan_row(const T* x, int64_t x_step, T* y, int64_t y_step, int64_t n) {
  constexpr int kParts = 4;
  const int64_t part = n >= 256 ? n / kParts : 0;
  Acc acc[kParts] = {Op::start, Op::start, Op::start, Op::start};
  if (part > 0) {
    for (int64_t i = 0; i < part; ++i)
      for (int p = 1; p < kParts; ++p) acc[p] = Op::join(acc[p], static_cast<Acc>(x[((p - 1) * part + i) * x_step]));
    for (int p = 1; p < kParts; ++p) acc[p] = Op::join(acc[p - 1], acc[p]);
    for (int64_t i = 0; i < part; ++i)
      for (int p = 0; p < kParts; ++p) {
        acc[p] = Op::join(acc[p], static_cast<Acc>(x[(p * part + i) * x_step]));
        y[(p * part + i) * y_step] = static_cast<T>(acc[p]);
      }
  }
  Acc last = part > 0 ? acc[kParts - 1] : acc[0];
  for (int64_t i = kParts * part; i < n; ++i) {
    last = Op::join(last, static_cast<Acc>(x[i * x_step]));
    y[i * y_step] = static_cast<T>(last);
  }
}

// `strip` adjacent places at a time, 1 where they are not adjacent: all rows pass over one accumulator.
template <class T, class Op>
void scan_over(const ScanArgs& args, const LaunchContext& ctx, int64_t strip) {
  using Acc = decltype(Op::join(T{}, T{}));
  const int last = args.kept_ndim - 1;
  const int64_t width = args.kept_shape[last], strips = ceil_div(width, strip);
  const int64_t items = product(args.kept_shape, last) * strips;
  const int64_t grain = most(1, kReduceGrain / most(1, least(width, strip) * args.count));
  parallel_for(ctx, items, grain, [&](int64_t begin, int64_t end) {
    Acc acc[256];
    for (int64_t i = begin; i < end; ++i) {
      const Odometer<2> k(last, args.kept_shape, i / strips, args.x_kept, args.y_kept);
      const int64_t j0 = i % strips * strip, n = least(strip, width - j0);
      const int64_t x_next = args.x_kept[last], y_next = args.y_kept[last];
      const T* x = static_cast<const T*>(args.x) + k.offset[0] + j0 * x_next;
      T* y = static_cast<T*>(args.y) + k.offset[1] + j0 * y_next;
      if (strip == 1) {
        if (args.x_step == 1 && args.y_step == 1)
          scan_row<T, Op, Acc>(x, 1, y, 1, args.count);
        else
          scan_row<T, Op, Acc>(x, args.x_step, y, args.y_step, args.count);
        continue;
      }
      for (int64_t j = 0; j < n; ++j) acc[j] = Op::start;
      for (int64_t r = 0; r < args.count; ++r, x += args.x_step, y += args.y_step)
        for (int64_t j = 0; j < n; ++j) {
          acc[j] = Op::join(acc[j], static_cast<Acc>(x[j * x_next]));
          y[j * y_next] = static_cast<T>(acc[j]);
        }
    }
  });
}

template <class Op>
void scan(const ScanArgs& args, const LaunchContext& ctx) {
  const int64_t strip = by_columns(args) ? 256 : 1;
  switch (args.dtype) {
    case DType::float32:
      return scan_over<float, Op>(args, ctx, strip);
    case DType::float64:
      return scan_over<double, Op>(args, ctx, strip);
    default:
      return scan_over<int64_t, Op>(args, ctx, strip);
  }
}

}  // namespace

extern const ScanKernels scan_kernels;
const ScanKernels scan_kernels = {
    {"max_with_index", arg_reduce<true>},
    {"min_with_index", arg_reduce<false>},
    {"cumsum", scan<Add>},
    {"cumprod", scan<Multiply>},
};

}  // namespace nn::NN_ISA
