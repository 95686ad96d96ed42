// Depthwise 3x3 convolution of stride 1 and padding 1 over planes at most two vectors wide: the small images deep
// inside of a network, where gathering a strip would cost more than the sums.
//
// A row is one or two registers, loaded once; its left and right neighbours are the same registers shifted by a lane,
// or, with stride 2, the elements at odd places, as they are and shifted. forward, backward_input: rows pass by from
// top to bottom, and each adds three taps to each of three rows of results under way, of which one is then complete.
// backward_weight: nine vectors of running sums, three rows of gy in registers. Parallel over planes, or channels.
// Bytes: x and y once. Bound: the nine multiply-adds of a vector, 4.5 cycles, of which a row of 14 floats takes about
// 10 with AVX-512 (the shifts, a masked load and a masked store share the rest).
#include "core/parallel.h"
#include "cpu/kernels/conv_plane.h"
#include "cpu/simd/pairs.h"

namespace nn::NN_ISA {
namespace {

template <class T, int NV>
struct Row {
  Vec<T> v[NV];

  Row() = default;
  NN_MEMBER explicit Row(Vec<T> value) {
    for (int i = 0; i < NV; ++i) v[i] = value;
  }
  // The first n elements, the other lanes 0.
  NN_MEMBER static Row load(const T* p, int n) {
    constexpr int V = Vec<T>::size;
    Row r;
    if constexpr (NV == 2) r.v[0] = Vec<T>::load(p);
    r.v[NV - 1] = Vec<T>::load(p + (NV - 1) * V, n - (NV - 1) * V);
    return r;
  }
  NN_MEMBER void store(T* p, int n) const {
    constexpr int V = Vec<T>::size;
    if constexpr (NV == 2) v[0].store(p);
    v[NV - 1].store(p + (NV - 1) * V, n - (NV - 1) * V);
  }
  // Lane i holds what stood in lane i - 1, or i + 1.
  NN_MEMBER Row from_left() const {
    constexpr int last = Vec<T>::size - 1;
    Row r;
    r.v[0] = pick_lanes<last, 1>(Vec<T>(T(0)), v[0]);
    if constexpr (NV == 2) r.v[1] = pick_lanes<last, 1>(v[0], v[1]);
    return r;
  }
  NN_MEMBER Row from_right() const {
    Row r;
    if constexpr (NV == 2) r.v[0] = pick_lanes<1, 1>(v[0], v[1]);
    r.v[NV - 1] = pick_lanes<1, 1>(v[NV - 1], Vec<T>(T(0)));
    return r;
  }
  // The lanes of `inside`, which is not 0 there; 0 elsewhere.
  NN_MEMBER Row within(const Row& inside) const {
    Row r;
    for (int i = 0; i < NV; ++i) r.v[i] = select(inside.v[i] != Vec<T>(T(0)), v[i], Vec<T>(T(0)));
    return r;
  }
};

// What the three taps of a row of x read for each position of a row of results.
template <class T, int NV>
struct Taps {
  Row<T, NV> left, centre, right;

