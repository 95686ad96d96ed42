// Batch norm of small images, x [N, C, S] with S from kShort on: blocks of adjacent channels.
//
// A channel's runs lie C * S elements apart. They are too short for the processor to notice in which order memory is
// read, and where C * S is a multiple of the pages' size they all fall into the same few sets of the first cache. So a
// thread takes as many channels as the second-level cache holds with all their samples, kBlock elements, and walks over
// whole rows of such a block, four samples together for the sums. One read and one write of memory are the limit (two
// reads and a write backward).
#include "cpu/kernels/norm_kernels.h"

namespace nn::NN_ISA {
namespace {

constexpr int kTogether = 4;

// The two sums of a channel: of z and z^2 forward, of gy and gy (x - mean) backward.
template <class T>
struct ChannelSums {
  DoubleSum<T> first, second;
};

// add(c, offset, rows, sums) adds the runs of channel c in `rows` samples to its sums, finish(c, sums) makes of them
// what write(offset, terms) needs to write a run of results.
template <class T, class Terms, class Add, class Finish, class Write>
void each_block(const NormArgs& a, const LaunchContext& ctx, bool summed, const Add& add, const Finish& finish,
                const Write& write) {
  const int64_t channels = least(a.G, kBlock / (a.N * a.S));
  const auto offset = [&](int64_t n, int64_t c) NN_LAMBDA { return (n * a.G + c) * a.S; };
  const int64_t grain = most(1, kNormGrain / (channels * a.N * a.S));
  parallel_for(ctx, ceil_div(a.G, channels), grain, [&](int64_t begin, int64_t end) {
    const Scratch sums_memory(channels * sizeof(ChannelSums<T>)), terms_memory(channels * sizeof(Terms));
    ChannelSums<T>* const sums = static_cast<ChannelSums<T>*>(sums_memory.data);
    Terms* const terms = static_cast<Terms*>(terms_memory.data);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t from = block * channels, to = least(a.G, from + channels);
      for (int64_t c = from; c < to; ++c) sums[c - from] = ChannelSums<T>();
      for (int64_t n = 0; summed && n < a.N; n += kTogether)
        for (int64_t c = from; c < to; ++c) add(c, offset(n, c), least(kTogether, a.N - n), sums[c - from]);
      for (int64_t c = from; c < to; ++c) terms[c - from] = finish(c, sums[c - from]);
      for (int64_t n = 0; n < a.N; ++n)
        for (int64_t c = from; c < to; ++c) write(offset(n, c), terms[c - from]);
    }
  });
}

template <class T, int rows>
void add_moments(const T* x, int64_t stride, int64_t n, T pivot, ChannelSums<T>& sums) {
  Moments<T> m(pivot);
  each_vector<T>(n, [&](int64_t i, auto... count) NN_LAMBDA {
    for (int k = 0; k < rows; ++k) m.add(load_or(x + k * stride + i, m.pivot, count...), k % 2);
  });
  for (int k = 0; k < 2; ++k) {
    sums.first.add(m.sums[k]);
    sums.second.add(m.squares[k]);
  }
}

template <class T, int rows>
void add_gradients(const T* gy, const T* x, int64_t stride, int64_t n, const Centre<T>& centre, ChannelSums<T>& sums) {
  constexpr int64_t kStretch = 64 * Vec<T>::size;
  for (int64_t from = 0; from < n; from += kStretch) {
    Vec<T> plain[rows], weighted[rows];
    for (int k = 0; k < rows; ++k) plain[k] = weighted[k] = T(0);
    each_vector<T>(least(kStretch, n - from), [&](int64_t i, auto... count) NN_LAMBDA {
      for (int k = 0; k < rows; ++k) {
        const int64_t at = k * stride + from + i;
        const Vec<T> g = Vec<T>::load(gy + at, count...);
        plain[k] = plain[k] + g;
        weighted[k] = fma(g, centre.deviation(Vec<T>::load(x + at, count...)), weighted[k]);
      }
    });
    for (int k = 1; k < rows; ++k) {
      plain[0] = plain[0] + plain[k];
      weighted[0] = weighted[0] + weighted[k];
    }
    sums.first.add(plain[0]);
    sums.second.add(weighted[0]);
  }
}

template <class T>
struct ForwardTerms {
  Centre<T> centre;
  T weight, bias;
};

template <class T>
struct BackwardTerms {
  Centre<T> centre;
  Backward<T> terms;
  T weight;
};

}  // namespace

