// Depthwise convolution and other groups of one output channel, plane by plane: neighbouring positions in the vector
// lanes.
//
// forward, backward_input: parallel over planes. A plane (or as many of its rows as fit the cache) is gathered into a
// strip with its padding (conv_gather.h); a tile of R rows x NV vectors adds one tap after the other, whose weight is
// one broadcast. backward_weight: parallel over channels; up to kTapTile taps share each load of gy, with one vector
// of running sums for each tap, over all images in order.
// Bytes: x and y once. Bound: memory, and the unaligned loads of the taps, one for each multiply-add.
#include "cpu/kernels/conv_plane.h"

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/conv_plan.h"

namespace nn::NN_ISA {
namespace {

constexpr int kTileRows = 8;    // most rows of a tile
constexpr int kTapTile = 13;    // most running sums of backward_weight
constexpr int64_t kSlack = 64;  // whole vectors are read past the last row of a strip

// y[i * y_row + q] = bias + sum of w * x[i * x_row + q ...], for R rows of (NV - 1) vectors and `last` more positions.
template <class T, int R, int NV>
void plane_tile(const T* x, int64_t x_row, const TileSum& sum, const T* w, T bias, T* y, int64_t y_row, int last) {
  using V = Vec<T>;
  constexpr int L = V::size;
  V acc[R][NV];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[i][v] = V(bias);
  for (int64_t c = 0; c < sum.channels; ++c, x += sum.channel)
    for (int64_t t = 0; t < sum.taps; ++t, ++w) {
      const T* px = x + sum.tap[t];
      const V a = V(*w);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) acc[i][v] = fma(a, V::load(px + i * x_row + v * L), acc[i][v]);
    }
  finish(sum, acc);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i, y += y_row) {
#pragma GCC unroll 4
    for (int v = 0; v < NV - 1; ++v) acc[i][v].store(y + v * L);
    if (last == L)
      acc[i][NV - 1].store(y + (NV - 1) * L);
    else
      acc[i][NV - 1].store(y + (NV - 1) * L, last);
  }
}

template <class T>
using PlaneTile = void (*)(const T*, int64_t, const TileSum&, const T*, T, T*, int64_t, int);

template <class T, int NV, int... I>
PlaneTile<T> pick_plane_tile(int64_t rows, Indices<I...>) {
  constexpr PlaneTile<T> tiles[] = {plane_tile<T, I + 1, NV>...};
  return tiles[rows - 1];
}

constexpr int tile_rows(int64_t vectors) { return kTileRows / static_cast<int>(vectors == 3 ? 4 : vectors); }

template <class T>
PlaneTile<T> plane_tile_for(int64_t rows, int64_t vectors) {
  switch (vectors) {
    case 1:
      return pick_plane_tile<T, 1>(rows, CountIndices<tile_rows(1)>::type{});
    case 2:
      return pick_plane_tile<T, 2>(rows, CountIndices<tile_rows(2)>::type{});
    case 3:
      return pick_plane_tile<T, 3>(rows, CountIndices<tile_rows(3)>::type{});
    default:
      return pick_plane_tile<T, 4>(rows, CountIndices<tile_rows(4)>::type{});
  }
}

template <class T>
struct PlaneWork {
  const Correlation& p;
  const Plan& plan;
  const Phase* phases;
  const T* w;  // [phase][group][channel][tap]
};

