// Losses on class scores. Cross-entropy reads its scores once forward (maximum and sum of exponentials of a row while
// it is in cache) and once backward, which writes softmax - target in the same pass: no array of probabilities between
// them, only three numbers a row. Rows, or strips of columns, are divided among the threads; the losses of the rows are
// added up at the end by one thread, in float64.
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/softmax_xent_kernels.h"

namespace nn::NN_ISA {
namespace {

template <class T>
struct Loss {
  const ClassLossArgs& a;
  int64_t rows = a.N * a.inner;
  const T* x = static_cast<const T*>(a.x);
  const T* weight = static_cast<const T*>(a.weight);
  T* gx = static_cast<T*>(a.gx);
  T* max = static_cast<T*>(a.stats);
  T* log_sum = max ? max + rows : nullptr;
  T* mass = max ? log_sum + rows : nullptr;                    // A of the contract
  T each = static_cast<T>(a.smoothing / (a.C > 0 ? a.C : 1));  // what smoothing gives to every class
  T hit = static_cast<T>(1 - a.smoothing);
  T all_weights = sum_weights();

  bool ignored(int64_t t) const { return t == a.ignore_index; }
  bool fits(int64_t t) const { return 0 <= t && t < a.C; }
  T weight_of(int64_t t) const { return ignored(t) || !fits(t) ? T(0) : weight ? weight[t] : T(1); }

  T gradient(int64_t row) const {
    const T g = static_cast<const T*>(a.loss)[a.reduction == LossReduction::none ? row : 0];
    return a.reduction == LossReduction::mean ? g / *static_cast<const T*>(a.total) : g;
  }

  // Loss and A of a row, from x[t] - max x and, where classes are smoothed, the sum of w (x - max x).
  T finish_row(int64_t row, T at_target, T smoothed) const {
    const int64_t t = a.target[row];
    if (ignored(t)) {
      mass[row] = T(0);
      return T(0);
    }
    const T w = hit * weight_of(t);
    mass[row] = w + each * all_weights;
    T loss = w * (log_sum[row] - at_target);
    if (a.smoothing > 0) loss += each * (all_weights * log_sum[row] - smoothed);
    return loss;
  }

 private:
  T sum_weights() const {
    if (a.smoothing == 0) return T(0);
    if (weight == nullptr) return static_cast<T>(a.C);
    double total = 0;
    for (int64_t c = 0; c < a.C; ++c) total += weight[c];
    return static_cast<T>(total);
  }
};

// Runs row_losses(losses), which fills one number for each row, and reduces them.
template <class T, class RowLosses>
void reduce_rows(const Loss<T>& l, const RowLosses& row_losses) {
  const ClassLossArgs& a = l.a;
  const bool reduced = a.reduction != LossReduction::none;
  const Scratch scratch(reduced ? l.rows * sizeof(T) : 0);
  T* losses = static_cast<T*>(reduced ? scratch.data : a.loss);
  row_losses(losses);
  a.wrong[0] = a.wrong[1] = 0;
  double loss = 0, weights = 0;
  for (int64_t row = 0; row < l.rows; ++row) {
    const int64_t t = a.target[row];
    if (!l.ignored(t) && !l.fits(t) && a.wrong[0] == 0) {
      a.wrong[0] = 1;
      a.wrong[1] = t;
    }
    if (!reduced) continue;
    loss += losses[row];
    weights += l.weight_of(t);
  }
  if (!reduced) return;
  const T total = static_cast<T>(weights);
  *static_cast<T*>(a.total) = total;
  *static_cast<T*>(a.loss) = static_cast<T>(a.reduction == LossReduction::mean ? loss / weights : loss);
}

template <class T>
void nll_forward(const ClassLossArgs& a, const LaunchContext& ctx) {
  const Loss<T> l{a};
  reduce_rows(l, [&](T* losses) {
    parallel_for(ctx, l.rows, 1 << 13, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t t = a.target[row], n = row / a.inner;
        const bool counts = !l.ignored(t) && l.fits(t);
        losses[row] = counts ? -l.weight_of(t) * l.x[(n * a.C + t) * a.inner + row % a.inner] : T(0);
      }
    });
  });
}

