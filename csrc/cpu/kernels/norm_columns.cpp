// Batch norm of features and of short runs, x [N, C, S] with S below kShort: the columns of a matrix [N, C * S].
//
// Threads share strips of whole channels, about kWidth columns wide: a strip's sums are taken row by row, four rows
// together, then its results are written, while it is in the cache; one read and one write of memory are the limit (two
// reads and a write backward). A batch too tall for that, or with too few strips to share, is cut into blocks of rows,
// whose sums are added in their order, and read once more for the results.
#include "cpu/kernels/norm_kernels.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kWidth = 128;
constexpr int64_t kTall = 1024;  // rows of a strip that the second-level cache keeps

// One number of type V for each column of a strip; no strip is wider than this.
template <class V>
struct Columns {
  alignas(64) V at[kWidth];
};

template <class T>
class Strips {
 public:
  explicit Strips(const NormArgs& args)
      : a(args),
        channels(most(1, kWidth / args.S)),
        strips(ceil_div(args.G, channels)),
        tall(strips >= 8 ? kTall : kTall / 4),
        blocks(args.N > 2 * tall ? ceil_div(args.N, tall) : 1) {}

  // sums(strip, first row, last row, s, q) adds up two columns of numbers; finish(c, s, q) takes those of a channel;
  // write(strip, first row, last row) writes the results.
  template <class Sum, class Finish, class Write>
  void run(const LaunchContext& ctx, const Sum& sum, const Finish& finish, const Write& write) const {
    const int64_t rows = blocks > 1 ? tall : a.N;
    const int64_t grain = most(1, kNormGrain / (rows * least(kWidth, a.G * a.S)));
    if (blocks == 1) {
      parallel_for(ctx, strips, grain, [&](int64_t begin, int64_t end) {
        Columns<double> s, q;
        for (int64_t strip = begin; strip < end; ++strip) {
          clear(s, q);
          sum(strip, 0, a.N, s.at, q.at);
          finish_strip(strip, s, q, finish);
          write(strip, 0, a.N);
        }
      });
      return;
    }
    const Scratch memory(2 * strips * blocks * sizeof(Columns<double>));
    Columns<double>* const parts = static_cast<Columns<double>*>(memory.data);
    parallel_for(ctx, strips * blocks, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        clear(parts[2 * i], parts[2 * i + 1]);
        sum(i / blocks, i % blocks * tall, least(a.N, (i % blocks + 1) * tall), parts[2 * i].at, parts[2 * i + 1].at);
      }
    });
    for (int64_t strip = 0; strip < strips; ++strip) {
      Columns<double>* const part = parts + 2 * strip * blocks;
      for (int64_t b = 1; b < blocks; ++b)
        for (int64_t j = 0; j < width(strip); ++j) {
          part[0].at[j] += part[2 * b].at[j];
          part[1].at[j] += part[2 * b + 1].at[j];
        }
      finish_strip(strip, part[0], part[1], finish);
    }
    parallel_for(ctx, strips * blocks, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) write(i / blocks, i % blocks * tall, least(a.N, (i % blocks + 1) * tall));
    });
  }

  int64_t first_channel(int64_t strip) const { return strip * channels; }
  int64_t width(int64_t strip) const { return least(channels, a.G - first_channel(strip)) * a.S; }
  int64_t offset(int64_t strip, int64_t row) const { return row * a.G * a.S + first_channel(strip) * a.S; }

  // f(c) of each channel of a strip, once for each of its columns.
  template <class V, class F>
  void spread(int64_t strip, V* columns, const F& f) const {
    const int64_t count = width(strip) / a.S;
    for (int64_t c = 0; c < count; ++c) {
      const V value = f(first_channel(strip) + c);
      for (int64_t s = 0; s < a.S; ++s) *columns++ = value;
    }
  }

 private:
  static void clear(Columns<double>& s, Columns<double>& q) {
    fill(s.at, kWidth, 0.0);
    fill(q.at, kWidth, 0.0);
  }

  template <class Finish>
  void finish_strip(int64_t strip, const Columns<double>& s, const Columns<double>& q, const Finish& finish) const {
    for (int64_t j = 0; j < width(strip); j += a.S) {
      double s_sum = 0, q_sum = 0;
      for (int64_t i = j; i < j + a.S; ++i) {
        s_sum += s.at[i];
        q_sum += q.at[i];
      }
      finish(first_channel(strip) + j / a.S, s_sum, q_sum);
    }
  }

  const NormArgs& a;
  const int64_t channels, strips;  // of a strip; in all
  const int64_t tall, blocks;      // rows of a block; in all
};

