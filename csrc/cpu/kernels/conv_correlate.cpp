// Implicit matrix multiplication: y[m, o] = sum over (c, tap) of w[m, c, tap] * x[c, o + tap], for every image.
//
// Parallel over boxes of output positions (of one or several images) times blocks of output channels. A thread gathers
// the strip of its box once (conv_gather.h) and runs the packed panels of weights over it. The tile puts either output
// channels into vector lanes (channel_tile, the rule) or neighbouring positions (pixel_tile, for few output channels
// and for short sums), whichever wastes fewer lanes.
// Bytes: x about once per group of output channels from memory, the packed weights once per box from the level-2 or
// level-3 cache, y once. Bound: multiply-adds; with fewer than about 32 channels, memory.
#include "cpu/kernels/conv_correlate.h"

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/conv_pack.h"
#include "cpu/kernels/conv_tile.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kStripBytes = 512 * 1024;

struct Plan {
  ConvAxis axis[3];
  int64_t taps;
  bool by_pixel;
  int64_t panel, panels;  // output channels per packed panel, panels per group
  int64_t block;          // panels that one item of work covers
  int64_t most[3], most_images;
  StripLayout strip;

  int64_t blocks() const { return (panels + block - 1) / block; }
  int64_t boxes(const Correlation& p) const {
    int64_t n = p.groups * ((p.images + most_images - 1) / most_images);
    for (int i = 0; i < 3; ++i) n *= (axis[i].out + most[i] - 1) / most[i];
    return n;
  }
};

// ---- plan ----

// Rows of a pixel_tile that leave the fewest channels unused.
template <class T>
int64_t pixel_rows(int64_t cout) {
  if (cout <= 4) return cout;
  const int64_t six = (cout + 5) / 6 * 6, eight = (cout + 7) / 8 * 8;
  return kMaxRows >= 8 && eight <= six ? 8 : 6;
}

template <class T>
void choose_tile(const Correlation& p, Plan& plan) {
  constexpr int64_t L = Vec<T>::size;
  const int64_t rows = pixel_rows<T>(p.cout), cols = plan.axis[2].out;
  const int64_t sum = p.cin * plan.taps;
  // Vector multiply-adds per output row; transposing a vector of results costs about as much as 6 of them.
  const int64_t by_pixel = (cols + L - 1) / L * ((p.cout + rows - 1) / rows * rows) * (sum + 1);
  const int64_t by_channel = cols * ((p.cout + L - 1) / L) * (sum + 6);
  plan.by_pixel = by_pixel <= by_channel;
  plan.panel = plan.by_pixel ? rows : kPanel<T>;
  plan.panels = (p.cout + plan.panel - 1) / plan.panel;
  const bool narrow = cols <= kPixels / 2;
  plan.block = plan.by_pixel ? max_of(64 / plan.panel, 1) : (narrow ? 2 : 1);
}

// Elements of the strip of `count` positions.
int64_t strip_elements(const Correlation& p, const Plan& plan, const int64_t (&count)[3]) {
  int64_t n = p.cin;
  for (int i = 0; i < 3; ++i) n *= plan.axis[i].slots() * (count[i] + plan.axis[i].reach());
  return n;
}

// The largest box whose strip stays in the cache, smaller where threads would have nothing to do.
void choose_box(const Correlation& p, int64_t element_size, int threads, Plan& plan) {
  const int64_t budget = kStripBytes / element_size;
  int64_t (&most)[3] = plan.most;
  most[0] = most[1] = 1;
  most[2] = plan.axis[2].out;
  plan.most_images = 1;
  while (most[2] > 128 && strip_elements(p, plan, most) > budget) most[2] = (most[2] / 2 + 15) / 16 * 16;
  bool whole = most[2] == plan.axis[2].out;
  for (int i = 1; i >= 0 && whole; --i) {
    const int64_t one = strip_elements(p, plan, most) / (1 + plan.axis[i].reach());
    most[i] = min_of(max_of(budget / max_of(one, 1) - plan.axis[i].reach(), 1), plan.axis[i].out);
    whole = most[i] == plan.axis[i].out;
  }
  if (whole) {
    plan.most_images = min_of(max_of(budget / max_of(strip_elements(p, plan, most), 1), 1), p.images);
    plan.most_images = min_of(plan.most_images, (p.images + threads - 1) / threads);
  }
  while (most[1] > 4 && plan.boxes(p) * plan.blocks() < 4 * threads) most[1] = (most[1] + 1) / 2;
  const int64_t parts = (plan.axis[1].out + most[1] - 1) / most[1];
  most[1] = (plan.axis[1].out + parts - 1) / parts;
}

