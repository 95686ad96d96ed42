// Gradient of the weights: gw[k, c, tap] = sum over images and output positions o of gy[k, o] * x[c, o + tap].
//
// The sum runs over all positions, so it is cut into units of a few thousand positions (part of an image, or several).
// For each unit the threads first gather the strip of x (conv_gather.h) and transpose gy to [panel][position][lanes];
// then they share the tiles of gw, each of which adds the whole unit to its running sum. A small gw, with too few tiles
// to go round, is cut into `parts` sums over fixed shares of the positions, added up at the end in a fixed order.
// Units, tiles and parts follow from the shapes alone, and so do the bits of the result. Bytes: x and gy twice, gw
// twice per unit. Bound: multiply-adds.
#include "cpu/kernels/conv_weight.h"

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/conv_pack.h"
#include "cpu/kernels/conv_tile.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kUnitPositions = 4096;
constexpr int64_t kUnitBytes = 6 * 1024 * 1024;
constexpr int64_t kFewTiles = 32;

struct Plan {
  ConvAxis axis[3];
  int64_t images, groups, cin, cout;  // channels of one group
  int64_t taps, terms;                // terms = cin * taps, the length of a row of gw
  int64_t panels, tiles, parts;       // per group, per panel, per tile
  int64_t most[3], most_images;
  int64_t x_plane, y_plane;
  StripLayout strip;

  int64_t most_rows() const { return most_images * most[0] * most[1]; }
  int64_t most_positions() const { return most_rows() * most[2]; }
};

int64_t unit_bytes(const Plan& plan, int64_t panel, int64_t element_size) {
  int64_t x = plan.groups * plan.cin;
  for (int i = 0; i < 3; ++i) x *= plan.axis[i].slots() * (plan.most[i] + plan.axis[i].reach());
  return (x * plan.most_images + plan.groups * plan.panels * panel * plan.most_positions()) * element_size;
}

bool unit_fits(const Plan& plan, int64_t panel, int64_t element_size) {
  return plan.most_positions() <= kUnitPositions && unit_bytes(plan, panel, element_size) <= kUnitBytes;
}

void choose_unit(Plan& plan, int64_t panel, int64_t element_size) {
  plan.most_images = 1;
  for (int i = 0; i < 3; ++i) plan.most[i] = plan.axis[i].out;
  for (int i = 0; i < 3; ++i)
    while (plan.most[i] > (i == 2 ? 64 : 1) && !unit_fits(plan, panel, element_size))
      plan.most[i] = (plan.most[i] + 1) / 2;
  if (plan.most[0] < plan.axis[0].out || plan.most[1] < plan.axis[1].out || plan.most[2] < plan.axis[2].out) return;
  while (plan.most_images < plan.images) {
    ++plan.most_images;
    if (unit_fits(plan, panel, element_size)) continue;
    --plan.most_images;
    return;
  }
}

template <class T>
Plan make_plan(const ConvGeometry& g) {
  Plan plan{};
  for (int i = 0; i < 3; ++i) plan.axis[i] = {g.in[i], g.out[i], g.stride[i], g.kernel[i], -g.pad[i], g.dilation[i]};
  merge_pointwise_axes(plan.axis);
  plan.images = g.N;
  plan.groups = g.groups;
  plan.cin = g.C / g.groups;
  plan.cout = g.K / g.groups;
  plan.taps = g.kernel[0] * g.kernel[1] * g.kernel[2];
  plan.terms = plan.cin * plan.taps;
  plan.x_plane = g.in[0] * g.in[1] * g.in[2];
  plan.y_plane = g.out[0] * g.out[1] * g.out[2];
  plan.panels = (plan.cout + kPanel<T> - 1) / kPanel<T>;
  plan.tiles = (plan.terms + kPixels - 1) / kPixels;
  const int64_t tiles = plan.groups * plan.panels * plan.tiles;
  plan.parts = tiles >= kFewTiles ? 1 : min_of(8, kFewTiles / tiles);
  choose_unit(plan, kPanel<T>, sizeof(T));
  plan.strip = direct_layout(plan.axis, g.C);
  if (!reads_inside(plan.axis) || plan.strip.channel * static_cast<int64_t>(sizeof(T)) % 1024 == 0)
    plan.strip = strip_layout(plan.axis, plan.most, g.C, sizeof(T));
  return plan;
}

