// Convolution on the CPU: the table of the three kernels.
// Plain loops over the taps inside the image; parallel over the planes of what is written.
#include "core/kernels/conv.h"

#include "core/scratch.h"
#include "cpu/kernels/conv_plane.h"
#include "cpu/kernels/conv_unfold.h"
#include "cpu/kernels/conv_weight.h"
#include "math/conv_window.h"

namespace nn::NN_ISA {
extern const ConvKernels conv_kernels;

void describe_forward(const ConvGeometry& g, Correlation& p, PhaseAxis (&phase)[3]) {
  for (int i = 0; i < 3; ++i) {
    p.axis[i] = {g.in[i], g.out[i], g.stride[i], g.kernel[i], -g.pad[i], g.dilation[i]};
    p.y_size[i] = g.out[i];
    p.y_stride[i] = p.phases[i] = 1;
    phase[i] = {g.kernel[i], 0, 1, 0, 1};
    p.phase[i] = &phase[i];
    p.w_size[i] = g.kernel[i];
  }
}

namespace {

struct Sizes {
  int64_t x_plane, y_plane, taps, c_group, k_group;
  explicit Sizes(const ConvGeometry& g)
      : x_plane(g.in[0] * g.in[1] * g.in[2]),
        y_plane(g.out[0] * g.out[1] * g.out[2]),
        taps(g.kernel[0] * g.kernel[1] * g.kernel[2]),
        c_group(g.C / g.groups),
        k_group(g.K / g.groups) {}
};

// Fills images of `channels` planes with the bias, where there is nothing to sum.
template <class T>
void fill_planes(const void* bias, bool relu, int64_t images, int64_t channels, int64_t plane, void* y) {
  for (int64_t nk = 0; nk < images * channels; ++nk) {
    const T given = bias ? static_cast<const T*>(bias)[nk % channels] : T(0);
    const T value = relu && given < T(0) ? T(0) : given;
    for (int64_t i = 0; i < plane; ++i) static_cast<T*>(y)[nk * plane + i] = value;
  }
}
void fill_bias(DType dtype, const void* bias, bool relu, int64_t images, int64_t channels, int64_t plane, void* y) {
  dtype == DType::float32 ? fill_planes<float>(bias, relu, images, channels, plane, y)
                          : fill_planes<double>(bias, relu, images, channels, plane, y);
}

void run_forward(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  if (g.N * g.K * s.y_plane == 0) return;
  const bool relu = a.activation == Activation::relu;
  if (s.c_group == 0 || s.x_plane == 0) return fill_bias(a.dtype, a.bias, relu, g.N, g.K, s.y_plane, a.y);
  Correlation p{};
  PhaseAxis phase[3];
  p.dtype = a.dtype;
  p.images = g.N;
  p.groups = g.groups;
  p.cin = s.c_group;
  p.cout = s.k_group;
  describe_forward(g, p, phase);
  p.x = a.x;
  p.w = a.w;
  p.w_group = s.k_group * s.c_group * s.taps;
  p.w_row = s.c_group * s.taps;
  p.w_channel = s.taps;
  p.bias = a.bias;
  p.relu = relu;
  p.y = a.y;
  correlate(p, ctx);
}

// Input position o * stride + a meets every `every`-th tap only: tap r where stride divides a + pad - r * dilation, and
// the quotient, added to o, is the position of gy. Taps in reverse order read ascending positions. Fills the phases of
// axis i, and the gathered axis that reads, without gaps, from the lowest of these quotients to the highest.
ConvAxis backward_axis(const ConvGeometry& g, int i, int64_t phases, PhaseAxis* phase) {
  const int64_t s = g.stride[i], d = g.dilation[i], every = s / gcd_of(d, s);
  int64_t low = INT64_MAX, high = INT64_MIN;
  for (int64_t a = 0; a < phases; ++a) {
    phase[a] = {0, 0, d / gcd_of(d, s), 0, -every};
    for (int64_t r = 0; r < g.kernel[i]; ++r) {
      const int64_t at = a + g.pad[i] - r * d;
      if (at % s != 0) continue;
      ++phase[a].taps;
      phase[a].weight = r;
      phase[a].tap = at / s;
      low = min_of(low, at / s);
      high = max_of(high, at / s);
    }
  }
  for (int64_t a = 0; a < phases; ++a) phase[a].tap -= low;
  return {g.out[i], (g.in[i] + s - 1) / s, 1, high < low ? 0 : high - low + 1, low, 1};
}

void run_backward_input(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  const int64_t count = g.N * g.C * s.x_plane;
  if (count == 0) return;
  Correlation p{};
  p.dtype = a.dtype;
  p.images = g.N;
  p.groups = g.groups;
  p.cin = s.k_group;
  p.cout = s.c_group;
  for (int i = 0; i < 3; ++i) p.phases[i] = min_of(g.stride[i], g.in[i]);
  const Scratch table((p.phases[0] + p.phases[1] + p.phases[2]) * sizeof(PhaseAxis));
  PhaseAxis* phase = static_cast<PhaseAxis*>(table.data);
  bool empty = s.k_group == 0 || s.y_plane == 0;
  for (int i = 0; i < 3; ++i) {
    p.axis[i] = backward_axis(g, i, p.phases[i], phase);
    p.phase[i] = phase;
    p.y_size[i] = g.in[i];
    p.y_stride[i] = g.stride[i];
    p.w_size[i] = g.kernel[i];
    phase += p.phases[i];
    empty = empty || p.axis[i].taps == 0;
  }
  p.x = a.y;
  p.w = a.w;
  p.w_group = s.k_group * s.c_group * s.taps;
  p.w_row = s.taps;
  p.w_channel = s.c_group * s.taps;
  p.bias = a.bias;
  p.y = a.x;
  if (!empty)
    correlate(p, ctx);
  else
    fill_bias(a.dtype, a.bias, false, g.N, g.C, s.x_plane, a.x);
}

void run_backward_weight(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  const int64_t count = g.K * s.c_group * s.taps;
  if (count == 0) return;
  if (g.N * s.x_plane * s.y_plane != 0)
    s.c_group == 1 && s.k_group == 1 ? correlate_weight_planes(a, ctx) : correlate_weight(a, ctx);
  else
    fill_bias(a.dtype, nullptr, false, 1, 1, count, a.w);
}

}  // namespace

const ConvKernels conv_kernels = {
    {"conv_forward", run_forward},
    {"conv_backward_input", run_backward_input},
    {"conv_backward_weight", run_backward_weight},
    {"unfold", run_unfold},
    {"fold", run_fold},
};

}  // namespace nn::NN_ISA