template <class T>
Plan make_plan(const Correlation& p, int threads) {
  Plan plan{};
  for (int i = 0; i < 3; ++i) plan.axis[i] = p.axis[i];
  if (p.y_step[2] == 1 && p.y_step[1] == p.axis[2].out && p.y_step[0] == p.axis[1].out * p.axis[2].out)
    merge_pointwise_axes(plan.axis);
  plan.taps = tap_count(plan.axis);
  choose_tile<T>(p, plan);
  choose_box(p, sizeof(T), threads, plan);
  plan.strip = direct_layout(plan.axis, p.groups * p.cin);
  if (!reads_inside(plan.axis) || plan.strip.channel * static_cast<int64_t>(sizeof(T)) % 1024 == 0)
    plan.strip = strip_layout(plan.axis, plan.most, p.cin, sizeof(T));
  return plan;
}

// ---- execution ----

template <class T>
struct Work {
  const Correlation& p;
  const Plan& plan;
  TileSum sum;
  const T* w;     // [group][panel][channel][tap][plan.panel]
  const T* bias;  // [group][panels * plan.panel]
};

struct Item {
  ConvBox box;
  int64_t group, block;
};

Item find_item(const Correlation& p, const Plan& plan, int64_t index) {
  Item item{};
  item.block = index % plan.blocks();
  index /= plan.blocks();
  for (int i = 2; i >= 0; --i) {
    const int64_t parts = (plan.axis[i].out + plan.most[i] - 1) / plan.most[i];
    item.box.begin[i] = index % parts * plan.most[i];
    item.box.count[i] = min_of(plan.most[i], plan.axis[i].out - item.box.begin[i]);
    index /= parts;
  }
  item.group = index % p.groups;
  item.box.image = index / p.groups * plan.most_images;
  item.box.images = min_of(plan.most_images, p.images - item.box.image);
  return item;
}

// Results of a channel_tile, [positions][vectors], to rows of y; `channels` of them are real.
template <class T>
void store_channel_tile(const T* buf, int64_t vectors, int64_t positions, int64_t channels, const Correlation& p,
                        T* y) {
  constexpr int64_t L = Vec<T>::size;
  if (p.y_step[2] != 1) {
    for (int64_t m = 0; m < channels; ++m)
      for (int64_t i = 0; i < positions; ++i) y[m * p.y_plane + i * p.y_step[2]] = buf[i * vectors * L + m];
    return;
  }
  for (int64_t m = 0; m < channels; m += L)
    for (int64_t i = 0; i < positions; i += L)
      transpose_tile(buf + i * vectors * L + m, vectors * L, static_cast<int>(min_of(positions - i, L)),
                     y + m * p.y_plane + i, p.y_plane, static_cast<int>(min_of(channels - m, L)));
}

