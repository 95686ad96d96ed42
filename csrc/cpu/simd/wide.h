// Wide<T, N>: N vectors that go through the same arithmetic side by side. A transcendental function is one chain of
// some twenty dependent instructions, and a processor starts the next element's chain only as far as its schedulers
// reach, about five such chains on Zen 5: not enough to keep the arithmetic units busy. N abreast, the instructions of
// N independent chains alternate: tanh takes 0.75 of the time, softplus 0.7. The interface is that of Vec, so that
// all of csrc/math takes a Wide as it takes a number. Everything is spelled out by packs instead of loops, because
// only then does the compiler keep the N vectors in registers.
#pragma once

#include "cpu/simd/simd.h"

namespace nn::NN_ISA {

template <int... K>
struct Indices {};
template <int N, int... K>
struct CountIndices : CountIndices<N - 1, N - 1, K...> {};
template <int... K>
struct CountIndices<0, K...> {
  using type = Indices<K...>;
};
template <int N>
using Places = typename CountIndices<N>::type;  // Indices<0, 1, ..., N - 1>

template <class T, int N>
struct WideMask {
  Mask<T> v[N];

  template <class F>
  NN_MEMBER static WideMask make(const F& f) {
    return make(f, Places<N>{});
  }
  NN_MEMBER friend WideMask operator&(WideMask a, WideMask b) {
    return make([&](int k) NN_LAMBDA { return a.v[k] & b.v[k]; });
  }
  NN_MEMBER friend WideMask operator|(WideMask a, WideMask b) {
    return make([&](int k) NN_LAMBDA { return a.v[k] | b.v[k]; });
  }
  NN_MEMBER friend WideMask operator^(WideMask a, WideMask b) {
    return make([&](int k) NN_LAMBDA { return a.v[k] ^ b.v[k]; });
  }
  NN_MEMBER friend WideMask operator!(WideMask a) {
    return make([&](int k) NN_LAMBDA { return !a.v[k]; });
  }
  NN_MEMBER friend bool any(WideMask m) { return any(m, Places<N>{}); }
  NN_MEMBER friend bool all(WideMask m) { return !any(!m); }

 private:
  template <class F, int... K>
  NN_MEMBER static WideMask make(const F& f, Indices<K...>) {
    WideMask r;
    (void(r.v[K] = f(K)), ...);
    return r;
  }
  template <int... K>
  NN_MEMBER friend bool any(WideMask m, Indices<K...>) {
    return any((m.v[K] | ...));
  }
};

template <class T, int N>
struct Wide {
  using Value = T;
  using Compared = WideMask<T, N>;
  static constexpr int size = N * Vec<T>::size;

  Vec<T> v[N];

  Wide() = default;
  NN_MEMBER Wide(T x) : Wide(make([&](int) NN_LAMBDA { return Vec<T>(x); })) {}
  // f(0), f(1), ...
  template <class F>
  NN_MEMBER static Wide make(const F& f) {
    return make(f, Places<N>{});
  }

