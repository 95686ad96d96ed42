// Implicit matrix multiplication: y[m, o] = sum over (c, tap) of w[m, c, tap] * x[c, o + tap], for every image.
//
// Parallel over boxes of output positions (of one or several images) times blocks of output channels. A thread gathers
// the strip of its box once (conv_gather.h) and runs the packed panels of weights over it. The tile puts either output
// channels into vector lanes (channel_tile, the rule) or neighbouring positions (pixel_tile, for few output channels
// and for short sums), whichever wastes fewer lanes. The gradient of a strided convolution falls into phases, which
// share the strip; phases of one row are computed side by side and then interleaved.
// Bytes: x about once per group of output channels from memory, the packed weights once per box from the level-2 or
// level-3 cache, y once. Bound: multiply-adds; with fewer than about 32 channels, memory.
// Winograd's algorithm would need 2.25 (or 4) times fewer of them for 3x3 kernels of stride 1, but its sums lose digits
// and let an infinite input spoil its neighbours' outputs, so it is left out.
#include "cpu/kernels/conv_correlate.h"

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/conv_plan.h"
#include "cpu/kernels/conv_plane.h"
#include "cpu/kernels/conv_tile.h"

namespace nn::NN_ISA {
namespace {

template <class T>
struct Work {
  const Correlation& p;
  const Plan& plan;
  const Phase* phases;
  const T* w;     // see Phase::w
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
  const int64_t boxes = plan.boxes_per_plane();
  item.box = find_box(plan, index % boxes);
  index /= boxes;
  item.group = index % p.groups;
  item.box.image = index / p.groups * plan.most_images;
  item.box.images = min_of(plan.most_images, p.images - item.box.image);
  return item;
}

// Results of a channel_tile, [positions][vectors], to rows of y; `channels` of them are real.
template <class T>
void store_channel_tile(const T* buf, int64_t vectors, int64_t positions, int64_t channels, T* y, int64_t y_plane) {
  constexpr int64_t L = Vec<T>::size;
  for (int64_t m = 0; m < channels; m += L)
    for (int64_t i = 0; i < positions; i += L)
      transpose_tile(buf + i * vectors * L + m, vectors * L, static_cast<int>(min_of(positions - i, L)),
                     y + m * y_plane + i, y_plane, static_cast<int>(min_of(channels - m, L)));
}

// Rows of positions of one phase that a tile takes together: `count` of them, `cols` positions wide.
template <class T>
struct Rows {
  const T* x;
  T* y;
  int64_t y_plane;  // from one output channel to the next
  int64_t cols, count, x_row, y_row;
};

// What the channel tiles of an item share.
template <class T>
struct ChannelWork {
  TileSum sum;
  const T *w, *bias;
  int64_t channels, vectors;

  ChannelWork(const Work<T>& work, const Item& item, const Phase& phase)
      : sum{work.p.cin, work.plan.strip.channel, phase.taps, phase.tap, work.p.relu},
        channels(min_of(work.p.cout - item.block * work.plan.panel, work.plan.panel)),
        vectors(channels > Vec<T>::size ? 2 : 1) {
    const int64_t panel = item.group * work.plan.panels + item.block;
    w = work.w + phase.w + panel * work.p.cin * phase.taps * work.plan.panel;
    bias = work.bias + panel * work.plan.panel;
  }
};

template <class T>
void channel_row(const Work<T>& work, const Item& item, const Phase& phase, const Rows<T>& row) {
  const ChannelWork<T> c(work, item, phase);
  const int64_t tiles = (row.cols + kPixels - 1) / kPixels;
  alignas(64) T buf[kPixels * kPanel<T>];
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t begin = row.cols * t / tiles, cols = row.cols * (t + 1) / tiles - begin;
    channel_tile_for<T, false>(c.vectors, cols)(row.x + begin, nullptr, c.sum, c.w, c.bias, buf);
    store_channel_tile(buf, c.vectors, cols, c.channels, row.y + begin, row.y_plane);
  }
}

// All positions of the box in one sequence, cut into tiles wherever it comes; y is that of the box's first image.
template <class T>
void scattered_tiles(const Work<T>& work, const Item& item, const T* x, T* y, int64_t y_plane, int64_t y_image) {
  const ChannelWork<T> c(work, item, work.phases[0]);
  const Plan& plan = work.plan;
  const ConvBox& box = item.box;
  const int64_t cols = box.count[2], rows = box.count[1], plane = box.count[0] * rows * cols;
  const int64_t total = box.images * plane, tiles = (total + kPixels - 1) / kPixels;
  const int64_t *from = box.begin, *x_step = plan.strip.position, *size = plan.y_size;
  alignas(64) T buf[kPixels * kPanel<T>];
  int64_t x_at[kPixels], y_at[kPixels];
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t begin = total * t / tiles, count = total * (t + 1) / tiles - begin;
    for (int64_t m = 0; m < count; ++m) {
      const int64_t n = (begin + m) / plane, at = (begin + m) % plane, row = at / cols, k = at % cols;
      const int64_t i = row / rows, j = row % rows;
      x_at[m] = n * plan.strip.image + i * x_step[0] + j * x_step[1] + k;
      y_at[m] = n * y_image + ((from[0] + i) * size[1] + from[1] + j) * size[2] + k;
    }
    channel_tile_for<T, true>(c.vectors, count)(x, x_at, c.sum, c.w, c.bias, buf);
    for (int64_t m = 0, end = 1; m < count; m = end++) {
      while (end < count && y_at[end] == y_at[end - 1] + 1) ++end;
      store_channel_tile(buf + m * c.vectors * Vec<T>::size, c.vectors, end - m, c.channels, y + y_at[m], y_plane);
    }
  }
}

