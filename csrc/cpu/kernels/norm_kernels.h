// What the files of the normalisations share: which elements form a group and how groups are cut into units of work,
// and the loops over one run of adjacent elements.
#pragma once

#include "core/kernels/norm.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/odometer.h"
#include "cpu/simd/doubles.h"

namespace nn::NN_ISA {

// norm.cpp chooses among these by the shape.
template <class T>
void normalise_segments(const NormArgs& a, const LaunchContext& ctx);
template <class T>
void normalise_segments_backward(const NormArgs& a, const LaunchContext& ctx);
template <class T>
void normalise_blocks(const NormArgs& a, const LaunchContext& ctx);
template <class T>
void normalise_blocks_backward(const NormArgs& a, const LaunchContext& ctx);
template <class T>
void normalise_rows_backward(const NormArgs& a, const LaunchContext& ctx);
template <class T>
void normalise_columns(const NormArgs& a, const LaunchContext& ctx);
template <class T>
void normalise_columns_backward(const NormArgs& a, const LaunchContext& ctx);
void run_local_response(const LocalResponseArgs& a, const LaunchContext& ctx);
void run_local_response_backward(const LocalResponseArgs& a, const LaunchContext& ctx);

namespace {

constexpr int64_t kShort = 16;           // a channel's run of fewer elements fills no register
constexpr int64_t kUnit = 1 << 14;       // elements that are summed at a stretch; their sums are added in order
constexpr int64_t kBlock = 1 << 15;      // elements that the second-level cache holds, with their gradients and results
constexpr int64_t kNormGrain = 1 << 14;  // elements below which a thread costs more than it brings

inline bool affine(const NormArgs& a) {
  return a.weight != nullptr || a.bias != nullptr || a.gweight != nullptr || a.gbias != nullptr;
}
// Whether weight and bias vary from element to element (layer norm), or at least in runs too short to treat each alone.
inline bool affine_by_element(const NormArgs& a) { return !a.batch && affine(a) && a.S < kShort; }

// A segment is a run of adjacent elements of one group. Where each has one weight, it is a run of one channel; without
// weights, and where they vary by element, it is the whole row of a group of a sample.
struct Segments {
  int64_t length, groups, per_group;  // elements of a segment; segments of a group
  int64_t group_step, step;           // segment i of group g is number g * group_step + i * step in memory
  int64_t channels;                   // segment number s has the weights of number s % channels
  int64_t pieces, joined;             // a unit is one of `pieces` of a segment, or `joined` segments
  int64_t units;                      // of a group

  // may_join: whether a unit may hold several segments.
  explicit Segments(const NormArgs& a, bool may_join) {
    const bool split = a.batch || (affine(a) && !affine_by_element(a));
    length = split ? a.S : a.K * a.S;
    groups = a.batch ? a.G : a.N * a.G;
    per_group = a.batch ? a.N : split ? a.K : 1;
    group_step = a.batch ? 1 : per_group;
    step = a.batch ? a.G : 1;
    channels = a.batch ? a.G : a.G * per_group;
    pieces = most(1, ceil_div(length, kUnit));
    joined = may_join && pieces == 1 ? most(1, kUnit / length) : 1;
    units = pieces > 1 ? per_group * pieces : ceil_div(per_group, joined);
  }

  int64_t elements() const { return per_group * length; }
  // Whether groups are finished one after the other, each while it is in a cache. Where they are few, threads share
  // each of them instead, once for its sums and once for its results.
  bool one_by_one() const { return groups >= 16 || groups * elements() <= 4 * kNormGrain; }
  int64_t grain() const { return most(1, kNormGrain / most(1, elements())); }
  int64_t first(int64_t g) const { return g * group_step * length; }