  Taps() : left(Vec<T>(T(0))), centre(left), right(left) {}
  // The first n elements of x, 0 behind them.
  template <int stride>
  NN_MEMBER static Taps load(const T* x, int n) {
    constexpr int V = Vec<T>::size;
    Taps t;
    if constexpr (stride == 1) {
      t.centre = Row<T, NV>::load(x, n);
      t.right = t.centre.from_right();
      t.left = t.centre.from_left();
    } else {
      const auto part = [&](int k) NN_LAMBDA {
        const int here = n - k * V;
        return here >= V ? Vec<T>::load(x + k * V) : here > 0 ? Vec<T>::load(x + k * V, here) : Vec<T>(T(0));
      };
      for (int i = 0; i < NV; ++i) {
        const Vec<T> a = part(2 * i), b = part(2 * i + 1);
        t.centre.v[i] = even_lanes(a, b);
        t.right.v[i] = odd_lanes(a, b);
      }
      t.left = t.right.from_left();
    }
    return t;
  }
};

template <class T, int NV>
NN_FN Row<T, NV> multiply_add(Row<T, NV> a, Vec<T> b, Row<T, NV> c) {
  for (int i = 0; i < NV; ++i) c.v[i] = fma(a.v[i], b, c.v[i]);
  return c;
}

// Row r of the 3x3 weights on one row of x, added to a row of results.
template <class T, int NV>
NN_FN Row<T, NV> add_row(const Taps<T, NV>& x, const Vec<T>* w, Row<T, NV> to) {
  return multiply_add(x.right, w[2], multiply_add(x.centre, w[1], multiply_add(x.left, w[0], to)));
}

// y[i, q] = bias + sum over r, s of w[r, s] x[i stride + r - 1, q stride + s - 1]. x is [rows, width], y [out,
// columns]; rows outside are rows of zeros.
template <class T, int NV, int stride>
void correlate_plane(const T* x, const Vec<T> (&w)[9], Vec<T> bias, bool relu, int64_t rows, int width, int64_t out,
                     int columns, T* y) {
  using R = Row<T, NV>;
  const auto store = [&](R done, int64_t i) NN_LAMBDA {
    if (relu)
      for (int v = 0; v < NV; ++v) done.v[v] = select(done.v[v] < Vec<T>(T(0)), Vec<T>(T(0)), done.v[v]);
    done.store(y + i * columns, columns);
  };
  const auto row = [&](int64_t h) NN_LAMBDA {
    return h < rows ? Taps<T, NV>::template load<stride>(x + h * width, width) : Taps<T, NV>();
  };
  if constexpr (stride == 1) {
    R above = add_row(Taps<T, NV>(), w, R(bias));  // of the row of results that the next row of x begins with tap 1
    R before(bias);
    for (int64_t h = 0; h <= out; ++h) {
      const Taps<T, NV> t = row(h);
      const R done = add_row(t, w + 6, before);
      before = add_row(t, w + 3, above);
      above = add_row(t, w, R(bias));
      if (h > 0) store(done, h - 1);
    }
  } else {
    R begun = add_row(Taps<T, NV>(), w, R(bias));
    for (int64_t i = 0; i < out; ++i) {
      const R half = add_row(row(2 * i), w + 3, begun);
      const Taps<T, NV> t = row(2 * i + 1);
      store(add_row(t, w + 6, half), i);
      begun = add_row(t, w, R(bias));
    }
  }
}

// sums[3 r + s] += gy[i, q] x[i stride + r - 1, q stride + s - 1], lane by lane. Lanes and rows without a gy take no
// part.
template <class T, int NV>
NN_FN void weigh_row(const Row<T, NV>& g, const Taps<T, NV>& x, Vec<T>* sums) {
  for (int i = 0; i < NV; ++i) {
    sums[0] = fma(g.v[i], x.left.v[i], sums[0]);
    sums[1] = fma(g.v[i], x.centre.v[i], sums[1]);
    sums[2] = fma(g.v[i], x.right.v[i], sums[2]);
  }
}

template <class T, int NV, int stride>
void weigh_plane(const T* x, const T* gy, int64_t rows, int width, int64_t out, int columns, const Row<T, NV>& inside,
                 Vec<T> (&result)[9]) {
  using R = Row<T, NV>;
  const auto row = [&](int64_t h) NN_LAMBDA {
    if (h >= rows) return Taps<T, NV>();
    Taps<T, NV> t = Taps<T, NV>::template load<stride>(x + h * width, width);
    t.left = t.left.within(inside);
    return t;
  };
  Vec<T> sums[9];
  for (int t = 0; t < 9; ++t) sums[t] = result[t];
  if constexpr (stride == 1) {
    R next = R::load(gy, columns), here = next, before = next;
    weigh_row(next, Taps<T, NV>(), sums);
    const auto pass = [&](int64_t h, bool r0, bool r1, bool r2) NN_LAMBDA {
      before = here;
      here = next;
      const Taps<T, NV> t = row(h);
      if (r0) next = R::load(gy + (h + 1) * columns, columns);
      if (r0) weigh_row(next, t, sums);
      if (r1) weigh_row(here, t, sums + 3);
      if (r2) weigh_row(before, t, sums + 6);
    };
    pass(0, out > 1, true, false);
    for (int64_t h = 1; h + 1 < out; ++h) pass(h, true, true, true);
    if (out > 1) pass(out - 1, false, true, true);
    pass(out, false, false, true);
  } else {
    Taps<T, NV> above;
    for (int64_t i = 0; i < out; ++i) {
      const R g = R::load(gy + i * columns, columns);
      weigh_row(g, above, sums);
      weigh_row(g, row(2 * i), sums + 3);
      above = row(2 * i + 1);
      weigh_row(g, above, sums + 6);
    }
  }
  for (int t = 0; t < 9; ++t) result[t] = sums[t];
}

template <class T, int NV, int stride>
void run(const Correlation& p, const LaunchContext& ctx) {
  const ConvAxis &high = p.axis[1], &wide = p.axis[2];
  const PhaseAxis &a = p.phase[1][0], &b = p.phase[2][0];
  parallel_for(ctx, p.images * p.groups, max_of(1, 8192 / (high.out * wide.out)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i % p.groups;
      Vec<T> w[9];
      for (int t = 0; t < 9; ++t) {
        const int64_t r = a.weight + t / 3 * a.weight_step, s = b.weight + t % 3 * b.weight_step;
        w[t] = static_cast<const T*>(p.w)[group * p.w_group + r * p.w_size[2] + s];
      }
      const T bias = p.bias != nullptr ? static_cast<const T*>(p.bias)[group] : T(0);
      correlate_plane<T, NV, stride>(static_cast<const T*>(p.x) + i * high.in * wide.in, w, bias, p.relu, high.in,
                                     static_cast<int>(wide.in), high.out, static_cast<int>(wide.out),
                                     static_cast<T*>(p.y) + i * high.out * wide.out);
    }
  });
}

template <class T, int NV, int stride>
void run_weight(const ConvArgs& args, const LaunchContext& ctx) {
  const ConvGeometry& g = args.geometry;
  const int64_t plane = g.in[1] * g.in[2], results = g.out[1] * g.out[2];
  const int columns = static_cast<int>(g.out[2]);
  alignas(64) T ones[NV * Vec<T>::size];
  for (T& one : ones) one = T(1);
  const Row<T, NV> inside = Row<T, NV>::load(ones, columns);
  parallel_for(ctx, g.C, max_of(1, 8192 / (results * g.N)), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      Vec<T> sums[9];
      for (Vec<T>& s : sums) s = T(0);
      for (int64_t n = 0; n < g.N; ++n) {
        const int64_t at = n * g.C + c;
        weigh_plane<T, NV, stride>(static_cast<const T*>(args.x) + at * plane,
                                   static_cast<const T*>(args.y) + at * results, g.in[1], static_cast<int>(g.in[2]),
                                   g.out[1], columns, inside, sums);
      }
      for (int t = 0; t < 9; ++t) static_cast<T*>(args.w)[c * 9 + t] = sum(sums[t]);
    }
  });
}