// s += the sum over rows of first(row, i), q += that of second(...), for the registers i of a strip.
template <class T, class Lift>
NN_FN void add_columns(int64_t rows, int64_t width, double* s, double* q, const Lift& lift) {
  constexpr int V = Vec<T>::size, D = Vec<double>::size;
  for (int64_t top = 0; top < rows; top += 4) {
    const int64_t count = least(4, rows - top);
    for (int64_t i = 0; i < width; i += V) {
      DoubleSum<T> sums, squares;
      for (int p = 0; p < Doubles<T>::parts; ++p) {
        sums.lanes[p] = Vec<double>::load(s + i + p * D);
        squares.lanes[p] = Vec<double>::load(q + i + p * D);
      }
      for (int64_t k = 0; k < count; ++k) lift(top + k, i, static_cast<int>(least(V, width - i)), sums, squares);
      for (int p = 0; p < Doubles<T>::parts; ++p) {
        sums.lanes[p].store(s + i + p * D);
        squares.lanes[p].store(q + i + p * D);
      }
    }
  }
}

// The mean of each column as Centre has it, and two more numbers.
template <class T>
struct StripTerms {
  Columns<T> hi, lo, scale, shift, slope;

  StripTerms(const NormArgs& a, const Strips<T>& strips, int64_t strip) {
    const auto centre = [&](int64_t c) { return Centre<T>(a.mean[c], a.var[c], a.eps); };
    strips.spread(strip, hi.at, [&](int64_t c) { return centre(c).hi; });
    strips.spread(strip, lo.at, [&](int64_t c) { return centre(c).lo; });
  }
  NN_MEMBER Vec<T> deviation(Vec<T> x, int64_t i) const {
    return (x - Vec<T>::load(hi.at + i)) - Vec<T>::load(lo.at + i);
  }
};

template <class T>
double scale_of(const NormArgs& a, int64_t c) {
  return Centre<T>(a.mean[c], a.var[c], a.eps).r * static_cast<double>(or_else(a.weight, c, T(1)));
}

}  // namespace

template <class T>
void normalise_columns(const NormArgs& a, const LaunchContext& ctx) {
  const Strips<T> strips(a);
  const T* x = static_cast<const T*>(a.x);
  const int64_t stride = a.G * a.S;
  const auto pivot = [&](int64_t c) { return x[c * a.S]; };
  strips.run(
      ctx,
      [&](int64_t strip, int64_t first, int64_t last, double* s, double* q) {
        if (a.fixed) return;
        Columns<T> pivots;
        strips.spread(strip, pivots.at, pivot);
        const T* from = x + strips.offset(strip, first);
        add_columns<T>(last - first, strips.width(strip), s, q,
                       [&](int64_t row, int64_t i, int n, DoubleSum<T>& sums, DoubleSum<T>& squares) NN_LAMBDA {
                         Doubles<T> z = Doubles<T>::of(Vec<T>::load(from + row * stride + i, n));
                         const Doubles<T> p = Doubles<T>::of(Vec<T>::load(pivots.at + i));
                         for (int k = 0; k < Doubles<T>::parts; ++k) z.part[k] = z.part[k] - p.part[k];
                         sums.add(z);
                         squares.add_square(z);
                       });
      },
      [&](int64_t c, double s, double q) {
        if (!a.fixed) finish_moments(a, c, static_cast<double>(pivot(c)), static_cast<double>(a.N * a.S), s, q);
      },
      [&](int64_t strip, int64_t first, int64_t last) {
        StripTerms<T> at(a, strips, strip);
        strips.spread(strip, at.scale.at, [&](int64_t c) { return static_cast<T>(scale_of<T>(a, c)); });
        strips.spread(strip, at.shift.at, [&](int64_t c) { return or_else(a.bias, c, T(0)); });
        for (int64_t row = first; row < last; ++row) {
          const int64_t offset = strips.offset(strip, row);
          each_vector<T>(strips.width(strip), [&](int64_t i, auto... n) NN_LAMBDA {
            const Vec<T> deviation = at.deviation(Vec<T>::load(x + offset + i, n...), i);
            fma(deviation, Vec<T>::load(at.scale.at + i), Vec<T>::load(at.shift.at + i))
                .store(static_cast<T*>(a.y) + offset + i, n...);
          });
        }
      });
}