  // body(offset of the run in memory, its length, number of its segment, place in the segment) for each run of unit u.
  template <class Body>
  NN_MEMBER void each_run(int64_t g, int64_t u, const Body& body) const {
    if (pieces > 1) {
      const int64_t segment = g * group_step + u / pieces * step, from = u % pieces * kUnit;
      body(segment * length + from, least(kUnit, length - from), segment, from);
      return;
    }
    const int64_t end = least(per_group, (u + 1) * joined);
    for (int64_t i = u * joined; i < end; ++i) {
      const int64_t segment = g * group_step + i * step;
      body(segment * length, length, segment, int64_t{0});
    }
  }
};

// Mean and scale of a group as the loops take them. x - mean is computed as (x - hi) - lo: with the mean in one number
// of x's precision, results would lose as many digits as the mean has before those of the deviation.
template <class T>
struct Centre {
  T hi, lo;
  double r;

  Centre(double mean, double var, double eps)
      : hi(static_cast<T>(mean)), lo(static_cast<T>(mean - static_cast<double>(hi))), r(1 / sqrt(var + eps)) {}
  NN_MEMBER Vec<T> deviation(Vec<T> x) const { return (x - Vec<T>(hi)) - Vec<T>(lo); }
};

// f(i) for each register of a run of n elements, f(i, count) for the last, partial one.
template <class T, class F>
NN_FN void each_vector(int64_t n, const F& f) {
  constexpr int V = Vec<T>::size;
  int64_t i = 0;
  for (; i + V <= n; i += V) f(i);
  if (i < n) f(i, static_cast<int>(n - i));
}

template <class T>
NN_FN T or_else(const void* p, int64_t i, T otherwise) {
  return p != nullptr ? static_cast<const T*>(p)[i] : otherwise;
}

template <class T>
inline void fill(void* p, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) static_cast<T*>(p)[i] = value;
}

// Weight or bias [C] as one number for each element of a sample, [C * S]; `otherwise` where it is null.
template <class T>
class ByElement {
 public:
  ByElement(const NormArgs& a, const void* given, T otherwise)
      : scratch_(given != nullptr && a.S == 1 ? 0 : a.G * a.K * a.S * sizeof(T)),
        values(given != nullptr && a.S == 1 ? static_cast<const T*>(given) : static_cast<const T*>(scratch_.data)) {
    if (values == given) return;
    T* to = static_cast<T*>(scratch_.data);
    for (int64_t c = 0; c < a.G * a.K; ++c, to += a.S) fill(to, a.S, or_else(given, c, otherwise));
  }

 private:
  const Scratch scratch_;

 public:
  const T* const values;
};

// Sums of z = x - pivot and z^2 over runs, in double precision. The pivot is the group's first element, so that the
// difference of the mean square and the squared mean keeps its digits wherever the mean is: it is one of the elements
// that vary about the mean, and even as an outlier it is the variance that it dominates.
template <class T>
struct Moments {
  const Vec<T> pivot;
  const Vec<double> wide_pivot;
  DoubleSum<T> sums[2], squares[2];

  NN_MEMBER explicit Moments(T p) : pivot(p), wide_pivot(static_cast<double>(p)) {}
  NN_MEMBER void add(Vec<T> x, int k) {
    Doubles<T> z = Doubles<T>::of(x);
    for (int p = 0; p < Doubles<T>::parts; ++p) z.part[p] = z.part[p] - wide_pivot;
    sums[k].add(z);
    squares[k].add_square(z);
  }
  NN_MEMBER void add_run(const T* x, int64_t n) {
    constexpr int V = Vec<T>::size;
    int64_t i = 0;
    for (; i + 2 * V <= n; i += 2 * V) {
      add(Vec<T>::load(x + i), 0);
      add(Vec<T>::load(x + i + V), 1);
    }
    if (i + V <= n) {
      add(Vec<T>::load(x + i), 0);
      i += V;
    }
    if (i < n) add(load_or(x + i, pivot, static_cast<int>(n - i)), 1);
  }
};

// Sums of z and z^2 of count elements, pivoted, become a mean and a variance.
inline void finish_moments(const NormArgs& a, int64_t g, double pivot, double count, double s, double q) {
  const double shift = s / count, var = q / count - shift * shift;
  a.mean[g] = a.centered ? pivot + shift : 0.0;
  a.var[g] = a.centered ? (var < 0 ? 0.0 : var) : q / count;
}

// Sums of gy and of gy (x - mean) over runs: in x's precision for a few dozen registers, then in double precision.
template <class T>
struct GradientRun {
  DoubleSum<T> plain, weighted;

