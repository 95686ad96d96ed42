// How a Correlation is cut: which tile, which boxes of positions, where the phases keep their weights. Cuts decide who
// computes an output, never the order of its sum, so they may follow the number of threads.
#pragma once

#include "cpu/kernels/conv_pack.h"
#include "cpu/kernels/conv_tile.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kStripBytes = 512 * 1024;  // a quarter to a half of the level-2 cache

struct Plan {
  ConvAxis axis[3];
  int64_t y_size[3];
  int64_t taps;  // of all phases together
  bool by_pixel, one_phase;
  bool scattered;         // a channel_tile takes positions of several rows
  int64_t tile_rows;      // rows that one pixel_tile takes, where there is one phase
  int64_t panel, panels;  // output channels per packed panel, panels per group
  int64_t block;          // panels that one item of work covers
  int64_t most[3], most_images;
  StripLayout strip;

  int64_t blocks() const { return (panels + block - 1) / block; }
  int64_t boxes_per_plane() const {
    int64_t n = 1;
    for (int i = 0; i < 3; ++i) n *= (axis[i].out + most[i] - 1) / most[i];
    return n;
  }
  int64_t boxes(const Correlation& p) const {
    return p.groups * ((p.images + most_images - 1) / most_images) * boxes_per_plane();
  }
};

// The positions of box number `index` of a plane.
inline ConvBox find_box(const Plan& plan, int64_t index) {
  ConvBox box{};
  box.images = 1;
  for (int i = 2; i >= 0; --i) {
    const int64_t parts = (plan.axis[i].out + plan.most[i] - 1) / plan.most[i];
    box.begin[i] = index % parts * plan.most[i];
    box.count[i] = min_of(plan.most[i], plan.axis[i].out - box.begin[i]);
    index /= parts;
  }
  return box;
}

// One phase: its taps in the strip and in the weights, and where its packed weights,
// [group][panel][channel][tap][lane], begin.
struct Phase {
  int64_t taps;
  const int64_t* tap;
  WeightTaps weights;
  int64_t w;
};

// Output channels of a pixel_tile that leave the fewest unused.
inline int64_t pixel_channels(int64_t cout) {
  if (cout <= 4) return cout;
  const int64_t six = (cout + 5) / 6 * 6, eight = (cout + 7) / 8 * 8;
  return kMaxRows >= 8 && eight <= six ? 8 : 6;
}

template <class T>
void choose_tile(const Correlation& p, Plan& plan) {
  constexpr int64_t L = Vec<T>::size;
  const int64_t rows = pixel_channels(p.cout), cols = plan.axis[2].out;
  const int64_t sum = p.cin * plan.taps / (p.phases[0] * p.phases[1] * p.phases[2]);
  // Vector multiply-adds per output row; transposing a vector of results costs about as much as 6 of them.
  const int64_t by_pixel = (cols + L - 1) / L * ((p.cout + rows - 1) / rows * rows) * (sum + 1);
  const int64_t by_channel = cols * ((p.cout + L - 1) / L) * (sum + 6);
  plan.by_pixel = by_pixel <= by_channel;
  plan.panel = plan.by_pixel ? rows : kPanel<T>;
  plan.panels = (p.cout + plan.panel - 1) / plan.panel;
  plan.block = plan.by_pixel ? max_of(64 / plan.panel, 1) : 1;
}

// Rows too short to fill a tile share one.
template <class T>
void share_tiles(Plan& plan) {
  const int64_t cols = plan.axis[2].out, tiles = (cols + kPixels - 1) / kPixels;
  plan.scattered = !plan.by_pixel && plan.one_phase && plan.most[2] == cols && 5 * cols < 4 * tiles * kPixels;
  plan.tile_rows = plan.by_pixel && plan.strip.copied && cols <= Vec<T>::size ? pixel_vectors(plan.panel) : 1;
}