// One row of output positions, output channels of one block.
template <class T>
void channel_row(const Work<T>& work, const Item& item, const T* x, T* y, int64_t cols) {
  constexpr int64_t L = Vec<T>::size;
  const Plan& plan = work.plan;
  const int64_t panel = item.block * plan.block, panel_size = work.sum.channels * work.sum.taps * plan.panel;
  const int64_t channels = min_of(work.p.cout - panel * plan.panel, plan.block * plan.panel);
  const int64_t vectors = channels > 2 * L ? 4 : channels > L ? 2 : 1;
  const T* w = work.w + (item.group * plan.panels + panel) * panel_size;
  const T* bias = work.bias + (item.group * plan.panels + panel) * plan.panel;
  const int64_t widest = vectors == 4 ? kPixels / 2 : kPixels;
  const int64_t tiles = (cols + widest - 1) / widest;
  alignas(64) T buf[kPixels * 2 * L];
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t begin = cols * t / tiles, count = cols * (t + 1) / tiles - begin;
    channel_tile_for<T>(vectors, count)(x + begin, work.sum, w, panel_size, bias, buf);
    store_channel_tile(buf, vectors, count, channels, work.p, y + begin * work.p.y_step[2]);
  }
}

template <class T>
void pixel_row(const Work<T>& work, const Item& item, const T* x, T* y, int64_t cols) {
  constexpr int64_t L = Vec<T>::size;
  const Plan& plan = work.plan;
  const int64_t first = item.block * plan.block, end = min_of(first + plan.block, plan.panels);
  const int64_t panel_size = work.sum.channels * work.sum.taps * plan.panel;
  const int64_t vectors = (cols + L - 1) / L, widest = pixel_vectors(plan.panel);
  const int64_t tiles = (vectors + widest - 1) / widest, y_step = work.p.y_step[2];
  alignas(64) T buf[kMaxRows * 8 * L];
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t v0 = vectors * t / tiles, nv = vectors * (t + 1) / tiles - v0;
    const int64_t begin = v0 * L, count = min_of(cols - begin, nv * L), last = count - (nv - 1) * L;
    for (int64_t panel = first; panel < end; ++panel) {
      const int64_t m = panel * plan.panel, rows = min_of(plan.panel, work.p.cout - m);
      const int64_t at = item.group * plan.panels + panel;
      T* to = y + panel * plan.panel * work.p.y_plane + begin * y_step;
      const PixelOut<T> out = y_step == 1 ? PixelOut<T>{to, work.p.y_plane, rows, static_cast<int>(last)}
                                          : PixelOut<T>{buf, nv * L, rows, L};
      pixel_tile_for<T>(plan.panel, nv)(x + begin, work.sum, work.w + at * panel_size, work.bias + at * plan.panel,
                                        static_cast<int>(last), out);
      if (y_step == 1) continue;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < count; ++i) to[r * work.p.y_plane + i * y_step] = buf[r * nv * L + i];
    }
  }
}

template <class T>
void run_item(const Work<T>& work, const Item& item, const T* strip) {
  const Correlation& p = work.p;
  const Plan& plan = work.plan;
  const StripLayout& s = plan.strip;
  const ConvBox& box = item.box;
  const int64_t* from = box.begin;
  // Without a strip, positions count from the start of the input.
  if (!s.copied) strip += from[0] * s.position[0] + from[1] * s.position[1] + from[2];
  const int64_t first_channel = plan.by_pixel ? 0 : item.block * plan.block * plan.panel;
  for (int64_t n = 0; n < box.images; ++n)
    for (int64_t i = 0; i < box.count[0]; ++i)
      for (int64_t j = 0; j < box.count[1]; ++j) {
        const T* x = strip + n * s.image + i * s.position[0] + j * s.position[1];
        T* y = static_cast<T*>(p.y) + (((box.image + n) * p.groups + item.group) * p.cout + first_channel) * p.y_plane +
               p.y_first + (from[0] + i) * p.y_step[0] + (from[1] + j) * p.y_step[1] + from[2] * p.y_step[2];
        if (plan.by_pixel)
          pixel_row(work, item, x, y, box.count[2]);
        else
          channel_row(work, item, x, y, box.count[2]);
      }
}