  NN_MEMBER static Wide load(const T* p) {
    return make([&](int k) NN_LAMBDA { return Vec<T>::load(p + k * Vec<T>::size); });
  }
  // The first n elements, the others 0. Reads no byte past them; n may be anything from 0 on.
  NN_MEMBER static Wide load(const T* p, int64_t n) {
    if (n >= size) return load(p);
    return make([&](int k) NN_LAMBDA {
      return lanes(n, k) > 0 ? Vec<T>::load(p + k * Vec<T>::size, lanes(n, k)) : Vec<T>(T(0));
    });
  }
  NN_MEMBER void store(T* p) const {
    make([&](int k) NN_LAMBDA {
      v[k].store(p + k * Vec<T>::size);
      return v[k];
    });
  }
  NN_MEMBER void store(T* p, int64_t n) const {
    if (n >= size) return store(p);
    make([&](int k) NN_LAMBDA {
      if (lanes(n, k) > 0) v[k].store(p + k * Vec<T>::size, lanes(n, k));
      return v[k];
    });
  }

#define NN_OPERATOR(op)                                             \
  NN_MEMBER friend Wide operator op(Wide a, Wide b) {               \
    return make([&](int k) NN_LAMBDA { return a.v[k] op b.v[k]; }); \
  }
#define NN_COMPARISON(op)                                                     \
  NN_MEMBER friend Compared operator op(Wide a, Wide b) {                     \
    return Compared::make([&](int k) NN_LAMBDA { return a.v[k] op b.v[k]; }); \
  }
#define NN_UNARY(f)                                          \
  NN_MEMBER friend Wide f(Wide x) {                          \
    return make([&](int k) NN_LAMBDA { return f(x.v[k]); }); \
  }
#define NN_BINARY(f)                                                 \
  NN_MEMBER friend Wide f(Wide a, Wide b) {                          \
    return make([&](int k) NN_LAMBDA { return f(a.v[k], b.v[k]); }); \
  }
#define NN_TERNARY(f)                                                        \
  NN_MEMBER friend Wide f(Wide a, Wide b, Wide c) {                          \
    return make([&](int k) NN_LAMBDA { return f(a.v[k], b.v[k], c.v[k]); }); \
  }
  NN_OPERATOR(+)
  NN_OPERATOR(-)
  NN_OPERATOR(*)
  NN_OPERATOR(/)
  NN_COMPARISON(<)
  NN_COMPARISON(<=)
  NN_COMPARISON(>)
  NN_COMPARISON(>=)
  NN_COMPARISON(==)
  NN_COMPARISON(!=)
  NN_UNARY(operator-)
  NN_UNARY(abs)
  NN_UNARY(sqrt)
  NN_UNARY(round)
  NN_UNARY(floor)
  NN_UNARY(ceil)
  NN_UNARY(trunc)
  NN_UNARY(pow2)
  NN_BINARY(min)
  NN_BINARY(max)
  NN_BINARY(larger)
  NN_BINARY(copysign)
  NN_BINARY(scale2)
  NN_TERNARY(fma)
  NN_TERNARY(clamp)
#undef NN_OPERATOR
#undef NN_COMPARISON
#undef NN_UNARY
#undef NN_BINARY
#undef NN_TERNARY

  NN_MEMBER friend Wide select(Compared m, Wide a, Wide b) {
    return make([&](int k) NN_LAMBDA { return select(m.v[k], a.v[k], b.v[k]); });
  }
  NN_MEMBER friend Wide scale2_unless(Compared m, Wide x, Wide n) {
    return make([&](int k) NN_LAMBDA { return scale2_unless(m.v[k], x.v[k], n.v[k]); });
  }
  NN_MEMBER friend Compared isnan(Wide x) {
    return Compared::make([&](int k) NN_LAMBDA { return isnan(x.v[k]); });
  }
  NN_MEMBER friend Wide split(Wide x, Wide& e) {
    return make([&](int k) NN_LAMBDA { return split(x.v[k], e.v[k]); });
  }

 private:
  template <class F, int... K>
  NN_MEMBER static Wide make(const F& f, Indices<K...>) {
    Wide r;
    (void(r.v[K] = f(K)), ...);
    return r;
  }
  NN_MEMBER static int lanes(int64_t n, int k) {
    const int64_t here = n - k * Vec<T>::size;
    return static_cast<int>(here < 0 ? 0 : here < Vec<T>::size ? here : Vec<T>::size);
  }
};

template <class T, int N>
struct ValueOf<Wide<T, N>> {
  using type = T;
};

template <class F, class T, int N>
NN_FN Wide<T, N> map(F f, Wide<T, N> x) {
  for (int k = 0; k < N; ++k) x.v[k] = map(f, x.v[k]);
  return x;
}
template <class F, class T, int N>
NN_FN Wide<T, N> map(F f, Wide<T, N> x, Wide<T, N> y) {
  for (int k = 0; k < N; ++k) x.v[k] = map(f, x.v[k], y.v[k]);
  return x;
}

// f(x, y), lane by lane in double precision, rounded.
template <class F>
NN_FN Vec<float> in_double(F f, Vec<float> x, Vec<float> y) {
  typedef float Half __attribute__((vector_size(sizeof(Vec<float>::Values) / 2)));
  using Doubles = Vec<double>::Values;
  const auto widen = [](Vec<float> v) NN_LAMBDA {
    Half half[2];
    __builtin_memcpy(half, &v.v, sizeof half);
    return Wide<double, 2>::make([&](int k)
                                     NN_LAMBDA { return Vec<double>(__builtin_convertvector(half[k], Doubles)); });
  };
  const Wide<double, 2> r = f(widen(x), widen(y));
  const Half half[2] = {__builtin_convertvector(r.v[0].v, Half), __builtin_convertvector(r.v[1].v, Half)};
  __builtin_memcpy(&x.v, half, sizeof half);
  return x;
}

}  // namespace nn::NN_ISA
