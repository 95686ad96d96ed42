// Local response normalisation: each element over a power of what its neighbours in other channels hold.
//
// A strip of places is taken through all channels; each is a few registers wide, so that the rows which a window of
// channels covers stay in the first-level cache and memory is read once. Forward, one read and one write of memory are
// the limit, and the power is what it costs beside; backward, two reads and a write, with gy x d^(-beta - 1) and
// d^-beta of the strip kept from the first pass to the second.
#include "cpu/kernels/norm_kernels.h"
#include "math/functions.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kPlaces = 64;

// d^-beta. Three quarters, which is what the published networks have, and a half take square roots alone.
template <class T>
NN_FN Vec<T> power(Vec<T> d, double beta) {
  const Vec<T> one = T(1);
  if (beta == 0.75) {
    const Vec<T> root = sqrt(d);
    return one / (root * sqrt(root));
  }
  if (beta == 0.5) return one / sqrt(d);
  if (beta == 1) return one / d;
  return exp(log(d) * Vec<T>(static_cast<T>(-beta)));
}

// The sum of f(channel) over channels [first, last] that there are.
template <class T, class F>
NN_FN Vec<T> over_window(int64_t first, int64_t last, int64_t channels, const F& f) {
  Vec<T> total = T(0);
  for (int64_t i = first < 0 ? 0 : first; i <= last && i < channels; ++i) total = total + f(i);
  return total;
}

template <class T, class... Count>
NN_FN Vec<T> denominator(const LocalResponseArgs& a, const T* x, int64_t c, Count... n) {
  const Vec<T> squares = over_window<T>(c - a.size / 2, c + (a.size - 1) / 2, a.C, [&](int64_t i) NN_LAMBDA {
    const Vec<T> v = Vec<T>::load(x + i * a.S, n...);
    return v * v;
  });
  return fma(squares, Vec<T>(static_cast<T>(a.alpha / static_cast<double>(a.size))), Vec<T>(static_cast<T>(a.k)));
}

// body(offset of the strip's first element, its places) for all strips, in parallel. Each thread has a `body` of its
// own.
template <class T, class MakeBody>
void each_strip(const LocalResponseArgs& a, const LaunchContext& ctx, const MakeBody& make_body) {
  const int64_t strips = ceil_div(a.S, kPlaces);
  parallel_for(ctx, a.N * strips, most(1, kNormGrain / (4 * kPlaces * most(1, a.C))), [&](int64_t begin, int64_t end) {
    const auto body = make_body();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t from = i % strips * kPlaces;
      body(i / strips * a.C * a.S + from, least(kPlaces, a.S - from));
    }
  });
}

template <class T>
void forward(const LocalResponseArgs& a, const LaunchContext& ctx) {
  each_strip<T>(a, ctx, [&] {
    return [&](int64_t offset, int64_t places) {
      const T* x = static_cast<const T*>(a.x) + offset;
      T* y = static_cast<T*>(a.y) + offset;
      for (int64_t c = 0; c < a.C; ++c)
        each_vector<T>(places, [&](int64_t j, auto... n) NN_LAMBDA {
          const Vec<T> scale = power(denominator(a, x + j, c, n...), a.beta);
          (Vec<T>::load(x + c * a.S + j, n...) * scale).store(y + c * a.S + j, n...);
        });
    };
  });
}

// What the first pass over a strip leaves for the second, [C, kPlaces] each.
template <class T>
struct Kept {
  Scratch memory;
  T* scale;  // d^-beta
  T* term;   // gy x d^(-beta - 1)

  explicit Kept(int64_t channels)
      : memory(2 * channels * kPlaces * sizeof(T)),
        scale(static_cast<T*>(memory.data)),
        term(scale + channels * kPlaces) {}
};

template <class T>
void backward_strip(const LocalResponseArgs& a, int64_t offset, int64_t places, const Kept<T>& kept) {
  const T *x = static_cast<const T*>(a.x) + offset, *gy = static_cast<const T*>(a.gy) + offset;
  T* gx = static_cast<T*>(a.y) + offset;
  const Vec<T> factor = static_cast<T>(-2 * a.alpha * a.beta / static_cast<double>(a.size));
  for (int64_t c = 0; c < a.C; ++c)
    each_vector<T>(places, [&](int64_t j, auto... n) NN_LAMBDA {
      const Vec<T> d = denominator(a, x + j, c, n...), scale = power(d, a.beta);
      scale.store(kept.scale + c * kPlaces + j);
      const Vec<T> product = Vec<T>::load(gy + c * a.S + j, n...) * Vec<T>::load(x + c * a.S + j, n...);
      (product * (scale / d)).store(kept.term + c * kPlaces + j);
    });
  for (int64_t c = 0; c < a.C; ++c)
    each_vector<T>(places, [&](int64_t j, auto... n) NN_LAMBDA {
      const Vec<T> terms = over_window<T>(c - (a.size - 1) / 2, c + a.size / 2, a.C, [&](int64_t i) NN_LAMBDA {
        return Vec<T>::load(kept.term + i * kPlaces + j);
      });
      const Vec<T> through_d = factor * Vec<T>::load(x + c * a.S + j, n...) * terms;
      fma(Vec<T>::load(gy + c * a.S + j, n...), Vec<T>::load(kept.scale + c * kPlaces + j), through_d)
          .store(gx + c * a.S + j, n...);
    });
}

template <class T>
void backward(const LocalResponseArgs& a, const LaunchContext& ctx) {
  each_strip<T>(a, ctx, [&] {
    return [&, kept = Kept<T>(a.C)](int64_t offset, int64_t places) { backward_strip(a, offset, places, kept); };
  });
}

}  // namespace

void run_local_response(const LocalResponseArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? forward<float>(a, ctx) : forward<double>(a, ctx);
}
void run_local_response_backward(const LocalResponseArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? backward<float>(a, ctx) : backward<double>(a, ctx);
}

}  // namespace nn::NN_ISA