ConvBox find_unit(const Plan& plan, int64_t index) {
  ConvBox box{};
  for (int i = 2; i >= 0; --i) {
    const int64_t parts = (plan.axis[i].out + plan.most[i] - 1) / plan.most[i];
    box.begin[i] = index % parts * plan.most[i];
    box.count[i] = min_of(plan.most[i], plan.axis[i].out - box.begin[i]);
    index /= parts;
  }
  box.image = index * plan.most_images;
  box.images = min_of(plan.most_images, plan.images - box.image);
  return box;
}

int64_t unit_count(const Plan& plan) {
  int64_t n = (plan.images + plan.most_images - 1) / plan.most_images;
  for (int i = 0; i < 3; ++i) n *= (plan.axis[i].out + plan.most[i] - 1) / plan.most[i];
  return n;
}

// One unit as the tiles see it.
template <class T>
struct Unit {
  const T* x;
  const T* gy;         // [group][panel][most_positions][kPanel]
  const int64_t* row;  // where each row of positions begins in x
  int64_t rows, cols;
  const int64_t* term;  // where each (channel, tap) begins
};

// gy of one panel and one image, from [channel][position] to [position][lane]; lanes without a channel become zero.
template <class T>
void pack_gy(const Plan& plan, const ConvBox& box, const T* gy, int64_t channels, T* packed) {
  constexpr int64_t L = Vec<T>::size;
  const ConvAxis* a = plan.axis;
  const bool whole_rows = box.count[2] == a[2].out, whole_planes = whole_rows && box.count[1] == a[1].out;
  const int64_t run = box.count[2] * (whole_rows ? box.count[1] : 1) * (whole_planes ? box.count[0] : 1);
  const int64_t positions = box.count[0] * box.count[1] * box.count[2];
  for (int64_t at = 0; at < positions; at += run) {
    const int64_t row = at / box.count[2], i = row / box.count[1], j = row % box.count[1];
    const T* from = gy + ((box.begin[0] + i) * a[1].out + box.begin[1] + j) * a[2].out + box.begin[2];
    for (int64_t m = 0; m < channels; m += L)
      transpose_rows(from + m * plan.y_plane, plan.y_plane, static_cast<int>(min_of(channels - m, L)),
                     packed + at * kPanel<T> + m, kPanel<T>, run);
  }
  if (channels == kPanel<T>) return;
  for (int64_t i = 0; i < positions; ++i)
    for (int64_t m = channels; m < kPanel<T>; ++m) packed[i * kPanel<T> + m] = T(0);
}

template <class T>
void prepare_x(const Plan& plan, const ConvBox& box, const T* x, const LaunchContext& ctx, T* strip) {
  const int64_t channels = plan.groups * plan.cin;
  parallel_for(ctx, box.images * channels, max_of(1, 16384 / plan.strip.channel), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      fill_strip_channel(plan.axis, plan.strip, box, x + (box.image * channels + i) * plan.x_plane,
                         strip + i * plan.strip.channel);
  });
}

template <class T>
void prepare_gy(const Plan& plan, const ConvBox& box, const T* gy, const LaunchContext& ctx, T* packed) {
  const int64_t panels = plan.groups * plan.panels, positions = box.count[0] * box.count[1] * box.count[2];
  parallel_for(ctx, panels * box.images, max_of(1, 512 / positions), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / box.images, n = i % box.images;
      const int64_t g = panel / plan.panels, m = panel % plan.panels * kPanel<T>;
      const T* from = gy + (((box.image + n) * plan.groups + g) * plan.cout + m) * plan.y_plane;
      pack_gy(plan, box, from, min_of(kPanel<T>, plan.cout - m),
              packed + (panel * plan.most_positions() + n * positions) * kPanel<T>);
    }
  });
}

// Adds the unit's rows [begin, end) to the tile of gw that `item` numbers, [part][group][panel][tile].
template <class T>
void add_tile(const Plan& plan, const Unit<T>& unit, int64_t item, T* gw) {
  const int64_t tile = item % plan.tiles, panel = item / plan.tiles % (plan.groups * plan.panels);
  const int64_t part = item / plan.tiles / (plan.groups * plan.panels);
  const int64_t first = unit.rows * part / plan.parts, end = unit.rows * (part + 1) / plan.parts;
  if (first == end) return;
  const int64_t begin = plan.terms * tile / plan.tiles, count = plan.terms * (tile + 1) / plan.tiles - begin;
  const int64_t group = panel / plan.panels;
  const int64_t lanes = plan.cout - panel % plan.panels * kPanel<T>;
  const TilePositions at{end - first, unit.cols, unit.row + first};
  weight_tile_for<T>(lanes > Vec<T>::size ? 2 : 1, count)(
      unit.x + group * plan.cin * plan.strip.channel, unit.term + begin,
      unit.gy + (panel * plan.most_positions() + first * unit.cols) * kPanel<T>, at,
      gw + ((part * plan.groups * plan.panels + panel) * plan.terms + begin) * kPanel<T>);
}