template <class T>
void normalise_columns_backward(const NormArgs& a, const LaunchContext& ctx) {
  const Strips<T> strips(a);
  const T *x = static_cast<const T*>(a.x), *gy = static_cast<const T*>(a.gy);
  T* const gx = static_cast<T*>(a.gx);
  const int64_t stride = a.G * a.S;
  const Scratch memory(a.G * sizeof(GradientSums));
  GradientSums* const sums_of = static_cast<GradientSums*>(memory.data);
  strips.run(
      ctx,
      [&](int64_t strip, int64_t first, int64_t last, double* s, double* q) {
        const StripTerms<T> at(a, strips, strip);
        const int64_t from = strips.offset(strip, first);
        add_columns<T>(last - first, strips.width(strip), s, q,
                       [&](int64_t row, int64_t i, int n, DoubleSum<T>& plain, DoubleSum<T>& weighted) NN_LAMBDA {
                         const int64_t place = from + row * stride + i;
                         const Vec<T> g = Vec<T>::load(gy + place, n);
                         plain.add(g);
                         weighted.add(g * at.deviation(Vec<T>::load(x + place, n), i));
                       });
      },
      [&](int64_t c, double plain, double weighted) {
        sums_of[c] = {plain, weighted};
        const double r = Centre<T>(a.mean[c], a.var[c], a.eps).r;
        if (a.gweight != nullptr) static_cast<T*>(a.gweight)[c] = static_cast<T>(r * weighted);
        if (a.gbias != nullptr) static_cast<T*>(a.gbias)[c] = static_cast<T>(plain);
      },
      [&](int64_t strip, int64_t first, int64_t last) {
        if (gx == nullptr) return;
        // gx = r w (gy + c + (x - mean) b): r w in `scale`, c in `shift`, b in `slope`; 0 where the statistics are
        // fixed.
        StripTerms<T> at(a, strips, strip);
        const double count = static_cast<double>(a.N * a.S);
        strips.spread(strip, at.scale.at, [&](int64_t c) { return static_cast<T>(scale_of<T>(a, c)); });
        strips.spread(strip, at.shift.at, [&](int64_t c) { return static_cast<T>(-sums_of[c].plain / count); });
        strips.spread(strip, at.slope.at,
                      [&](int64_t c) { return static_cast<T>(-sums_of[c].weighted / count / (a.var[c] + a.eps)); });
        for (int64_t row = first; row < last; ++row) {
          const int64_t offset = strips.offset(strip, row);
          each_vector<T>(strips.width(strip), [&](int64_t i, auto... n) NN_LAMBDA {
            Vec<T> g = Vec<T>::load(gy + offset + i, n...);
            if (!a.fixed) {
              const Vec<T> deviation = at.deviation(Vec<T>::load(x + offset + i, n...), i);
              g = fma(deviation, Vec<T>::load(at.slope.at + i), g + Vec<T>::load(at.shift.at + i));
            }
            (g * Vec<T>::load(at.scale.at + i)).store(gx + offset + i, n...);
          });
        }
      });
}

template void normalise_columns<float>(const NormArgs&, const LaunchContext&);
template void normalise_columns<double>(const NormArgs&, const LaunchContext&);
template void normalise_columns_backward<float>(const NormArgs&, const LaunchContext&);
template void normalise_columns_backward<double>(const NormArgs&, const LaunchContext&);

}  // namespace nn::NN_ISA