template <class T>
void pixel_rows(const Work<T>& work, const Item& item, const Phase& phase, const Rows<T>& rows) {
  constexpr int64_t L = Vec<T>::size;
  const Plan& plan = work.plan;
  const TileSum sum{work.p.cin, plan.strip.channel, phase.taps, phase.tap, work.p.relu};
  const int64_t first = item.block * plan.block, end = min_of(first + plan.block, plan.panels);
  const int64_t vectors = (rows.cols + L - 1) / L, widest = pixel_vectors(plan.panel);
  const int64_t tiles = (vectors + widest - 1) / widest;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t v = vectors * t / tiles, nv = vectors * (t + 1) / tiles - v, begin = v * L;
    const int last = static_cast<int>(min_of(rows.cols - begin - (nv - 1) * L, L));
    const PixelTile<T> tile = pixel_tile_for<T>(plan.panel, rows.count > 1 ? rows.count : nv, rows.count > 1);
    for (int64_t panel = first; panel < end; ++panel) {
      const int64_t at = item.group * plan.panels + panel;
      tile(rows.x + begin, sum, work.w + phase.w + at * work.p.cin * phase.taps * plan.panel,
           work.bias + at * plan.panel,
           {last, rows.x_row, rows.y_row, rows.y + (panel - first) * plan.panel * rows.y_plane + begin, rows.y_plane,
            min_of(plan.panel, work.p.cout - panel * plan.panel)});
    }
  }
}

template <class T>
void any_rows(const Work<T>& work, const Item& item, const Phase& phase, const Rows<T>& rows) {
  work.plan.by_pixel ? pixel_rows(work, item, phase, rows) : channel_row(work, item, phase, rows);
}

// The phases of one row of y, through `rows` [channel][phase][most positions].
template <class T>
void run_row(const Work<T>& work, const Item& item, int64_t first_phase, const T* x, T* y, int64_t y_plane, T* rows) {
  const Correlation& p = work.p;
  const Plan& plan = work.plan;
  const int64_t stride = p.y_stride[2], begin = item.box.begin[2];
  const int64_t positions = min_of(item.box.count[2] * stride, plan.y_size[2] - begin * stride);
  y += begin * stride;
  const int64_t pitch = plan.most[2], plane = pitch * p.phases[2];
  for (int64_t a = 0; a < min_of(p.phases[2], positions); ++a)
    any_rows(work, item, work.phases[first_phase + a],
             {x, rows + a * pitch, plane, (positions - a + stride - 1) / stride, 1, 0, 0});
  const int64_t channels = min_of(plan.block * plan.panel, p.cout - item.block * plan.block * plan.panel);
  for (int64_t m = 0; m < channels; ++m) interleave_row(rows + m * plane, pitch, stride, positions, y + m * y_plane);
}

// An image of the box where y has one phase.
template <class T>
void run_plain(const Work<T>& work, const Item& item, const T* x, T* y, int64_t y_plane) {
  const Plan& plan = work.plan;
  const ConvBox& box = item.box;
  const int64_t *from = box.begin, *size = plan.y_size, *x_step = plan.strip.position;
  for (int64_t i = 0; i < box.count[0]; ++i)
    for (int64_t j = 0; j < box.count[1]; j += plan.tile_rows) {
      T* to = y + ((from[0] + i) * size[1] + from[1] + j) * size[2] + from[2];
      any_rows(work, item, work.phases[0],
               {x + i * x_step[0] + j * x_step[1], to, y_plane, box.count[2], min_of(plan.tile_rows, box.count[1] - j),
                x_step[1], size[2]});
    }
}

template <class T>
void run_phases(const Work<T>& work, const Item& item, const T* x, T* y, int64_t y_plane, T* rows) {
  const Correlation& p = work.p;
  const ConvBox& box = item.box;
  const int64_t *from = box.begin, *size = work.plan.y_size, *x_step = work.plan.strip.position;
  for (int64_t i = 0; i < box.count[0]; ++i)
    for (int64_t j = 0; j < box.count[1]; ++j)
      for (int64_t a = 0; a < p.phases[0]; ++a)
        for (int64_t b = 0; b < p.phases[1]; ++b) {
          const int64_t d = (from[0] + i) * p.y_stride[0] + a, h = (from[1] + j) * p.y_stride[1] + b;
          if (d < size[0] && h < size[1])
            run_row(work, item, (a * p.phases[1] + b) * p.phases[2], x + i * x_step[0] + j * x_step[1],
                    y + (d * size[1] + h) * size[2], y_plane, rows);
        }
}