  // load_gy(i) is the register of gradients at i, or its first n lanes with load_gy(i, n).
  template <class Load>
  NN_MEMBER void add_run(const Load& load_gy, const T* x, int64_t n, T hi, T lo) {
    constexpr int V = Vec<T>::size;
    constexpr int64_t kStretch = 64 * V;
    const auto deviation = [&](Vec<T> v) NN_LAMBDA { return (v - Vec<T>(hi)) - Vec<T>(lo); };
    for (int64_t i = 0; i < n;) {
      const int64_t end = least(n, i + kStretch);
      Vec<T> p[2] = {T(0), T(0)}, w[2] = {T(0), T(0)};
      for (; i + 2 * V <= end; i += 2 * V)
        for (int k = 0; k < 2; ++k) {
          const Vec<T> g = load_gy(i + k * V);
          p[k] = p[k] + g;
          w[k] = fma(g, deviation(Vec<T>::load(x + i + k * V)), w[k]);
        }
      for (; i < end; i += V) {
        const int count = static_cast<int>(least(V, end - i));
        const Vec<T> g = load_gy(i, count);
        p[0] = p[0] + g;
        w[0] = fma(g, deviation(Vec<T>::load(x + i, count)), w[0]);
      }
      i = end;
      plain.add(p[0] + p[1]);
      weighted.add(w[0] + w[1]);
    }
  }
};

// The sums of gradients that both gx and the gradients of weight and bias are made of.
struct GradientSums {
  double plain, weighted;  // of gy, and of gy (x - mean)
};

// What gx = r (gy w + c + h b) takes from a group's sums, weighted by w, of gy and of gy (x - mean); h = (x - mean) r.
template <class T>
struct Backward {
  T r, b, c;

  Backward(const NormArgs& a, const Centre<T>& at, double count, const GradientSums& sums)
      : r(static_cast<T>(at.r)),
        b(static_cast<T>(-at.r * sums.weighted / count)),
        c(a.centered ? static_cast<T>(-sums.plain / count) : T(0)) {}
};

// y = (x - mean) scale + bias
template <class T>
void scale_run(const T* x, T* y, int64_t n, const Centre<T>& centre, T weight, T bias) {
  const Vec<T> scale = static_cast<T>(centre.r * static_cast<double>(weight)), shift = bias;
  each_vector<T>(n, [&](int64_t i, auto... count) NN_LAMBDA {
    fma(centre.deviation(Vec<T>::load(x + i, count...)), scale, shift).store(y + i, count...);
  });
}

// gx = r (gy w + c + h b)
template <class T>
void backward_run(const T* gy, const T* x, T* gx, int64_t n, const Centre<T>& centre, const Backward<T>& terms, T w) {
  const Vec<T> r = terms.r, b = terms.b, c = terms.c, weight = w;
  each_vector<T>(n, [&](int64_t i, auto... count) NN_LAMBDA {
    const Vec<T> h = centre.deviation(Vec<T>::load(x + i, count...)) * r;
    (r * fma(h, b, fma(Vec<T>::load(gy + i, count...), weight, c))).store(gx + i, count...);
  });
}

// gx = gy r w, where the statistics are fixed
template <class T>
void scale_gradient(const T* gy, T* gx, int64_t n, const Centre<T>& centre, T w) {
  const Vec<T> s = static_cast<T>(centre.r * static_cast<double>(w));
  each_vector<T>(
      n, [&](int64_t i, auto... count) NN_LAMBDA { (Vec<T>::load(gy + i, count...) * s).store(gx + i, count...); });
}

}  // namespace
}  // namespace nn::NN_ISA