template <class T>
void nll_backward(const ClassLossArgs& a, const LaunchContext& ctx) {
  const Loss<T> l{a};
  parallel_for(ctx, a.N, row_grain(a.C * a.inner), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* gx = l.gx + n * a.C * a.inner;
      __builtin_memset(gx, 0, a.C * a.inner * sizeof(T));
      for (int64_t j = 0; j < a.inner; ++j) {
        const int64_t row = n * a.inner + j, t = a.target[row];
        if (!l.ignored(t) && l.fits(t)) gx[t * a.inner + j] = -l.gradient(row) * l.weight_of(t);
      }
    }
  });
}

// Sum of e^(x - m), and where smoothed of w (x - m), over one row.
template <class T>
NN_FN T row_sum(const Loss<T>& l, const T* x, T m, T& smoothed) {
  constexpr int V = Vec<T>::size;
  const int64_t C = l.a.C;
  Vec<T> s = T(0), q = T(0);
  for (int64_t c = 0; c < C; c += V) {
    const int n = static_cast<int>(C - c < V ? C - c : V);
    const Vec<T> v = (n == V ? Vec<T>::load(x + c) : load_or_lowest(x + c, n)) - Vec<T>(m);
    s = s + exp_below(v);
    if (l.a.smoothing > 0) {
      const Vec<T> in_row = n == V ? v : Vec<T>::load(x + c, n) - Vec<T>(m);
      q = q + in_row * (l.weight ? Vec<T>::load(l.weight + c, n) : one_or_zero<T>.first(n));
    }
  }
  smoothed = sum(q);
  return sum(s);
}

template <class T>
void cross_entropy_rows(const Loss<T>& l, int64_t begin, int64_t end, T* losses) {
  for (int64_t row = begin; row < end; ++row) {
    const T* x = l.x + row * l.a.C;
    const int64_t t = l.a.target[row];
    const T m = row_max(x, l.a.C);
    T smoothed;
    l.max[row] = m;
    l.log_sum[row] = log(row_sum(l, x, m, smoothed));
    losses[row] = l.finish_row(row, l.fits(t) ? x[t] - m : T(0), smoothed);
  }
}

// The same for `n` columns from column j of image `image`.
template <class T>
void cross_entropy_strip(const Loss<T>& l, int64_t image, int64_t j, int64_t n, T* strip, T* losses) {
  constexpr int W = Strip<T>::width;
  const int64_t C = l.a.C, first = image * l.a.inner + j;
  Strip<T> m = gather_strip(l.x + image * C * l.a.inner + j, C, l.a.inner, n, strip);
  Strip<T> s(T(0)), q(T(0));
  for (int64_t c = 0; c < C; ++c) {
    Strip<T> v = Strip<T>::load(strip + c * W, W);
    v.each([&](Vec<T> u, int k) NN_LAMBDA { return u - m.v[k]; });
    s.each([&](Vec<T> u, int k) NN_LAMBDA { return u + exp_below(v.v[k]); });
    if (l.a.smoothing > 0) {
      const Vec<T> w = l.weight ? l.weight[c] : T(1);
      q.each([&](Vec<T> u, int k) NN_LAMBDA { return fma(w, v.v[k], u); });
    }
  }
  s.each([&](Vec<T> u, int) NN_LAMBDA { return log(u); });
  m.store(l.max + first, n);
  s.store(l.log_sum + first, n);
  alignas(64) T smoothed[W];
  q.store(smoothed, W);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t t = l.a.target[first + i];
    const T at_target = l.fits(t) ? strip[t * W + i] - l.max[first + i] : T(0);
    losses[first + i] = l.finish_row(first + i, at_target, smoothed[i]);
  }
}

template <class T>
void cross_entropy_forward(const ClassLossArgs& a, const LaunchContext& ctx) {
  constexpr int W = Strip<T>::width;
  const Loss<T> l{a};
  const int64_t strips = (a.inner + W - 1) / W;
  reduce_rows(l, [&](T* losses) {
    if (a.inner == 1)
      return parallel_for(ctx, a.N, row_grain(a.C),
                          [&](int64_t begin, int64_t end) { cross_entropy_rows(l, begin, end, losses); });
    parallel_for(ctx, a.N * strips, row_grain(a.C * W), [&](int64_t begin, int64_t end) {
      const Scratch strip(a.C * W * sizeof(T));
      for (int64_t u = begin; u < end; ++u) {
        const int64_t j = u % strips * W, n = a.inner - j < W ? a.inner - j : W;
        cross_entropy_strip(l, u / strips, j, n, static_cast<T*>(strip.data), losses);
      }
    });
  });
}