template <class T>
void run_item(const Work<T>& work, const Item& item, const T* strip, T* rows) {
  const Correlation& p = work.p;
  const Plan& plan = work.plan;
  const StripLayout& s = plan.strip;
  const int64_t* from = item.box.begin;
  const int64_t y_plane = plan.y_size[0] * plan.y_size[1] * plan.y_size[2];
  // Without a strip, positions count from the start of the input.
  if (!s.copied) strip += from[0] * s.position[0] + from[1] * s.position[1] + from[2];
  const int64_t channel = (item.box.image * p.groups + item.group) * p.cout + item.block * plan.block * plan.panel;
  const int64_t y_image = p.groups * p.cout * y_plane;
  T* y = static_cast<T*>(p.y) + channel * y_plane;
  if (plan.scattered) return scattered_tiles(work, item, strip, y, y_plane, y_image);
  for (int64_t n = 0; n < item.box.images; ++n, strip += s.image, y += y_image)
    plan.one_phase ? run_plain(work, item, strip, y, y_plane) : run_phases(work, item, strip, y, y_plane, rows);
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
void pack_phase(const Correlation& p, const Plan& plan, const Phase& phase, const LaunchContext& ctx, T* packed) {
  const int64_t size = p.cin * phase.taps * plan.panel, some = max_of(1, 256 / max_of(phase.taps, 1));
  const int64_t parts = (p.cin + some - 1) / some;
  const int64_t grain = max_of(1, 16384 / (some * max_of(phase.taps, 1) * plan.panel));
  parallel_for(ctx, p.groups * plan.panels * parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i / parts, part = i % parts;
      const int64_t g = at / plan.panels, m = at % plan.panels * plan.panel;
      const T* from = static_cast<const T*>(p.w) + g * p.w_group + m * p.w_row;
      pack_panel(p, phase.weights, from, min_of(plan.panel, p.cout - m), plan.panel, part * some,
                 min_of((part + 1) * some, p.cin), packed + phase.w + at * size);
    }
  });
}

template <class T>
void run(const Correlation& p, const LaunchContext& ctx) {
  const Plan plan = make_plan<T>(p, ctx.threads);
  const int64_t phases = p.phases[0] * p.phases[1] * p.phases[2], channels = p.groups * plan.panels * plan.panel;
  const Scratch table(phases * sizeof(Phase)), taps(2 * plan.taps * sizeof(int64_t)),
      packed(channels * p.cin * plan.taps * sizeof(T)), bias(channels * sizeof(T));
  Phase* phase = static_cast<Phase*>(table.data);
  T* w = static_cast<T*>(packed.data);
  make_phases(p, plan, static_cast<int64_t*>(taps.data), phase);
  for (int64_t i = 0; i < phases; ++i) pack_phase(p, plan, phase[i], ctx, w);
  for (int64_t i = 0; i < channels; ++i) {
    const int64_t width = plan.panels * plan.panel, m = i % width;
    const bool given = p.bias && m < p.cout;
    static_cast<T*>(bias.data)[i] = given ? static_cast<const T*>(p.bias)[i / width * p.cout + m] : T(0);
  }

  const Work<T> work{p, plan, phase, w, static_cast<const T*>(bias.data)};
  const int64_t strip_size = plan.strip.copied ? plan.most_images * plan.strip.image + 256 : 0;
  const int64_t rows_size = plan.one_phase ? 0 : plan.block * plan.panel * p.phases[2] * plan.most[2];
  const int64_t item_work = plan.most_images * plan.most[0] * plan.most[1] * plan.most[2] * plan.block * plan.panel *
                            p.cin * max_of(plan.taps, 1);
  parallel_for(ctx, plan.boxes(p) * plan.blocks(), max_of(1, 200000 / item_work), [&](int64_t begin, int64_t end) {
    const Scratch memory((strip_size + rows_size) * sizeof(T));
    T* own = static_cast<T*>(memory.data);
    const T* strip = nullptr;
    for (int64_t i = begin; i < end; ++i) {
      const Item item = find_item(p, plan, i);
      if (i == begin || item.block == 0) strip = fetch_strip(work, item, own);
      run_item(work, item, strip, own + strip_size);
    }
  });
}

}  // namespace

void correlate(const Correlation& p, const LaunchContext& ctx) {
  if (p.cout == 1) return correlate_planes(p, ctx);
  p.dtype == DType::float32 ? run<float>(p, ctx) : run<double>(p, ctx);
}

}  // namespace nn::NN_ISA
