// Normalisation backward where every element of a row has a weight of its own: layer norm, RMS norm, and group norm
// with few elements in a channel.
//
// Four samples are taken at a time: the sums of each, then their gradients together, so that the partial sums of the
// weights' gradients are read and written once for the four. Where the rows fit into the second-level cache, two reads
// and one write of memory are the limit (12 bytes for each float32). Threads share the samples in blocks of kSamples,
// each with partial sums of its own (one 16th of a read and a write more), which are added in the order of the blocks.
// Few samples, with long rows, are cut across the rows instead: sums first, then strips of columns with all samples.
#include "cpu/kernels/norm_kernels.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kSamples = 32;
constexpr int64_t kStrip = 512;
constexpr int kTogether = 4;

// A row of one group of a sample, and what its gradient needs.
template <class T>
struct Row {
  const T* gy;
  const T* x;
  T* gx;
  T hi, lo, r, b, c;
};

template <class T>
class RowsBackward {
 public:
  RowsBackward(const NormArgs& args, const LaunchContext& context)
      : a(args), ctx(context), weight(args, args.weight, T(1)), length(args.K * args.S), columns(args.G * length) {}

  void run() const {
    const bool few = a.N <= 2 * kSamples && a.N * columns > 4 * kNormGrain;
    const int64_t blocks = few ? 1 : ceil_div(a.N, kSamples);
    const Scratch memory(2 * blocks * columns * sizeof(T));
    T* const gw = static_cast<T*>(memory.data);
    T* const gb = gw + blocks * columns;
    if (few)
      by_strips(gw, gb);
    else
      by_samples(blocks, gw, gb);
    if (a.gweight != nullptr) join(gw, blocks, a.gweight);
    if (a.gbias != nullptr) join(gb, blocks, a.gbias);
  }

 private:
  Row<T> row(int64_t n, int64_t g) const {
    const int64_t at = n * columns + g * length, group = n * a.G + g;
    const Centre<T> centre(a.mean[group], a.var[group], a.eps);
    T* gx = a.gx != nullptr ? static_cast<T*>(a.gx) + at : nullptr;
    const T *gy = static_cast<const T*>(a.gy) + at, *x = static_cast<const T*>(a.x) + at;
    return {gy, x, gx, centre.hi, centre.lo, static_cast<T>(centre.r), T(0), T(0)};
  }

  static NN_MEMBER Vec<T> deviation(const Row<T>& row, Vec<T> x) { return (x - Vec<T>(row.hi)) - Vec<T>(row.lo); }

  // Sums of gy w and gy w (x - mean) over n elements from `from` on.
  GradientSums sum_row(const Row<T>& row, const T* w, int64_t from, int64_t n) const {
    GradientRun<T> run;
    const T *gy = row.gy + from, *weights = w + from;
    const auto load = [&](int64_t i, auto... count)
                          NN_LAMBDA { return Vec<T>::load(gy + i, count...) * Vec<T>::load(weights + i, count...); };
    run.add_run(load, row.x + from, n, row.hi, row.lo);
    return {run.plain.total(), run.weighted.total()};
  }

  void set_terms(Row<T>& row, int64_t group, const GradientSums& sums) const {
    if (a.fixed) return;
    const Backward<T> terms(a, Centre<T>(a.mean[group], a.var[group], a.eps), static_cast<double>(length), sums);
    row.b = terms.b;
    row.c = terms.c;
  }

  // Writes gx of elements [from, to) of `count` rows, and adds gy h and gy to gw and gb.
  template <int count>
  static void apply(const Row<T>* rows, const T* w, int64_t from, int64_t to, T* gw, T* gb) {
    each_vector<T>(to - from, [&](int64_t j, auto... n) NN_LAMBDA {
      const int64_t i = from + j;
      const Vec<T> wi = Vec<T>::load(w + i, n...);
      Vec<T> sw = Vec<T>::load(gw + i, n...), sb = Vec<T>::load(gb + i, n...);
      for (int k = 0; k < count; ++k) {
        const Row<T>& row = rows[k];
        const Vec<T> g = Vec<T>::load(row.gy + i, n...), r = row.r;
        const Vec<T> h = deviation(row, Vec<T>::load(row.x + i, n...)) * r;
        sw = fma(g, h, sw);
        sb = sb + g;
        if (row.gx != nullptr) (r * fma(h, Vec<T>(row.b), fma(g, wi, Vec<T>(row.c)))).store(row.gx + i, n...);
      }
      sw.store(gw + i, n...);
      sb.store(gb + i, n...);
    });
  }
  static void apply(const Row<T>* rows, int64_t count, const T* w, int64_t from, int64_t to, T* gw, T* gb) {
    if (count == kTogether)
      apply<kTogether>(rows, w, from, to, gw, gb);
    else
      for (int64_t k = 0; k < count; ++k) apply<1>(rows + k, w, from, to, gw, gb);
  }