template <class T>
void normalise_blocks(const NormArgs& a, const LaunchContext& ctx) {
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  const int64_t stride = a.G * a.S;
  const auto add = [&](int64_t c, int64_t offset, int64_t rows, ChannelSums<T>& sums) NN_LAMBDA {
    const T pivot = x[c * a.S];
    if (rows == kTogether)
      add_moments<T, kTogether>(x + offset, stride, a.S, pivot, sums);
    else
      for (int64_t k = 0; k < rows; ++k) add_moments<T, 1>(x + offset + k * stride, stride, a.S, pivot, sums);
  };
  const auto finish = [&](int64_t c, const ChannelSums<T>& sums) {
    if (!a.fixed) {
      const double pivot = static_cast<double>(x[c * a.S]), count = static_cast<double>(a.N * a.S);
      finish_moments(a, c, pivot, count, sums.first.total(), sums.second.total());
    }
    return ForwardTerms<T>{Centre<T>(a.mean[c], a.var[c], a.eps), or_else(a.weight, c, T(1)), or_else(a.bias, c, T(0))};
  };
  each_block<T, ForwardTerms<T>>(a, ctx, !a.fixed, add, finish,
                                 [&](int64_t offset, const ForwardTerms<T>& t)
                                     NN_LAMBDA { scale_run(x + offset, y + offset, a.S, t.centre, t.weight, t.bias); });
}

template <class T>
void normalise_blocks_backward(const NormArgs& a, const LaunchContext& ctx) {
  const T *x = static_cast<const T*>(a.x), *gy = static_cast<const T*>(a.gy);
  T* const gx = static_cast<T*>(a.gx);
  const int64_t stride = a.G * a.S;
  const bool summed = a.gweight != nullptr || a.gbias != nullptr || !a.fixed;
  const auto centre_of = [&](int64_t c) { return Centre<T>(a.mean[c], a.var[c], a.eps); };
  const auto add = [&](int64_t c, int64_t offset, int64_t rows, ChannelSums<T>& sums) NN_LAMBDA {
    const Centre<T> centre = centre_of(c);
    if (rows == kTogether)
      add_gradients<T, kTogether>(gy + offset, x + offset, stride, a.S, centre, sums);
    else
      for (int64_t k = 0; k < rows; ++k)
        add_gradients<T, 1>(gy + offset + k * stride, x + offset + k * stride, stride, a.S, centre, sums);
  };
  const auto finish = [&](int64_t c, const ChannelSums<T>& sums) {
    const Centre<T> centre = centre_of(c);
    const T weight = or_else(a.weight, c, T(1));
    const double w = static_cast<double>(weight), plain = sums.first.total(), weighted = sums.second.total();
    if (a.gweight != nullptr) static_cast<T*>(a.gweight)[c] = static_cast<T>(centre.r * weighted);
    if (a.gbias != nullptr) static_cast<T*>(a.gbias)[c] = static_cast<T>(plain);
    const Backward<T> terms(a, centre, static_cast<double>(a.N * a.S), {w * plain, w * weighted});
    return BackwardTerms<T>{centre, terms, weight};
  };
  each_block<T, BackwardTerms<T>>(
      a, ctx, summed, add, finish, [&](int64_t offset, const BackwardTerms<T>& t) NN_LAMBDA {
        if (gx == nullptr) return;
        if (a.fixed)
          scale_gradient(gy + offset, gx + offset, a.S, t.centre, t.weight);
        else
          backward_run(gy + offset, x + offset, gx + offset, a.S, t.centre, t.terms, t.weight);
      });
}

template void normalise_blocks<float>(const NormArgs&, const LaunchContext&);
template void normalise_blocks<double>(const NormArgs&, const LaunchContext&);
template void normalise_blocks_backward<float>(const NormArgs&, const LaunchContext&);
template void normalise_blocks_backward<double>(const NormArgs&, const LaunchContext&);

}  // namespace nn::NN_ISA