// `rows` rows (at most kTileRows) of one phase: y[i * y_row + q].
template <class T>
void phase_rows(const PlaneWork<T>& work, const Phase& phase, int64_t group, const T* x, int64_t rows, int64_t cols,
                T* y, int64_t y_row) {
  constexpr int64_t L = Vec<T>::size;
  const T bias = work.p.bias ? static_cast<const T*>(work.p.bias)[group] : T(0);
  const TileSum sum{work.p.cin, work.plan.strip.channel, phase.taps, phase.tap, work.p.relu};
  const T* w = work.w + phase.w + group * work.p.cin * phase.taps;
  const int64_t x_row = work.plan.strip.position[1], vectors = (cols + L - 1) / L, tiles = (vectors + 3) / 4;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t v = vectors * t / tiles, nv = vectors * (t + 1) / tiles - v;
    const int last = static_cast<int>(min_of(cols - (v + nv - 1) * L, L));
    for (int64_t i = 0; i < rows; i += tile_rows(nv)) {
      const int64_t some = min_of(rows - i, tile_rows(nv));
      plane_tile_for<T>(some, nv)(x + i * x_row + v * L, x_row, sum, w, bias, y + i * y_row + v * L, y_row, last);
    }
  }
}

// Rows h0, h0 + y_stride[1], ... of y, whose phases along the row begin at `phase`. `rows` is [row][phase][position].
template <class T>
void plane_rows(const PlaneWork<T>& work, const ConvBox& box, const Phase* phase, int64_t group, const T* x,
                int64_t count, T* y, T* rows) {
  const Correlation& p = work.p;
  const int64_t stride = p.y_stride[2], width = p.y_size[2], y_row = p.y_stride[1] * width;
  const int64_t positions = min_of(box.count[2] * stride, width - box.begin[2] * stride);
  y += box.begin[2] * stride;
  if (stride == 1) return phase_rows(work, *phase, group, x, count, positions, y, y_row);
  const int64_t pitch = work.plan.most[2], row = pitch * p.phases[2];
  for (int64_t a = 0; a < min_of(p.phases[2], positions); ++a)
    phase_rows(work, phase[a], group, x, count, (positions - a + stride - 1) / stride, rows + a * pitch, row);
  for (int64_t i = 0; i < count; ++i) interleave_row(rows + i * row, pitch, stride, positions, y + i * y_row);
}

template <class T>
void run_plane(const PlaneWork<T>& work, const ConvBox& box, int64_t group, const T* strip, T* rows, T* y) {
  const Correlation& p = work.p;
  const StripLayout& s = work.plan.strip;
  for (int64_t i = 0; i < box.count[0]; ++i)
    for (int64_t a = 0; a < p.phases[0]; ++a) {
      const int64_t d = (box.begin[0] + i) * p.y_stride[0] + a;
      if (d >= p.y_size[0]) break;
      for (int64_t b = 0; b < p.phases[1]; ++b) {
        const Phase* phase = work.phases + (a * p.phases[1] + b) * p.phases[2];
        for (int64_t j = 0; j < box.count[1]; j += kTileRows) {
          const int64_t h = (box.begin[1] + j) * p.y_stride[1] + b;
          if (h >= p.y_size[1]) break;
          const int64_t left = (p.y_size[1] - h + p.y_stride[1] - 1) / p.y_stride[1];
          const int64_t count = min_of(min_of(left, box.count[1] - j), kTileRows);
          plane_rows(work, box, phase, group, strip + i * s.position[0] + j * s.position[1], count,
                     y + (d * p.y_size[1] + h) * p.y_size[2], rows);
        }
      }
    }
}

template <class T>
Plan make_plane_plan(const Correlation& p) {
  Plan plan{};
  for (int i = 0; i < 3; ++i) plan.axis[i] = p.axis[i];
  plan.taps = all_taps(p);
  plan.panel = plan.panels = plan.block = 1;
  choose_box(p, sizeof(T), 1, plan);
  plan.most_images = 1;
  plan.strip = strip_layout(plan.axis, plan.most, p.cin, sizeof(T));
  return plan;
}

template <class T>
void pack_taps(const Correlation& p, const Phase* phase, int64_t phases, T* packed) {
  for (int64_t i = 0; i < phases; ++i)
    for (int64_t gc = 0; gc < p.groups * p.cin; ++gc) {
      const T* w = static_cast<const T*>(p.w) + gc / p.cin * p.w_group + gc % p.cin * p.w_channel;
      const int64_t taps = phase[i].taps;
      for (int64_t t = 0; t < taps; ++t) packed[phase[i].w + gc * taps + t] = w[phase[i].weights.offset[t]];
    }
}

