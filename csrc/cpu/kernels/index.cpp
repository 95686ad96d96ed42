// Indexing. Nothing is computed: the bound is the memory, so adjacent elements move together where there are any.
//
// Reading, threads share the slices of the result. Writing, the order in which the slices of y arrive at one slice of x
// must not depend on threads: each thread owns a part of every slice, or, where slices are too small for that, a range
// of x's slices, and looks through the whole index for them. Single elements stay on one thread: looking for its own
// would take each thread as long as moving all.
#include "core/kernels/index.h"

#include "core/parallel.h"
#include "cpu/kernels/odometer.h"
#include "math/scalar.h"
#include "math/sequence.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kCopyGrain = 1 << 15;  // elements below which a thread costs more than it brings
constexpr int64_t kStrip = 16;           // neighbours that one thread writes at least: a cache line of floats

// In a loop, keeps the compiler from gather instructions, which take longer than the single loads they stand for.
NN_FN void one_by_one() { __asm__ volatile(""); }

struct Assign {
  static constexpr bool copies = true;
  template <class T>
  NN_FN void put(T& to, T from) {
    to = from;
  }
};
struct Accumulate {
  static constexpr bool copies = false;
  template <class T>
  NN_FN void put(T& to, T from) {
    to = static_cast<T>(to + from);
  }
  NN_FN void put(bool& to, bool from) { to = to || from; }
};

// Slices as seen by the loops: for each place of `outer`, slice after slice, `width` elements of each.
struct Slices {
  const IndexArgs& args;
  int last = args.kept_ndim - 1;
  // The last kept dimension runs inside the loop over slices, unless slices are closer to each other than its elements.
  bool wide = args.kept_shape[last] > 1 && (args.x_kept[last] == 1 || args.x_kept[last] <= args.x_step);
  int outer_ndim = wide ? last : args.kept_ndim;
  int64_t outer = product(args.kept_shape, outer_ndim);
  int64_t width = wide ? args.kept_shape[last] : 1;
  int64_t x_next = wide ? args.x_kept[last] : 1, y_next = wide ? args.y_kept[last] : 1;

  Odometer<2> at(int64_t start) const {
    return Odometer<2>(outer_ndim, args.kept_shape, start, args.x_kept, args.y_kept);
  }
};

// to[j] = from[j], or += ...
template <class Put, class T>
NN_FN void put_slice(T* to, int64_t to_next, const T* from, int64_t from_next, int64_t width) {
  if (to_next == 1 && from_next == 1 && Put::copies)
    __builtin_memcpy(to, from, static_cast<size_t>(width) * sizeof(T));
  else if (to_next == 1 && from_next == 1)
    for (int64_t j = 0; j < width; ++j) Put::put(to[j], from[j]);
  else
    for (int64_t j = 0; j < width; ++j) Put::put(to[j * to_next], from[j * from_next]);
}

template <class T>
void select_slices(const IndexArgs& args, const LaunchContext& ctx) {
  const Slices s{args};
  parallel_for(ctx, s.outer * args.count, most(1, kCopyGrain / most(1, s.width)), [&](int64_t begin, int64_t end) {
    Odometer<2> k = s.at(begin / args.count);
    for (int64_t n = begin, i = begin % args.count; n < end; i = 0, k.next()) {
      const T* const from = static_cast<const T*>(args.x) + k.offset[0];
      T* const to = static_cast<T*>(args.y) + k.offset[1];
      const int64_t last = least(args.count, i + end - n);
      n += last - i;
      if (s.width == 1 && args.x_step == 1 && args.y_step == 1)
        for (; i < last; ++i) {
          to[i] = from[args.index[i]];
          one_by_one();
        }
      else if (s.width == 1)
        for (; i < last; ++i) to[i * args.y_step] = from[args.index[i] * args.x_step];
      else
        for (; i < last; ++i)
          put_slice<Assign>(to + i * args.y_step, s.y_next, from + args.index[i] * args.x_step, s.x_next, s.width);
    }
  });
}

// Elements [j, j + width) of the slices of y at one place of `outer`, for the slices [begin, end) of x.
template <class Put, class T>
NN_FN void put_at(const IndexArgs& args, const Slices& s, const Odometer<2>& k, int64_t j, int64_t width, int64_t begin,
                  int64_t end) {
  T* const x = static_cast<T*>(args.x) + k.offset[0] + j * s.x_next;
  const T* const y = static_cast<const T*>(args.y) + k.offset[1] + j * s.y_next;
  const bool all = begin == 0 && end == args.extent;
  if (width == 1 && all) {
    for (int64_t i = 0; i < args.count; ++i) Put::put(x[args.index[i] * args.x_step], y[i * args.y_step]);
    return;
  }
  for (int64_t i = 0; i < args.count; ++i) {
    const int64_t to = args.index[i];
    if (all || (begin <= to && to < end))
      put_slice<Put>(x + to * args.x_step, s.x_next, y + i * args.y_step, s.y_next, width);
  }
}