  void by_samples(int64_t blocks, T* gw, T* gb) const {
    const int64_t grain = most(1, kNormGrain / (least(a.N, kSamples) * columns));
    parallel_for(ctx, blocks, grain, [&](int64_t begin, int64_t end) {
      Row<T> rows[kTogether];
      for (int64_t block = begin; block < end; ++block) {
        T *const w_sums = gw + block * columns, *const b_sums = gb + block * columns;
        fill(w_sums, columns, T(0));
        fill(b_sums, columns, T(0));
        const int64_t stop = least(a.N, (block + 1) * kSamples);
        for (int64_t n = block * kSamples; n < stop; n += kTogether) {
          const int64_t count = least(kTogether, stop - n);
          for (int64_t g = 0; g < a.G; ++g) {
            const T* w = weight.values + g * length;
            for (int64_t k = 0; k < count; ++k) {
              rows[k] = row(n + k, g);
              if (a.gx != nullptr && !a.fixed) set_terms(rows[k], (n + k) * a.G + g, sum_row(rows[k], w, 0, length));
            }
            apply(rows, count, w, 0, length, w_sums + g * length, b_sums + g * length);
          }
        }
      }
    });
  }

  void by_strips(T* gw, T* gb) const {
    const int64_t units = ceil_div(length, kUnit), groups = a.N * a.G, strips = ceil_div(length, kStrip);
    const Scratch sums_memory(groups * units * sizeof(GradientSums)), rows_memory(groups * sizeof(Row<T>));
    GradientSums* const sums = static_cast<GradientSums*>(sums_memory.data);
    Row<T>* const rows = static_cast<Row<T>*>(rows_memory.data);  // group by group, each with its N samples
    for (int64_t n = 0; n < a.N; ++n)
      for (int64_t g = 0; g < a.G; ++g) rows[g * a.N + n] = row(n, g);
    if (a.gx != nullptr && !a.fixed) {
      const int64_t grain = most(1, kNormGrain / least(length, kUnit));
      parallel_for(ctx, groups * units, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t at = i / units, from = i % units * kUnit;
          sums[i] = sum_row(rows[at], weight.values + at / a.N * length, from, least(kUnit, length - from));
        }
      });
      for (int64_t at = 0; at < groups; ++at) {
        GradientSums total{0, 0};
        for (int64_t u = 0; u < units; ++u) {
          total.plain += sums[at * units + u].plain;
          total.weighted += sums[at * units + u].weighted;
        }
        set_terms(rows[at], at % a.N * a.G + at / a.N, total);
      }
    }
    const int64_t grain = most(1, kNormGrain / (a.N * least(length, kStrip)));
    parallel_for(ctx, a.G * strips, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t g = i / strips, from = i % strips * kStrip, to = least(length, from + kStrip);
        T *const w_sums = gw + g * length, *const b_sums = gb + g * length;
        fill(w_sums + from, to - from, T(0));
        fill(b_sums + from, to - from, T(0));
        for (int64_t n = 0; n < a.N; n += kTogether)
          apply(rows + g * a.N + n, least(kTogether, a.N - n), weight.values + g * length, from, to, w_sums, b_sums);
      }
    });
  }

  // to[c] = the sum of the blocks' partial sums over the S elements of channel c.
  void join(const T* parts, int64_t blocks, void* to) const {
    const Scratch memory(columns * sizeof(double));
    double* const total = static_cast<double*>(memory.data);
    constexpr int64_t V = Vec<T>::size;
    parallel_for(ctx, ceil_div(columns, V), most(1, kNormGrain / (blocks * V)), [&](int64_t begin, int64_t end) {
      alignas(64) double lanes[V];
      for (int64_t i = begin * V; i < least(columns, end * V); i += V) {
        const int n = static_cast<int>(least(V, columns - i));
        DoubleSum<T> sum;
        for (int64_t b = 0; b < blocks; ++b) sum.add(Vec<T>::load(parts + b * columns + i, n));
        for (int p = 0; p < Doubles<T>::parts; ++p) sum.lanes[p].store(lanes + p * Vec<double>::size);
        for (int k = 0; k < n; ++k) total[i + k] = lanes[k];
      }
    });
    for (int64_t c = 0; c < a.G * a.K; ++c) {
      double sum = 0;
      for (int64_t s = 0; s < a.S; ++s) sum += total[c * a.S + s];
      static_cast<T*>(to)[c] = static_cast<T>(sum);
    }
  }

  const NormArgs& a;
  const LaunchContext& ctx;
  const ByElement<T> weight;
  const int64_t length, columns;  // elements of a row, and of a sample
};

}  // namespace

template <class T>
void normalise_rows_backward(const NormArgs& a, const LaunchContext& ctx) {
  RowsBackward<T>(a, ctx).run();
}

template void normalise_rows_backward<float>(const NormArgs&, const LaunchContext&);
template void normalise_rows_backward<double>(const NormArgs&, const LaunchContext&);

}  // namespace nn::NN_ISA