template <class T>
void run(const Correlation& p, const LaunchContext& ctx) {
  const Plan plan = make_plane_plan<T>(p);
  const int64_t phases = p.phases[0] * p.phases[1] * p.phases[2];
  const Scratch table(phases * sizeof(Phase)), taps(2 * plan.taps * sizeof(int64_t)),
      packed(p.groups * p.cin * plan.taps * sizeof(T));
  Phase* phase = static_cast<Phase*>(table.data);
  T* w = static_cast<T*>(packed.data);
  make_phases(p, plan, static_cast<int64_t*>(taps.data), phase);
  pack_taps(p, phase, phases, w);
  const PlaneWork<T> work{p, plan, phase, w};
  const int64_t x_plane = p.axis[0].in * p.axis[1].in * p.axis[2].in, y_plane = p.y_size[0] * p.y_size[1] * p.y_size[2];
  const int64_t boxes = plan.boxes_per_plane(), strip_size = plan.strip.image + kSlack;
  const int64_t rows_size = kTileRows * p.phases[2] * plan.most[2] + kSlack;
  const int64_t work_size = y_plane / boxes * p.cin * (8 + plan.taps / phases);
  parallel_for(
      ctx, p.images * p.groups * boxes, max_of(1, 100000 / max_of(work_size, 1)), [&](int64_t begin, int64_t end) {
        const Scratch memory((strip_size + rows_size) * sizeof(T));
        T* strip = static_cast<T*>(memory.data);
        for (int64_t i = begin; i < end; ++i) {
          const int64_t plane = i / boxes;
          const ConvBox box = find_box(plan, i % boxes);
          for (int64_t c = 0; c < p.cin; ++c)
            fill_strip_channel(plan.axis, plan.strip, box, static_cast<const T*>(p.x) + (plane * p.cin + c) * x_plane,
                               strip + c * plan.strip.channel);
          run_plane(work, box, plane % p.groups, strip, strip + strip_size, static_cast<T*>(p.y) + plane * y_plane);
        }
      });
}

// ---- backward_weight ----

// sums[t] += gy * x[tap[t]], lane by lane, over rows of cols positions.
template <class T, int N>
void tap_tile(const T* x, int64_t x_row, const int64_t* tap, const T* gy, int64_t gy_row, int64_t rows, int64_t cols,
              T* sums) {
  using V = Vec<T>;
  constexpr int L = V::size;
  V acc[N];
#pragma GCC unroll 16
  for (int t = 0; t < N; ++t) acc[t] = V::load(sums + t * L);
  const int last = static_cast<int>(cols % L);
  for (int64_t i = 0; i < rows; ++i, x += x_row, gy += gy_row) {
    int64_t q = 0;
    for (; q + L <= cols; q += L) {
      const V g = V::load(gy + q);
#pragma GCC unroll 16
      for (int t = 0; t < N; ++t) acc[t] = fma(g, V::load(x + q + tap[t]), acc[t]);
    }
    if (last == 0) continue;
    // Both sides are cut: what lies behind the row may be infinite, and 0 * inf is not 0.
    const V g = V::load(gy + q, last);
#pragma GCC unroll 16
    for (int t = 0; t < N; ++t) acc[t] = fma(g, V::load(x + q + tap[t], last), acc[t]);
  }
#pragma GCC unroll 16
  for (int t = 0; t < N; ++t) acc[t].store(sums + t * L);
}

template <class T>
using TapTile = void (*)(const T*, int64_t, const int64_t*, const T*, int64_t, int64_t, int64_t, T*);

