// Normalisation backward where each run of a channel has one weight: batch norm, instance norm, group norm, and what
// has no weights. Rows with a weight for each element are in norm_rows.cpp.
//
// A group's sums of gy and gy (x - mean) are taken, then gx is written while x and gy are in the cache: two reads and
// one write are the limit (12 bytes for each float32) where they fit, four reads otherwise. The sums stay, by unit;
// the gradients of weight and bias are sums of them over the batch.
#include "cpu/kernels/norm_kernels.h"

namespace nn::NN_ISA {
namespace {

template <class T>
class SegmentsBackward {
 public:
  SegmentsBackward(const NormArgs& args, const LaunchContext& context)
      : a(args),
        ctx(context),
        at(args, args.batch),
        scratch(at.groups * at.units * sizeof(GradientSums)),
        sums(static_cast<GradientSums*>(scratch.data)) {}

  void run() const {
    const bool summed = a.gweight != nullptr || a.gbias != nullptr || !a.fixed;
    if (at.one_by_one()) {
      parallel_for(ctx, at.groups, at.grain(), [&](int64_t begin, int64_t end) {
        for (int64_t g = begin; g < end; ++g) {
          const Centre<T> centre = centre_of(g);
          for (int64_t u = 0; summed && u < at.units; ++u) sum_unit(g, u, centre);
          if (a.gx == nullptr) continue;
          const Backward<T> terms = terms_of(g, centre);
          for (int64_t u = 0; u < at.units; ++u) write_unit(g, u, centre, terms);
        }
      });
    } else {
      each_unit([&](int64_t g, int64_t u) {
        if (summed) sum_unit(g, u, centre_of(g));
      });
      if (a.gx != nullptr) {
        const Scratch memory(at.groups * sizeof(Backward<T>));
        Backward<T>* const terms = static_cast<Backward<T>*>(memory.data);
        for (int64_t g = 0; g < at.groups; ++g) terms[g] = terms_of(g, centre_of(g));
        each_unit([&](int64_t g, int64_t u) { write_unit(g, u, centre_of(g), terms[g]); });
      }
    }
    if (a.gweight != nullptr || a.gbias != nullptr) reduce_channels();
  }

 private:
  Centre<T> centre_of(int64_t g) const { return Centre<T>(a.mean[g], a.var[g], a.eps); }
  T weight_of(int64_t segment) const { return or_else(a.weight, segment % at.channels, T(1)); }

  template <class Body>
  void each_unit(const Body& body) const {
    parallel_for(ctx, at.groups * at.units, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(i / at.units, i % at.units);
    });
  }

  void sum_unit(int64_t g, int64_t u, const Centre<T>& centre) const {
    GradientRun<T> run;
    at.each_run(g, u, [&](int64_t offset, int64_t n, int64_t, int64_t) NN_LAMBDA {
      const T* gy = static_cast<const T*>(a.gy) + offset;
      const auto load = [&](int64_t i, auto... count) NN_LAMBDA { return Vec<T>::load(gy + i, count...); };
      run.add_run(load, static_cast<const T*>(a.x) + offset, n, centre.hi, centre.lo);
    });
    sums[g * at.units + u] = {run.plain.total(), run.weighted.total()};
  }

  // The number of the first segment of a unit; all of a unit's segments have the same weight.
  int64_t segment_of(int64_t g, int64_t u) const { return g * at.group_step + u * at.joined / at.pieces * at.step; }

  Backward<T> terms_of(int64_t g, const Centre<T>& centre) const {
    GradientSums total{0, 0};
    for (int64_t u = 0; !a.fixed && u < at.units; ++u) {
      const double w = static_cast<double>(weight_of(segment_of(g, u)));
      total.plain += w * sums[g * at.units + u].plain;
      total.weighted += w * sums[g * at.units + u].weighted;
    }
    return Backward<T>(a, centre, static_cast<double>(at.elements()), total);
  }

  void write_unit(int64_t g, int64_t u, const Centre<T>& centre, const Backward<T>& terms) const {
    const T w = weight_of(segment_of(g, u));
    const T* gy = static_cast<const T*>(a.gy);
    T* gx = static_cast<T*>(a.gx);
    at.each_run(g, u, [&](int64_t offset, int64_t n, int64_t, int64_t) NN_LAMBDA {
      if (a.fixed)
        scale_gradient(gy + offset, gx + offset, n, centre, w);
      else
        backward_run(gy + offset, static_cast<const T*>(a.x) + offset, gx + offset, n, centre, terms, w);
    });
  }

  // gweight = sum of gy h and gbias = sum of gy, of the units of each channel, sample by sample.
  void reduce_channels() const {
    const int64_t in_group = a.batch ? at.units : at.units / a.K, samples = a.batch ? 1 : a.N;
    parallel_for(ctx, a.G * a.K, most(1, kNormGrain / (samples * in_group)), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        GradientSums total{0, 0};
        for (int64_t n = 0; n < samples; ++n) {
          const int64_t g = n * a.G + c / a.K;
          const double r = centre_of(g).r;
          const GradientSums* part = sums + g * at.units + c % a.K * in_group;
          for (int64_t i = 0; i < in_group; ++i) {
            total.plain += part[i].plain;
            total.weighted += r * part[i].weighted;
          }
        }
        if (a.gweight != nullptr) static_cast<T*>(a.gweight)[c] = static_cast<T>(total.weighted);
        if (a.gbias != nullptr) static_cast<T*>(a.gbias)[c] = static_cast<T>(total.plain);
      }
    });
  }

  const NormArgs& a;
  const LaunchContext& ctx;
  const Segments at;
  const Scratch scratch;
  GradientSums* const sums;  // [groups, units]
};

}  // namespace

template <class T>
void normalise_segments_backward(const NormArgs& a, const LaunchContext& ctx) {
  SegmentsBackward<T>(a, ctx).run();
}

template void normalise_segments_backward<float>(const NormArgs&, const LaunchContext&);
template void normalise_segments_backward<double>(const NormArgs&, const LaunchContext&);

}  // namespace nn::NN_ISA