// Elements of the strip of `count` positions.
inline int64_t strip_elements(const Correlation& p, const Plan& plan, const int64_t (&count)[3]) {
  int64_t n = p.cin;
  for (int i = 0; i < 3; ++i) n *= plan.axis[i].slots() * (count[i] + plan.axis[i].reach());
  return n;
}

// The largest box whose strip stays in the cache, smaller where threads would have nothing to do.
inline void choose_box(const Correlation& p, int64_t element_size, int threads, Plan& plan) {
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

inline int64_t all_taps(const Correlation& p) {
  int64_t taps = 1;
  for (int i = 0; i < 3; ++i) {
    int64_t n = 0;
    for (int64_t a = 0; a < p.phases[i]; ++a) n += p.phase[i][a].taps;
    taps *= n;
  }
  return taps;
}

template <class T>
Plan make_plan(const Correlation& p, int threads) {
  Plan plan{};
  for (int i = 0; i < 3; ++i) {
    plan.axis[i] = p.axis[i];
    plan.y_size[i] = p.y_size[i];
  }
  plan.one_phase = p.y_stride[0] * p.y_stride[1] * p.y_stride[2] == 1;
  if (plan.one_phase) {
    merge_pointwise_axes(plan.axis);
    for (int i = 0; i < 3; ++i) plan.y_size[i] = plan.axis[i].out;
  }
  plan.taps = all_taps(p);
  choose_tile<T>(p, plan);
  choose_box(p, sizeof(T), threads, plan);
  plan.strip = direct_layout(plan.axis, p.groups * p.cin);
  if (!reads_inside(plan.axis) || plan.strip.channel * static_cast<int64_t>(sizeof(T)) % 1024 == 0)
    plan.strip = strip_layout(plan.axis, plan.most, p.cin, sizeof(T));
  share_tiles<T>(plan);
  return plan;
}

// Fills `phase` and, with 2 * plan.taps numbers, `table`.
inline void make_phases(const Correlation& p, const Plan& plan, int64_t* table, Phase* phase) {
  int64_t w = 0;
  each_tap(p.phases, [&](int64_t index, const int64_t (&a)[3]) {
    PhaseAxis q[3];
    int64_t taps[3];
    for (int i = 0; i < 3; ++i) {
      q[i] = p.phase[i][a[i]];
      taps[i] = q[i].taps;
    }
    const int64_t count = taps[0] * taps[1] * taps[2];
    int64_t* tap = table;
    WeightTaps weights{count, table + count, true, true};
    table += 2 * count;
    each_tap(taps, [&](int64_t t, const int64_t (&j)[3]) {
      int64_t source[3], at = 0;
      for (int i = 0; i < 3; ++i) {
        source[i] = q[i].tap + j[i] * q[i].tap_step;
        at = at * p.w_size[i] + q[i].weight + j[i] * q[i].weight_step;
      }
      tap[t] = plan.strip.tap_offset(plan.axis, source);
      weights.offset[t] = at;
      weights.ascending = weights.ascending && at == t;
      weights.descending = weights.descending && at == count - 1 - t;
    });
    phase[index] = {count, tap, weights, w};
    w += p.groups * plan.panels * plan.panel * p.cin * count;
  });
}

// y[q * stride + phase] = rows[phase * pitch + q] for the positions below `count`.
template <class T>
void interleave_row(const T* rows, int64_t pitch, int64_t stride, int64_t count, T* y) {
  if (stride == 2) {
    const int64_t pairs = count / 2;
    for (int64_t q = 0; q < pairs; ++q) {
      y[2 * q] = rows[q];
      y[2 * q + 1] = rows[pitch + q];
    }
    if (count % 2) y[count - 1] = rows[pairs];
    return;
  }
  for (int64_t a = 0; a < min_of(stride, count); ++a)
    for (int64_t q = 0; q * stride + a < count; ++q) y[q * stride + a] = rows[a * pitch + q];
}

}  // namespace
}  // namespace nn::NN_ISA