template <class Put, class T>
void put_slices(const IndexArgs& args, const LaunchContext& ctx) {
  const Slices s{args};
  const int64_t work = s.outer * s.width * args.count;
  const int64_t strip = most(kStrip, ceil_div(s.width, ctx.threads)), strips = ceil_div(s.width, strip);
  if (s.outer * strips >= ctx.threads || s.outer * s.width * 4 < args.count) {
    const int64_t items = s.outer * strips;
    parallel_for(ctx, items, most(1, items * kCopyGrain / most(1, work)), [&](int64_t begin, int64_t end) {
      Odometer<2> k = s.at(begin / strips);
      for (int64_t n = begin; n < end; ++n) {
        const int64_t j = n % strips * strip;
        put_at<Put, T>(args, s, k, j, least(strip, s.width - j), 0, args.extent);
        if (n % strips == strips - 1) k.next();
      }
    });
    return;
  }
  parallel_for(ctx, args.extent, most(1, args.extent * kCopyGrain / most(1, work)), [&](int64_t begin, int64_t end) {
    Odometer<2> k = s.at(0);
    for (int64_t o = 0; o < s.outer; ++o, k.next()) put_at<Put, T>(args, s, k, 0, s.width, begin, end);
  });
}

// Lines along the indexed dimension, `strip` neighbours at a time: each line is passed in order by one thread.
template <class Visit>
void walk_lines(const GatherArgs& args, const LaunchContext& ctx, const Visit& visit) {
  const StridedLoop<3>& loop = args.loop;
  const int last = loop.ndim - 1;
  const bool together = loop.shape[last] > 1 && (loop.stride[0][last] == 1 || loop.stride[0][last] < args.step[0]);
  const int64_t strip = together ? 256 : 1, strips = ceil_div(loop.shape[last], strip);
  const int64_t items = product(loop.shape, last) * strips;
  const int64_t grain = most(1, kCopyGrain / most(1, least(strip, loop.shape[last]) * args.count));
  parallel_for(ctx, items, grain, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const Odometer<3> k(last, loop.shape, n / strips, loop.stride[0], loop.stride[1], loop.stride[2]);
      const int64_t j0 = n % strips * strip, width = least(strip, loop.shape[last] - j0);
      if (width == 1) {
        const int64_t a = k.offset[0] + j0 * loop.stride[0][last], b = k.offset[1] + j0 * loop.stride[1][last];
        const int64_t c = k.offset[2] + j0 * loop.stride[2][last];
        if (args.step[0] == 1 && args.step[1] == 1)
          for (int64_t i = 0; i < args.count; ++i) visit(a + i, b + i, c);
        else
          for (int64_t i = 0; i < args.count; ++i) visit(a + i * args.step[0], b + i * args.step[1], c);
        continue;
      }
      for (int64_t i = 0; i < args.count; ++i)
        for (int64_t j = j0; j < j0 + width; ++j)
          visit(k.offset[0] + i * args.step[0] + j * loop.stride[0][last],
                k.offset[1] + i * args.step[1] + j * loop.stride[1][last], k.offset[2] + j * loop.stride[2][last]);
    }
  });
}

template <class T>
void gather_elements(const GatherArgs& args, const LaunchContext& ctx) {
  auto* const y = static_cast<T*>(args.loop.data[0]);
  const auto* const index = static_cast<const int64_t*>(args.loop.data[1]);
  const auto* const x = static_cast<const T*>(args.loop.data[2]);
  if (args.step[2] == 1)
    walk_lines(args, ctx, [=](int64_t to, int64_t at, int64_t from) {
      y[to] = x[from + index[at]];
      one_by_one();
    });
  else
    walk_lines(args, ctx,
               [=, step = args.step[2]](int64_t to, int64_t at, int64_t from) { y[to] = x[from + index[at] * step]; });
}

template <class Put, class T>
void scatter_elements(const GatherArgs& args, const LaunchContext& ctx) {
  const auto* const y = static_cast<const T*>(args.loop.data[0]);
  const auto* const index = static_cast<const int64_t*>(args.loop.data[1]);
  auto* const x = static_cast<T*>(args.loop.data[2]);
  if (args.step[2] == 1)
    walk_lines(args, ctx, [=](int64_t from, int64_t at, int64_t to) { Put::put(x[to + index[at]], y[from]); });
  else
    walk_lines(args, ctx, [=, step = args.step[2]](int64_t from, int64_t at, int64_t to) {
      Put::put(x[to + index[at] * step], y[from]);
    });
}

