// Convolution on the CPU: the table of the three kernels.
// Plain loops over the taps inside the image; parallel over the planes of what is written.
#include "core/kernels/conv.h"

#include "core/parallel.h"
#include "math/conv_window.h"

namespace nn::NN_ISA {
extern const ConvKernels conv_kernels;

namespace {

// Adds to y (forward) or x (backward_input), or sums into w, every product of one (image, output channel, input
// channel) triple: body(y index in plane, x index in plane, tap index).
template <class Body>
void each_product(const ConvGeometry& g, const Body& body) {
  for (int64_t r0 = 0; r0 < g.kernel[0]; ++r0)
    for (int64_t r1 = 0; r1 < g.kernel[1]; ++r1)
      for (int64_t r2 = 0; r2 < g.kernel[2]; ++r2) {
        const int64_t r[3] = {r0, r1, r2};
        int64_t offset[3];
        WindowRange o[3];
        for (int i = 0; i < 3; ++i) {
          offset[i] = r[i] * g.dilation[i] - g.pad[i];
          o[i] = outputs_inside(offset[i], g.stride[i], g.in[i], g.out[i]);
        }
        const int64_t tap = (r0 * g.kernel[1] + r1) * g.kernel[2] + r2;
        for (int64_t i = o[0].begin; i < o[0].end; ++i)
          for (int64_t j = o[1].begin; j < o[1].end; ++j) {
            const int64_t d = i * g.stride[0] + offset[0], h = j * g.stride[1] + offset[1];
            const int64_t yrow = (i * g.out[1] + j) * g.out[2], xrow = (d * g.in[1] + h) * g.in[2] + offset[2];
            for (int64_t k = o[2].begin; k < o[2].end; ++k) body(yrow + k, xrow + k * g.stride[2], tap);
          }
      }
}

struct Sizes {
  int64_t x_plane, y_plane, taps, c_group, k_group;
  explicit Sizes(const ConvGeometry& g)
      : x_plane(g.in[0] * g.in[1] * g.in[2]),
        y_plane(g.out[0] * g.out[1] * g.out[2]),
        taps(g.kernel[0] * g.kernel[1] * g.kernel[2]),
        c_group(g.C / g.groups),
        k_group(g.K / g.groups) {}
};

template <class T>
void forward(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  parallel_for(ctx, g.N * g.K, 1, [&](int64_t begin, int64_t end) {
    for (int64_t nk = begin; nk < end; ++nk) {
      const int64_t n = nk / g.K, k = nk % g.K;
      T* y = static_cast<T*>(a.y) + nk * s.y_plane;
      const T bias = a.bias ? static_cast<const T*>(a.bias)[k] : T(0);
      for (int64_t i = 0; i < s.y_plane; ++i) y[i] = bias;
      for (int64_t c = 0; c < s.c_group; ++c) {
        const T* x = static_cast<const T*>(a.x) + (n * g.C + k / s.k_group * s.c_group + c) * s.x_plane;
        const T* w = static_cast<const T*>(a.w) + (k * s.c_group + c) * s.taps;
        each_product(g, [&](int64_t yi, int64_t xi, int64_t t) { y[yi] += w[t] * x[xi]; });
      }
    }
  });
}

template <class T>
void backward_input(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  parallel_for(ctx, g.N * g.C, 1, [&](int64_t begin, int64_t end) {
    for (int64_t nc = begin; nc < end; ++nc) {
      const int64_t n = nc / g.C, c = nc % g.C, group = c / s.c_group;
      T* x = static_cast<T*>(a.x) + nc * s.x_plane;
      for (int64_t i = 0; i < s.x_plane; ++i) x[i] = T(0);
      for (int64_t k = group * s.k_group; k < (group + 1) * s.k_group; ++k) {
        const T* y = static_cast<const T*>(a.y) + (n * g.K + k) * s.y_plane;
        const T* w = static_cast<const T*>(a.w) + (k * s.c_group + c % s.c_group) * s.taps;
        each_product(g, [&](int64_t yi, int64_t xi, int64_t t) { x[xi] += w[t] * y[yi]; });
      }
    }
  });
}

template <class T>
void backward_weight(const ConvArgs& a, const LaunchContext& ctx) {
  const ConvGeometry& g = a.geometry;
  const Sizes s(g);
  parallel_for(ctx, g.K * s.c_group, 1, [&](int64_t begin, int64_t end) {
    for (int64_t kc = begin; kc < end; ++kc) {
      const int64_t k = kc / s.c_group, c = k / s.k_group * s.c_group + kc % s.c_group;
      T* w = static_cast<T*>(a.w) + kc * s.taps;
      for (int64_t t = 0; t < s.taps; ++t) w[t] = T(0);
      for (int64_t n = 0; n < g.N; ++n) {
        const T* x = static_cast<const T*>(a.x) + (n * g.C + c) * s.x_plane;
        const T* y = static_cast<const T*>(a.y) + (n * g.K + k) * s.y_plane;
        each_product(g, [&](int64_t yi, int64_t xi, int64_t t) { w[t] += x[xi] * y[yi]; });
      }
    }
  });
}

template <class Typed32, class Typed64>
void by_dtype(const ConvArgs& a, const Typed32& f32, const Typed64& f64) {
  a.dtype == DType::float32 ? f32() : f64();
}

void run_forward(const ConvArgs& a, const LaunchContext& ctx) {
  by_dtype(a, [&] { forward<float>(a, ctx); }, [&] { forward<double>(a, ctx); });
}
void run_backward_input(const ConvArgs& a, const LaunchContext& ctx) {
  by_dtype(a, [&] { backward_input<float>(a, ctx); }, [&] { backward_input<double>(a, ctx); });
}
void run_backward_weight(const ConvArgs& a, const LaunchContext& ctx) {
  by_dtype(a, [&] { backward_weight<float>(a, ctx); }, [&] { backward_weight<double>(a, ctx); });
}

}  // namespace

const ConvKernels conv_kernels = {
    {"conv_forward", run_forward},
    {"conv_backward_input", run_backward_input},
    {"conv_backward_weight", run_backward_weight},
};

}  // namespace nn::NN_ISA
