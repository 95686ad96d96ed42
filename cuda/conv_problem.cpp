// The three kernels of convolution as products: what lies where.
#include "cuda/conv_index.h"

namespace nn::cuda {
namespace {

int64_t volume(const int64_t (&size)[3]) { return size[0] * size[1] * size[2]; }

void set_strides(const int64_t (&size)[3], int64_t (&stride)[3]) {
  stride[2] = 1, stride[1] = size[2], stride[0] = size[1] * size[2];
}

int64_t greatest_divisor(int64_t a, int64_t b) { return b == 0 ? a : greatest_divisor(b, a % b); }

// (image, output position): reads x, and is where y lies.
ConvAxis output_axis(const ConvGeometry& g) {
  ConvAxis axis{};
  for (int i = 0; i < 3; ++i) {
    axis.extent[i] = g.out[i];
    axis.first[i] = static_cast<int>(-g.pad[i]), axis.step[i] = static_cast<int>(g.stride[i]);
  }
  set_strides(g.in, axis.stride);
  set_strides(g.out, axis.other_stride);
  axis.outer = g.C * volume(g.in);
  axis.other_outer = g.K * volume(g.out);
  return axis;
}

// (input channel of the group, tap): reads x, and is where a row of w lies.
ConvAxis tap_axis(const ConvGeometry& g) {
  ConvAxis axis{};
  for (int i = 0; i < 3; ++i) axis.extent[i] = g.kernel[i], axis.step[i] = static_cast<int>(g.dilation[i]);
  set_strides(g.in, axis.stride);
  set_strides(g.kernel, axis.other_stride);
  axis.outer = volume(g.in);
  axis.other_outer = volume(g.kernel);
  return axis;
}

void set_bound(const int64_t (&size)[3], ConvProblem& p) {
  for (int i = 0; i < 3; ++i) p.bound[i] = static_cast<int>(size[i]);
}

}  // namespace

ConvProblem forward_problem(const ConvArgs& args) {
  const ConvGeometry& g = args.geometry;
  ConvProblem p{};
  p.a = args.w, p.b = args.x, p.c = args.y, p.bias = args.bias;
  p.relu = args.activation == Activation::relu;
  p.groups = g.groups, p.M = g.K / g.groups, p.N = g.N * volume(g.out), p.K = g.C / g.groups * volume(g.kernel);
  p.a_row = p.K, p.c_row = volume(g.out);
  p.a_group = p.M * p.a_row, p.b_group = g.C / g.groups * volume(g.in), p.c_group = p.M * p.c_row;
  p.n = output_axis(g), p.k = tap_axis(g);
  set_bound(g.in, p);
  return p;
}

ConvProblem backward_weight_problem(const ConvArgs& args) {
  const ConvGeometry& g = args.geometry;
  ConvProblem p{};
  p.a = args.y, p.b = args.x, p.c = args.w;
  p.groups = g.groups, p.M = g.K / g.groups, p.N = g.C / g.groups * volume(g.kernel), p.K = g.N * volume(g.out);
  p.a_row = volume(g.out), p.c_row = p.N;
  p.a_group = p.M * p.a_row, p.b_group = g.C / g.groups * volume(g.in), p.c_group = p.M * p.c_row;
  p.n = tap_axis(g), p.k = output_axis(g);
  set_bound(g.in, p);
  p.reduces = true;
  return p;
}

// Input a + s * j, with a the phase, meets output o by tap r where o * s - pad + r * dilation is that input: the taps
// for which s divides a + pad - r * dilation, every (s / gcd)-th from some first one on, and o = j + that quotient.
ConvProblem backward_input_problem(const ConvArgs& args, const int64_t (&phase)[3]) {
  const ConvGeometry& g = args.geometry;
  ConvProblem p{};
  p.a = args.w, p.b = args.y, p.c = args.x, p.bias = args.bias;
  const int64_t taps = volume(g.kernel), k_group = g.K / g.groups, c_group = g.C / g.groups;
  int64_t in_stride[3], kernel_stride[3];
  set_strides(g.in, in_stride);
  set_strides(g.kernel, kernel_stride);
  set_strides(g.out, p.n.stride);
  set_strides(g.out, p.k.stride);
  for (int i = 0; i < 3; ++i) {
    const int64_t s = g.stride[i], d = g.dilation[i], every = s / greatest_divisor(d, s), at = phase[i] + g.pad[i];
    p.n.extent[i] = phase[i] < g.in[i] ? (g.in[i] - phase[i] + s - 1) / s : 0;
    p.n.step[i] = 1;
    p.n.other_stride[i] = s * in_stride[i];
    p.n.other_first += phase[i] * in_stride[i];

    int64_t first = 0;
    while (first < g.kernel[i] && (at - first * d) % s != 0) ++first;
    p.k.extent[i] = (g.kernel[i] - first + every - 1) / every;
    p.k.first[i] = static_cast<int>((at - first * d) / s);
    p.k.step[i] = static_cast<int>(-every * d / s);
    p.k.other_stride[i] = every * kernel_stride[i];
    p.k.other_first += first * kernel_stride[i];
  }
  p.n.outer = g.K * volume(g.out), p.n.other_outer = g.C * volume(g.in);
  p.k.outer = volume(g.out), p.k.other_outer = c_group * taps;
  p.groups = g.groups, p.M = c_group, p.N = g.N * volume(p.n.extent), p.K = k_group * volume(p.k.extent);
  p.a_row = taps, p.c_row = volume(g.in);
  p.a_group = k_group * c_group * taps, p.b_group = k_group * volume(g.out), p.c_group = c_group * p.c_row;
  set_bound(g.out, p);
  return p;
}

}  // namespace nn::cuda