// For copies only the size of an element matters; sums need its type.
template <class F>
void with_size(DType dtype, const F& f) {
  switch (dtype) {
    case DType::float32:
    case DType::int32:
      return f(int32_t{});
    case DType::float64:
    case DType::int64:
      return f(int64_t{});
    default:
      return f(uint8_t{});
  }
}
template <class F>
void with_type(DType dtype, const F& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::int32:
      return f(int32_t{});
    case DType::int64:
      return f(int64_t{});
    case DType::uint8:
      return f(uint8_t{});
    default:
      return f(bool{});
  }
}

void select(const IndexArgs& args, const LaunchContext& ctx) {
  with_size(args.dtype, [&]<class T>(T) { select_slices<T>(args, ctx); });
}
void copy(const IndexArgs& args, const LaunchContext& ctx) {
  with_size(args.dtype, [&]<class T>(T) { put_slices<Assign, T>(args, ctx); });
}
void add(const IndexArgs& args, const LaunchContext& ctx) {
  with_type(args.dtype, [&]<class T>(T) { put_slices<Accumulate, T>(args, ctx); });
}
void gather(const GatherArgs& args, const LaunchContext& ctx) {
  with_size(args.dtype, [&]<class T>(T) { gather_elements<T>(args, ctx); });
}
void scatter(const GatherArgs& args, const LaunchContext& ctx) {
  with_size(args.dtype, [&]<class T>(T) { scatter_elements<Assign, T>(args, ctx); });
}
void scatter_add(const GatherArgs& args, const LaunchContext& ctx) {
  with_type(args.dtype, [&]<class T>(T) { scatter_elements<Accumulate, T>(args, ctx); });
}

// Out of range is where either difference is negative: sign bits, which a loop of vectors collects.
void check(const CheckIndexArgs& args, const LaunchContext&) {
  const uint64_t low = static_cast<uint64_t>(args.low), last = static_cast<uint64_t>(args.high - 1);
  uint64_t signs = 0;
  for (int64_t i = 0; i < args.count; ++i) {
    const uint64_t at = static_cast<uint64_t>(args.index[i]);
    signs |= (at - low) | (last - at);
  }
  *args.first_bad = -1;
  if (signs >> 63 == 0) return;
  int64_t i = 0;
  while (args.low <= args.index[i] && args.index[i] < args.high) ++i;
  *args.first_bad = i;
}

void wrap(const WrapIndexArgs& args, const LaunchContext&) {
  for (int64_t i = 0; i < args.count; ++i)
    args.wrapped[i] = args.index[i] < 0 ? args.index[i] + args.size : args.index[i];
}

template <class T>
void bag_max_of(const BagMaxArgs& args, const LaunchContext& ctx) {
  const T* const x = static_cast<const T*>(args.x);
  const int64_t rows = most(1, args.count / most(1, args.bags));
  parallel_for(ctx, args.bags, most(1, kCopyGrain / most(1, rows * args.width)), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      int64_t* const place = args.place + b * args.width;
      for (int64_t d = 0; d < args.width; ++d) place[d] = -1;
      for (int64_t i = args.start[b]; i < args.start[b + 1]; ++i) {
        const int64_t row = args.index[i];
        if (row == args.padding) continue;
        for (int64_t d = 0; d < args.width; ++d) {
          const T* const column = x + d * args.x_column;
          if (place[d] < 0 || exceeds(column[row * args.x_row], column[place[d] * args.x_row])) place[d] = row;
        }
      }
    }
  });
}

void bag_max(const BagMaxArgs& args, const LaunchContext& ctx) {
  args.dtype == DType::float32 ? bag_max_of<float>(args, ctx) : bag_max_of<double>(args, ctx);
}

void sequence(const SequenceArgs& args, const LaunchContext& ctx) {
  parallel_for(ctx, args.count, kCopyGrain, [&](int64_t begin, int64_t end) {
    if (args.dtype == DType::int64) {
      int64_t* const y = static_cast<int64_t*>(args.y);
      for (int64_t i = begin; i < end; ++i) y[i] = integer_at(args.integer_start, args.integer_step, i);
    } else {
      double* const y = static_cast<double*>(args.y);
      for (int64_t i = begin; i < end; ++i) y[i] = number_at(args.start, args.end, args.step, args.half, args.count, i);
    }
  });
}

}  // namespace

void sort(const SortArgs& args, const LaunchContext& ctx);        // sort.cpp
void nonzero(const NonzeroArgs& args, const LaunchContext& ctx);  // nonzero.cpp

extern const IndexKernels index_kernels;
const IndexKernels index_kernels = {
    {"index_select", select}, {"index_copy", copy},   {"index_add", add},
    {"gather", gather},       {"scatter", scatter},   {"scatter_add", scatter_add},
    {"check_index", check},   {"wrap_index", wrap},   {"nonzero", nonzero},
    {"sort", sort},           {"sequence", sequence}, {"bag_max", bag_max},
};

}  // namespace nn::NN_ISA
