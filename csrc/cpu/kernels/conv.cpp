// Convolution on the CPU: the table of the three kernels.
// Plain loops over the taps inside the image; parallel over the planes of what is written.
#include "core/kernels/conv.h"

#include "core/parallel.h"
#include "cpu/kernels/conv_correlate.h"
#include "cpu/kernels/conv_weight.h"
#include "math/conv_window.h"

namespace nn::NN_ISA {
extern const ConvKernels conv_kernels;

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

// Fills y with the bias, where there is nothing to sum.
template <class T>
void fill_bias(const ConvGeometry& g, const T* bias, T* y) {
  const int64_t plane = Sizes(g).y_plane;
  for (int64_t nk = 0; nk < g.N * g.K; ++nk)
    for (int64_t i = 0; i < plane; ++i) y[nk * plane + i] = bias ? bias[nk % g.K] : T(0);
}

void run_forward(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  if (g.N * g.K * s.y_plane == 0) return;
  if (s.c_group == 0 || s.x_plane == 0) {
    if (a.dtype == DType::float32)
      fill_bias(g, static_cast<const float*>(a.bias), static_cast<float*>(a.y));
    else
      fill_bias(g, static_cast<const double*>(a.bias), static_cast<double*>(a.y));
    return;
  }
  Correlation p{};
  p.dtype = a.dtype;
  p.images = g.N;
  p.groups = g.groups;
  p.cin = s.c_group;
  p.cout = s.k_group;
  int64_t w_step = 1, y_step = 1;
  for (int i = 2; i >= 0; --i) {
    p.axis[i] = {g.in[i], g.out[i], g.stride[i], g.kernel[i], -g.pad[i], g.dilation[i]};
    p.w_first[i] = 0;
    p.w_step[i] = w_step;
    p.y_step[i] = y_step;
    w_step *= g.kernel[i];
    y_step *= g.out[i];
  }
  p.x = a.x;
  p.w = a.w;
  p.w_group = s.k_group * s.c_group * s.taps;
  p.w_row = s.c_group * s.taps;
  p.w_channel = s.taps;
  p.bias = a.bias;
  p.y = a.y;
  p.y_plane = s.y_plane;
  correlate(p, ctx);
}

// One axis of backward_input for the input positions phase, phase + stride, ...: those meet every `every`-th tap only,
// and the taps in reverse order read ascending positions of gy.
struct PhaseAxis {
  ConvAxis axis;
  int64_t last_tap, every;
};

PhaseAxis phase_axis(const ConvGeometry& g, int i, int64_t phase) {
  const int64_t s = g.stride[i], d = g.dilation[i];
  const int64_t common = gcd_of(d, s), every = s / common;
  PhaseAxis p{};
  p.axis = {g.out[i], (g.in[i] - phase + s - 1) / s, 1, 0, 0, d / common};
  p.every = every;
  for (int64_t r = 0; r < g.kernel[i]; ++r)
    if ((phase + g.pad[i] - r * d) % s == 0) {
      ++p.axis.taps;
      p.last_tap = r;
    }
  p.axis.first = floor_div(phase + g.pad[i] - p.last_tap * d, s);
  return p;
}

template <class T>
void clear_phase(const Correlation& p) {
  for (int64_t nc = 0; nc < p.images * p.groups * p.cout; ++nc)
    for (int64_t i = 0; i < p.axis[0].out; ++i)
      for (int64_t j = 0; j < p.axis[1].out; ++j) {
        T* x = static_cast<T*>(p.y) + nc * p.y_plane + p.y_first + i * p.y_step[0] + j * p.y_step[1];
        for (int64_t k = 0; k < p.axis[2].out; ++k) x[k * p.y_step[2]] = T(0);
      }
}

void backward_phase(const ConvArgs& a, const int64_t (&phase)[3], const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  Correlation p{};
  p.dtype = a.dtype;
  p.images = g.N;
  p.groups = g.groups;
  p.cin = s.k_group;
  p.cout = s.c_group;
  int64_t w_step = 1, x_step = 1;
  bool empty = s.k_group == 0 || s.y_plane == 0;
  for (int i = 2; i >= 0; --i) {
    const PhaseAxis q = phase_axis(g, i, phase[i]);
    p.axis[i] = q.axis;
    p.w_first[i] = q.last_tap * w_step;
    p.w_step[i] = -q.every * w_step;
    p.y_first += phase[i] * x_step;
    p.y_step[i] = g.stride[i] * x_step;
    w_step *= g.kernel[i];
    x_step *= g.in[i];
    empty = empty || q.axis.taps == 0;
  }
  p.x = a.y;
  p.w = a.w;
  p.w_group = s.k_group * s.c_group * s.taps;
  p.w_row = s.taps;
  p.w_channel = s.c_group * s.taps;
  p.y = a.x;
  p.y_plane = s.x_plane;
  if (!empty)
    correlate(p, ctx);
  else if (a.dtype == DType::float32)
    clear_phase<float>(p);
  else
    clear_phase<double>(p);
}

void run_backward_input(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  if (g.N * g.C * Sizes(g).x_plane == 0) return;
  int64_t phase[3];
  for (phase[0] = 0; phase[0] < min_of(g.stride[0], g.in[0]); ++phase[0])
    for (phase[1] = 0; phase[1] < min_of(g.stride[1], g.in[1]); ++phase[1])
      for (phase[2] = 0; phase[2] < min_of(g.stride[2], g.in[2]); ++phase[2]) backward_phase(a, phase, ctx);
}

template <class T>
void clear_weight(const ConvArgs& a, int64_t count) {
  for (int64_t i = 0; i < count; ++i) static_cast<T*>(a.w)[i] = T(0);
}

void run_backward_weight(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  const int64_t count = g.K * s.c_group * s.taps;
  if (count == 0) return;
  if (g.N * s.x_plane * s.y_plane != 0)
    correlate_weight(a, ctx);
  else if (a.dtype == DType::float32)
    clear_weight<float>(a, count);
  else
    clear_weight<double>(a, count);
}

}  // namespace

const ConvKernels conv_kernels = {
    {"conv_forward", run_forward},
    {"conv_backward_input", run_backward_input},
    {"conv_backward_weight", run_backward_weight},
};

}  // namespace nn::NN_ISA
