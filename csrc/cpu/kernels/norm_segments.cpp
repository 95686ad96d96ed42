// Normalisation forward, of groups of any kind but short runs of a batch (norm_columns.cpp).
//
// The groups are divided among threads. A group's sums are taken and its results written while it is in the cache: one
// read and one write of memory are the limit (8 bytes for each float32), where a group of the batch fits into the
// second-level cache, and two reads otherwise. Few groups are shared by the threads in units of kUnit elements, whose
// sums are added in their order.
#include "cpu/kernels/norm_kernels.h"

namespace nn::NN_ISA {
namespace {

struct Sums {
  double s, q;
};

template <class T>
Sums unit_moments(const Segments& at, const T* x, int64_t g, int64_t u, T pivot) {
  Moments<T> m(pivot);
  at.each_run(g, u, [&](int64_t offset, int64_t n, int64_t, int64_t) NN_LAMBDA { m.add_run(x + offset, n); });
  m.sums[0].add(m.sums[1]);
  m.squares[0].add(m.squares[1]);
  return {m.sums[0].total(), m.squares[0].total()};
}

// scale_run with a weight and a bias for each element.
template <class T>
void scale_run(const T* x, T* y, int64_t n, const Centre<T>& centre, const T* weight, const T* bias) {
  const Vec<T> r = static_cast<T>(centre.r);
  each_vector<T>(n, [&](int64_t i, auto... count) NN_LAMBDA {
    const Vec<T> h = centre.deviation(Vec<T>::load(x + i, count...)) * r;
    fma(h, Vec<T>::load(weight + i, count...), Vec<T>::load(bias + i, count...)).store(y + i, count...);
  });
}

// apply(centre, offset, n, segment, place) writes the results of a run.
template <class T, class Apply>
void forward(const NormArgs& a, const LaunchContext& ctx, const Apply& apply) {
  const Segments at(a, true);
  const T* x = static_cast<const T*>(a.x);
  const double count = static_cast<double>(at.elements());
  const auto pivot = [&](int64_t g) { return a.centered ? x[at.first(g)] : T(0); };
  const auto write_unit = [&](int64_t g, int64_t u, const Centre<T>& centre) {
    at.each_run(g, u, [&](int64_t offset, int64_t n, int64_t segment, int64_t place) NN_LAMBDA {
      apply(centre, offset, n, segment, place);
    });
  };
  if (at.one_by_one()) {
    parallel_for(ctx, at.groups, at.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) {
        if (!a.fixed) {
          Sums total{0, 0};
          for (int64_t u = 0; u < at.units; ++u) {
            const Sums part = unit_moments(at, x, g, u, pivot(g));
            total = {total.s + part.s, total.q + part.q};
          }
          finish_moments(a, g, static_cast<double>(pivot(g)), count, total.s, total.q);
        }
        const Centre<T> centre(a.mean[g], a.var[g], a.eps);
        for (int64_t u = 0; u < at.units; ++u) write_unit(g, u, centre);
      }
    });
    return;
  }
  if (!a.fixed) {
    const Scratch scratch(at.groups * at.units * sizeof(Sums));
    Sums* const parts = static_cast<Sums*>(scratch.data);
    parallel_for(ctx, at.groups * at.units, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        parts[i] = unit_moments(at, x, i / at.units, i % at.units, pivot(i / at.units));
    });
    for (int64_t g = 0; g < at.groups; ++g) {
      Sums total{0, 0};
      for (int64_t u = 0; u < at.units; ++u)
        total = {total.s + parts[g * at.units + u].s, total.q + parts[g * at.units + u].q};
      finish_moments(a, g, static_cast<double>(pivot(g)), count, total.s, total.q);
    }
  }
  parallel_for(ctx, at.groups * at.units, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t g = i / at.units;
      write_unit(g, i % at.units, Centre<T>(a.mean[g], a.var[g], a.eps));
    }
  });
}

}  // namespace

template <class T>
void normalise_segments(const NormArgs& a, const LaunchContext& ctx) {
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  if (!affine_by_element(a)) {
    const int64_t channels = a.G * a.K;
    forward<T>(a, ctx, [&](const Centre<T>& centre, int64_t offset, int64_t n, int64_t segment, int64_t) NN_LAMBDA {
      const int64_t c = segment % channels;
      scale_run(x + offset, y + offset, n, centre, or_else(a.weight, c, T(1)), or_else(a.bias, c, T(0)));
    });
    return;
  }
  const ByElement<T> weight(a, a.weight, T(1)), bias(a, a.bias, T(0));
  forward<T>(a, ctx, [&](const Centre<T>& centre, int64_t offset, int64_t n, int64_t row, int64_t place) NN_LAMBDA {
    const int64_t from = row % a.G * a.K * a.S + place;
    scale_run(x + offset, y + offset, n, centre, weight.values + from, bias.values + from);
  });
}

template void normalise_segments<float>(const NormArgs&, const LaunchContext&);
template void normalise_segments<double>(const NormArgs&, const LaunchContext&);

}  // namespace nn::NN_ISA