// Where the rows of the unit begin: in the strip, or in the input itself.
int64_t find_rows(const Plan& plan, const ConvBox& box, int64_t* row) {
  int64_t rows = 0;
  const int64_t* p = plan.strip.position;
  const int64_t start = plan.strip.copied ? 0 : box.begin[0] * p[0] + box.begin[1] * p[1] + box.begin[2];
  for (int64_t n = 0; n < box.images; ++n)
    for (int64_t i = 0; i < box.count[0]; ++i)
      for (int64_t j = 0; j < box.count[1]; ++j) row[rows++] = start + n * plan.strip.image + i * p[0] + j * p[1];
  return rows;
}

// gw[group][channel][term] = the parts, added in order; sums is [part][group][panel][term][lane].
template <class T>
void write_gw(const Plan& plan, T* sums, const LaunchContext& ctx, T* gw) {
  constexpr int64_t L = Vec<T>::size;
  const int64_t panels = plan.groups * plan.panels, blocks = (plan.terms + L - 1) / L;
  const int64_t part_size = panels * plan.terms * kPanel<T>;
  parallel_for(ctx, panels * blocks, max_of(1, 4096 / (L * kPanel<T>)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / blocks, t = i % blocks * L, terms = min_of(plan.terms - t, L);
      T* from = sums + (panel * plan.terms + t) * kPanel<T>;
      for (int64_t part = 1; part < plan.parts; ++part)
        for (int64_t e = 0; e < terms * kPanel<T>; ++e) from[e] += from[part * part_size + e];
      const int64_t g = panel / plan.panels, m = panel % plan.panels * kPanel<T>;
      const int64_t channels = min_of(kPanel<T>, plan.cout - m);
      for (int64_t v = 0; v < channels; v += L)
        transpose_tile(from + v, kPanel<T>, static_cast<int>(terms), gw + (g * plan.cout + m + v) * plan.terms + t,
                       plan.terms, static_cast<int>(min_of(channels - v, L)));
    }
  });
}

template <class T>
void run(const ConvArgs& a, const LaunchContext& ctx) {
  const Plan plan = make_plan<T>(a.geometry);
  const int64_t panels = plan.groups * plan.panels, sums_size = plan.parts * panels * plan.terms * kPanel<T>;
  const Scratch table((plan.terms + plan.most_rows()) * sizeof(int64_t)), sums(sums_size * sizeof(T)),
      gy(panels * plan.most_positions() * kPanel<T> * sizeof(T)),
      strip(plan.strip.copied ? plan.most_images * plan.strip.image * sizeof(T) : 0);
  int64_t* term = static_cast<int64_t*>(table.data);
  int64_t* row = term + plan.terms;
  T* gw = static_cast<T*>(sums.data);
  for (int64_t c = 0; c < plan.cin; ++c)
    each_tap(a.geometry.kernel, [&](int64_t t, const int64_t (&j)[3]) {
      term[c * plan.taps + t] = c * plan.strip.channel + plan.strip.tap_offset(plan.axis, j);
    });
  parallel_for(ctx, sums_size, 65536, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) gw[i] = T(0);
  });
  const int64_t units = unit_count(plan);
  for (int64_t u = 0; u < units; ++u) {
    const ConvBox box = find_unit(plan, u);
    const T* x = static_cast<const T*>(a.x);
    if (plan.strip.copied) prepare_x(plan, box, x, ctx, static_cast<T*>(strip.data));
    prepare_gy(plan, box, static_cast<const T*>(a.y), ctx, static_cast<T*>(gy.data));
    Unit<T> unit{};
    unit.x = plan.strip.copied ? static_cast<const T*>(strip.data) : x + box.image * plan.strip.image;
    unit.gy = static_cast<const T*>(gy.data);
    unit.rows = find_rows(plan, box, row);
    unit.row = row;
    unit.cols = box.count[2];
    unit.term = term;
    const int64_t item_work = unit.rows * unit.cols * kPixels * kPanel<T>;
    parallel_for(ctx, plan.parts * panels * plan.tiles, max_of(1, 200000 / item_work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) add_tile(plan, unit, i, gw);
    });
  }
  write_gw(plan, gw, ctx, static_cast<T*>(a.w));
}

}  // namespace

void correlate_weight(const ConvArgs& args, const LaunchContext& ctx) {
  args.dtype == DType::float32 ? run<float>(args, ctx) : run<double>(args, ctx);
}

}  // namespace nn::NN_ISA
