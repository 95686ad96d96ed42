// Sorting along one dimension: each line is copied next to its places, sorted, and written out.
//
// Long lines are sorted by digits (sort_radix.h), the others by merging, which is stable and takes N log N comparisons
// whatever the data; short runs are sorted by insertion first. Lines are independent of each other, so threads share
// them.
#include "core/kernels/index.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/odometer.h"
#include "cpu/kernels/sort_radix.h"

namespace nn::NN_ISA {

void sort(const SortArgs& args, const LaunchContext& ctx);

namespace {

constexpr int64_t kRun = 16;  // elements that are sorted by insertion
constexpr int64_t kFew = 32;  // so many that are kept are held in order while the line passes

// Elements from which on a pass for each byte is worth its 256 counters.
template <class T>
constexpr int64_t kLong = 16 * sizeof(T);

template <class T>
struct Item {
  T value;
  int64_t index;
};

// Whether a must come before b, which stands before it now.
template <class T, bool descending>
NN_FN bool precedes(T a, T b) {
  const bool a_nan = a != a, b_nan = b != b;
  return descending ? (a > b) | (a_nan & !b_nan) : (a < b) | (b_nan & !a_nan);
}

template <class T, bool descending>
void insertion_sort(Item<T>* items, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    const Item<T> item = items[i];
    int64_t j = i;
    for (; j > 0 && precedes<T, descending>(item.value, items[j - 1].value); --j) items[j] = items[j - 1];
    items[j] = item;
  }
}

// Sorts items with as much room; returns which of the two holds the result.
template <class T, bool descending>
const Item<T>* merge_sort(Item<T>* items, Item<T>* room, int64_t n) {
  for (int64_t i = 0; i < n; i += kRun) insertion_sort<T, descending>(items + i, least(kRun, n - i));
  for (int64_t run = kRun; run < n; run *= 2) {
    for (int64_t begin = 0; begin < n; begin += 2 * run) {
      int64_t a = begin, b = least(n, begin + run);
      const int64_t a_end = b, b_end = least(n, begin + 2 * run);
      int64_t k = begin;
      while (a < a_end && b < b_end) {  // no branch on what is compared: it would be guessed wrong half of the time
        const bool take_b = precedes<T, descending>(items[b].value, items[a].value);
        const int64_t taken = take_b ? b : a;
        room[k++] = items[taken];
        b += take_b;
        a += !take_b;
      }
      while (a < a_end) room[k++] = items[a++];
      while (b < b_end) room[k++] = items[b++];
    }
    Item<T>* const merged = room;
    room = items;
    items = merged;
  }
  return items;
}

// The first `keep` in order, by insertion: most elements are turned away by one comparison with the last of them.
template <class T, bool descending>
void first_items(Item<T>* best, int64_t keep, const T* x, int64_t n, int64_t step) {
  for (int64_t i = 0; i < n; ++i) {
    const T value = x[i * step];
    int64_t j = least(i, keep);
    if (j == keep && !precedes<T, descending>(value, best[keep - 1].value)) continue;
    if (j == keep) --j;
    for (; j > 0 && precedes<T, descending>(value, best[j - 1].value); --j) best[j] = best[j - 1];
    best[j] = {value, i};
  }
}

// Fills values and index from the line x, through room for two pairs for each element.
template <class T, bool descending>
void sort_by_digits(const SortArgs& args, const T* x, void* room, T* values, int64_t* index) {
  using U = typename KeyOf<sizeof(T)>::type;
  auto* const items = static_cast<KeyAndPlace<U>*>(room);
  static_assert(sizeof(KeyAndPlace<U>) <= sizeof(Item<T>));
  for (int64_t i = 0; i < args.count; ++i) {
    const U key = sort_key(x[i * args.x_step]);
    items[i].key = descending ? U(~key) : key;
    items[i].place = static_cast<decltype(items->place)>(i);
  }
  const KeyAndPlace<U>* const sorted = radix_sort<U>(items, items + args.count, args.count);
  for (int64_t i = 0; i < args.keep; ++i) {
    const auto place = static_cast<int64_t>(sorted[i].place);
    values[i * args.y_step] = x[place * args.x_step];
    index[i * args.y_step] = place;
  }
}

template <class T, bool descending>
void sort_lines(const SortArgs& args, const LaunchContext& ctx) {
  const int64_t n = args.count, lines = product(args.kept_shape, args.kept_ndim);
  parallel_for(ctx, lines, most(1, 4096 / most(1, n)), [&](int64_t begin, int64_t end) {
    const Scratch scratch(static_cast<size_t>(2 * n) * sizeof(Item<T>));
    auto* const items = static_cast<Item<T>*>(scratch.data);
    Odometer<2> k(args.kept_ndim, args.kept_shape, begin, args.x_kept, args.y_kept);
    for (int64_t line = begin; line < end; ++line, k.next()) {
      const T* const x = static_cast<const T*>(args.x) + k.offset[0];
      T* const values = static_cast<T*>(args.values) + k.offset[1];
      int64_t* const index = args.index + k.offset[1];
      const bool few = args.keep <= kFew && args.keep < n;
      if (!few && n >= kLong<T> && n < (int64_t{1} << 31)) {
        sort_by_digits<T, descending>(args, x, items, values, index);
        continue;
      }
      const Item<T>* sorted = items;
      if (few) {
        first_items<T, descending>(items, args.keep, x, n, args.x_step);
      } else {
        for (int64_t i = 0; i < n; ++i) items[i] = {x[i * args.x_step], i};
        sorted = merge_sort<T, descending>(items, items + n, n);
      }
      for (int64_t i = 0; i < args.keep; ++i) {
        values[i * args.y_step] = sorted[i].value;
        index[i * args.y_step] = sorted[i].index;
      }
    }
  });
}

}  // namespace

void sort(const SortArgs& args, const LaunchContext& ctx) {
  const auto run = [&]<class T>(T) {
    args.descending ? sort_lines<T, true>(args, ctx) : sort_lines<T, false>(args, ctx);
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
      return run(uint8_t{});  // booleans are stored as 0 and 1
  }
}

}  // namespace nn::NN_ISA