template <class T, int... I>
TapTile<T> pick_tap_tile(int64_t taps, Indices<I...>) {
  constexpr TapTile<T> tiles[] = {tap_tile<T, I + 1>...};
  return tiles[taps - 1];
}

// Adds one box of one plane to the sums of its taps, [tap][lane].
template <class T>
void add_plane(const Plan& plan, const ConvBox& box, const int64_t* tap, const T* strip, const T* gy, T* sums) {
  const int64_t* out = plan.y_size;
  const int64_t tiles = (plan.taps + kTapTile - 1) / kTapTile;
  for (int64_t i = 0; i < box.count[0]; ++i) {
    const T* from = gy + ((box.begin[0] + i) * out[1] + box.begin[1]) * out[2] + box.begin[2];
    for (int64_t k = 0; k < tiles; ++k) {
      const int64_t t = plan.taps * k / tiles, count = plan.taps * (k + 1) / tiles - t;
      pick_tap_tile<T>(count, CountIndices<kTapTile>::type{})(strip + i * plan.strip.position[0],
                                                              plan.strip.position[1], tap + t, from, out[2],
                                                              box.count[1], box.count[2], sums + t * Vec<T>::size);
    }
  }
}

template <class T>
void run_weight(const ConvArgs& a, const LaunchContext& ctx) {
  constexpr int64_t L = Vec<T>::size;
  const ConvGeometry& g = a.geometry;
  Correlation p{};
  p.images = g.N;
  p.groups = g.C;
  p.cin = p.cout = 1;
  PhaseAxis phase[3];
  describe_forward(g, p, phase);
  Plan plan = make_plane_plan<T>(p);
  for (int i = 0; i < 3; ++i) plan.y_size[i] = g.out[i];
  const Scratch taps(plan.taps * sizeof(int64_t));
  int64_t* tap = static_cast<int64_t*>(taps.data);
  each_tap(g.kernel, [&](int64_t t, const int64_t (&j)[3]) { tap[t] = plan.strip.tap_offset(plan.axis, j); });
  const int64_t x_plane = g.in[0] * g.in[1] * g.in[2], y_plane = g.out[0] * g.out[1] * g.out[2];
  const int64_t boxes = plan.boxes_per_plane(), strip_size = plan.strip.channel + kSlack;
  const int64_t work_size = g.N * y_plane * (8 + plan.taps);
  parallel_for(ctx, g.C, max_of(1, 100000 / work_size), [&](int64_t begin, int64_t end) {
    const Scratch memory((strip_size + plan.taps * L) * sizeof(T));
    T* strip = static_cast<T*>(memory.data);
    T* sums = strip + strip_size;
    for (int64_t c = begin; c < end; ++c) {
      clear_row(plan.taps * L, sums);
      for (int64_t n = 0; n < g.N; ++n)
        for (int64_t b = 0; b < boxes; ++b) {
          const ConvBox box = find_box(plan, b);
          fill_strip_channel(plan.axis, plan.strip, box, static_cast<const T*>(a.x) + (n * g.C + c) * x_plane, strip);
          add_plane(plan, box, tap, strip, static_cast<const T*>(a.y) + (n * g.C + c) * y_plane, sums);
        }
      for (int64_t t = 0; t < plan.taps; ++t) static_cast<T*>(a.w)[c * plan.taps + t] = sum(Vec<T>::load(sums + t * L));
    }
  });
}

}  // namespace

void correlate_planes(const Correlation& p, const LaunchContext& ctx) {
  if (correlate_narrow(p, ctx)) return;
  p.dtype == DType::float32 ? run<float>(p, ctx) : run<double>(p, ctx);
}

void correlate_weight_planes(const ConvArgs& args, const LaunchContext& ctx) {
  if (correlate_weight_narrow(args, ctx)) return;
  args.dtype == DType::float32 ? run_weight<float>(args, ctx) : run_weight<double>(args, ctx);
}

}  // namespace nn::NN_ISA