template <class T>
void cross_entropy_backward_row(const Loss<T>& l, int64_t row) {
  constexpr int V = Vec<T>::size;
  const int64_t C = l.a.C, t = l.a.target[row];
  const T* x = l.x + row * C;
  T* gx = l.gx + row * C;
  if (l.ignored(t)) {
    __builtin_memset(gx, 0, C * sizeof(T));
    return;
  }
  const T g = l.gradient(row);
  const Vec<T> m = l.max[row], log_sum = l.log_sum[row], scale = g * l.mass[row], spread = g * l.each;
  const bool smooth = l.a.smoothing > 0;
  for (int64_t c = 0; c < C; c += V) {
    const int n = static_cast<int>(C - c < V ? C - c : V);
    const Vec<T> v = n == V ? Vec<T>::load(x + c) : Vec<T>::load(x + c, n);
    Vec<T> y = scale * exp_below((v - m) - log_sum);
    if (smooth) y = y - (l.weight ? spread * Vec<T>::load(l.weight + c, n) : spread);
    n == V ? y.store(gx + c) : y.store(gx + c, n);
  }
  if (l.fits(t)) gx[t] -= g * l.hit * l.weight_of(t);
}

template <class T>
void cross_entropy_backward_strip(const Loss<T>& l, int64_t image, int64_t j, int64_t n) {
  constexpr int W = Strip<T>::width;
  const int64_t C = l.a.C, inner = l.a.inner, first = image * inner + j;
  alignas(64) T scale[W], spread[W], at_target[W];
  for (int64_t i = 0; i < W; ++i) {
    const bool counts = i < n && !l.ignored(l.a.target[first + i]);
    const T g = counts ? l.gradient(first + i) : T(0);
    scale[i] = counts ? g * l.mass[first + i] : T(0);
    spread[i] = g * l.each;
    at_target[i] = counts ? g * l.hit * l.weight_of(l.a.target[first + i]) : T(0);
  }
  const Strip<T> m = Strip<T>::load(l.max + first, n), log_sum = Strip<T>::load(l.log_sum + first, n);
  const Strip<T> factor = Strip<T>::load(scale, W), share = Strip<T>::load(spread, W);
  for (int64_t c = 0; c < C; ++c) {
    const int64_t at = (image * C + c) * inner + j;
    const Vec<T> w = l.a.smoothing > 0 ? l.weight ? l.weight[c] : T(1) : T(0);
    Strip<T> y = Strip<T>::load(l.x + at, n);
    y.each([&](Vec<T> v, int k)
               NN_LAMBDA { return exp_below((v - m.v[k]) - log_sum.v[k]) * factor.v[k] - w * share.v[k]; });
    y.store(l.gx + at, n);
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t t = l.a.target[first + i];
    if (l.ignored(t))
      for (int64_t c = 0; c < C; ++c) l.gx[(image * C + c) * inner + j + i] = T(0);  // also where x is not finite
    else if (l.fits(t))
      l.gx[(image * C + t) * inner + j + i] -= at_target[i];
  }
}

template <class T>
void cross_entropy_backward(const ClassLossArgs& a, const LaunchContext& ctx) {
  constexpr int W = Strip<T>::width;
  const Loss<T> l{a};
  if (a.inner == 1) {
    parallel_for(ctx, a.N, row_grain(a.C), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) cross_entropy_backward_row(l, row);
    });
    return;
  }
  const int64_t strips = (a.inner + W - 1) / W;
  parallel_for(ctx, a.N * strips, row_grain(a.C * W), [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; ++u) {
      const int64_t j = u % strips * W;
      cross_entropy_backward_strip(l, u / strips, j, a.inner - j < W ? a.inner - j : W);
    }
  });
}

}  // namespace

void run_nll_forward(const ClassLossArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? nll_forward<float>(a, ctx) : nll_forward<double>(a, ctx);
}
void run_nll_backward(const ClassLossArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? nll_backward<float>(a, ctx) : nll_backward<double>(a, ctx);
}
void run_cross_entropy_forward(const ClassLossArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? cross_entropy_forward<float>(a, ctx) : cross_entropy_forward<double>(a, ctx);
}
void run_cross_entropy_backward(const ClassLossArgs& a, const LaunchContext& ctx) {
  a.dtype == DType::float32 ? cross_entropy_backward<float>(a, ctx) : cross_entropy_backward<double>(a, ctx);
}

}  // namespace nn::NN_ISA