// Three taps around each position, or around every second one from the first on.
bool around(const ConvAxis& axis, int64_t stride) {
  return axis.stride == stride && axis.taps == 3 && axis.first == -1 && axis.step == 1 && axis.in >= 1 &&
         axis.out == (axis.in + stride - 1) / stride;
}

// The instance of Run for a dtype, a stride of 1 or 2, and one or two vectors of results.
template <template <class, int, int> class Run, class Args>
bool dispatch(DType dtype, int64_t stride, int64_t columns, const Args& args, const LaunchContext& ctx) {
  const auto pick = [&]<class T>(T) {
    constexpr int64_t L = Vec<T>::size;
    if (columns > 2 * L) return false;
    if (stride == 1)
      columns <= L ? Run<T, 1, 1>::call(args, ctx) : Run<T, 2, 1>::call(args, ctx);
    else
      columns <= L ? Run<T, 1, 2>::call(args, ctx) : Run<T, 2, 2>::call(args, ctx);
    return true;
  };
  return dtype == DType::float32 ? pick(float{}) : pick(double{});
}
template <class T, int NV, int stride>
struct Correlate {
  static void call(const Correlation& p, const LaunchContext& ctx) { run<T, NV, stride>(p, ctx); }
};
template <class T, int NV, int stride>
struct Weigh {
  static void call(const ConvArgs& args, const LaunchContext& ctx) { run_weight<T, NV, stride>(args, ctx); }
};

}  // namespace

bool correlate_narrow(const Correlation& p, const LaunchContext& ctx) {
  if (p.cin != 1 || p.cout != 1 || p.y_stride[1] * p.y_stride[2] != 1) return false;
  if (p.axis[0].in != 1 || !p.axis[0].pointwise() || p.y_size[0] != 1) return false;
  const int64_t stride = p.axis[2].stride;
  if (stride > 2 || !around(p.axis[1], stride) || !around(p.axis[2], stride)) return false;
  if (p.phase[1]->taps != 3 || p.phase[2]->taps != 3) return false;  // two taps, with a gap between them, reach as far
  return dispatch<Correlate>(p.dtype, stride, p.axis[2].out, p, ctx);
}

bool correlate_weight_narrow(const ConvArgs& args, const LaunchContext& ctx) {
  const ConvGeometry& g = args.geometry;
  const int64_t stride = g.stride[2];
  if (g.in[0] != 1 || g.out[0] != 1 || g.kernel[0] != 1 || stride > 2) return false;
  for (int i = 1; i < 3; ++i)
    if (!around({g.in[i], g.out[i], g.stride[i], g.kernel[i], -g.pad[i], g.dilation[i]}, stride)) return false;
  return dispatch<Weigh>(args.dtype, stride, g.out[2], args, ctx);
}

}  // namespace nn::NN_ISA