// The strip of a box: gathered into `memory`, or the place in the input.
template <class T>
const T* fetch_strip(const Work<T>& work, const Item& item, T* memory) {
  const Correlation& p = work.p;
  const Plan& plan = work.plan;
  const ConvAxis* a = plan.axis;
  const int64_t plane = a[0].in * a[1].in * a[2].in;
  const T* x = static_cast<const T*>(p.x) + (item.box.image * p.groups + item.group) * p.cin * plane;
  if (!plan.strip.copied) return x;
  for (int64_t n = 0; n < item.box.images; ++n)
    for (int64_t c = 0; c < p.cin; ++c)
      fill_strip_channel(plan.axis, plan.strip, item.box, x + (n * p.groups * p.cin + c) * plane,
                         memory + n * plan.strip.image + c * plan.strip.channel);
  return memory;
}

template <class T>
void pack_all(const Correlation& p, const Plan& plan, int64_t* offsets, const LaunchContext& ctx, T* w, T* bias) {
  const WeightTaps taps = weight_taps(p, offsets);
  const int64_t size = p.cin * plan.taps * plan.panel, some = max_of(1, 256 / plan.taps);
  const int64_t parts = (p.cin + some - 1) / some;
  parallel_for(ctx, p.groups * plan.panels * parts, max_of(1, 4096 / (some * plan.taps)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t at = i / parts, part = i % parts;
                   const int64_t g = at / plan.panels, m = at % plan.panels * plan.panel;
                   const T* from = static_cast<const T*>(p.w) + g * p.w_group + m * p.w_row;
                   pack_panel(p, taps, from, min_of(plan.panel, p.cout - m), plan.panel, part * some,
                              min_of((part + 1) * some, p.cin), w + at * size);
                 }
               });
  for (int64_t g = 0; g < p.groups; ++g)
    for (int64_t m = 0; m < plan.panels * plan.panel; ++m)
      bias[g * plan.panels * plan.panel + m] =
          p.bias && m < p.cout ? static_cast<const T*>(p.bias)[g * p.cout + m] : T(0);
}

template <class T>
void run(const Correlation& p, const LaunchContext& ctx) {
  const Plan plan = make_plan<T>(p, ctx.threads);
  const int64_t channels = p.groups * plan.panels * plan.panel;
  const Scratch taps(2 * plan.taps * sizeof(int64_t)), w(channels * p.cin * plan.taps * sizeof(T)),
      bias(channels * sizeof(T));
  int64_t* tap = static_cast<int64_t*>(taps.data);
  each_tap(plan.axis, [&](int64_t t, const int64_t (&j)[3]) { tap[t] = plan.strip.tap_offset(plan.axis, j); });
  pack_all(p, plan, tap + plan.taps, ctx, static_cast<T*>(w.data), static_cast<T*>(bias.data));

  const Work<T> work{p,
                     plan,
                     {p.cin, plan.strip.channel, plan.taps, tap},
                     static_cast<const T*>(w.data),
                     static_cast<const T*>(bias.data)};
  const int64_t count = plan.boxes(p) * plan.blocks();
  const int64_t item_work =
      plan.most_images * plan.most[0] * plan.most[1] * plan.most[2] * plan.block * plan.panel * p.cin * plan.taps;
  parallel_for(ctx, count, max_of(1, 200000 / max_of(item_work, 1)), [&](int64_t begin, int64_t end) {
    const Scratch memory(plan.strip.copied ? (plan.most_images * plan.strip.image + 256) * sizeof(T) : 0);
    const T* strip = nullptr;
    for (int64_t i = begin; i < end; ++i) {
      const Item item = find_item(p, plan, i);
      if (i == begin || item.block == 0) strip = fetch_strip(work, item, static_cast<T*>(memory.data));
      run_item(work, item, strip);
    }
  });
}

}  // namespace

void correlate(const Correlation& p, const LaunchContext& ctx) {
  p.dtype == DType::float32 ? run<float>(p, ctx) : run<double>(p, ctx);
}

}  // namespace nn::NN_ISA
