// Losses on class scores. Cross-entropy reads its scores once forward (maximum and sum of exponentials of a row while
// it is in cache) and once backward, which writes softmax - target in the same pass: no array of probabilities between
// them, only three numbers a row. Rows, or strips of columns, are divided among the threads; the losses of the rows are
// added up at the end by one thread, in float64.
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/softmax_xent_kernels.h"
#include "cpu/simd/transpose.h"

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
  T shared = shared_gradient();  // of backward, for every row, where the loss is reduced

  bool ignored(int64_t t) const { return t == a.ignore_index; }
  bool fits(int64_t t) const { return 0 <= t && t < a.C; }
  T weight_of(int64_t t) const { return ignored(t) || !fits(t) ? T(0) : weight ? weight[t] : T(1); }

  T gradient(int64_t row) const {
    return a.reduction == LossReduction::none ? static_cast<const T*>(a.loss)[row] : shared;
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
  T shared_gradient() const {
    if (gx == nullptr || a.reduction == LossReduction::none) return T(0);
    const T g = *static_cast<const T*>(a.loss);
    return a.reduction == LossReduction::mean ? g / *static_cast<const T*>(a.total) : g;
  }
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

// Rows of up to this many classes are turned into strips, a row in each lane: most of a vector would be tail, and the
// maximum and the sum across its lanes would take longer than the exponentials.
template <class T>
constexpr int64_t short_row = 2 * Vec<T>::size;

// The sum of w (x - m) over one row, which smoothing adds to its loss.
template <class T>
NN_FN T smoothed_sum(const Loss<T>& l, const T* x, T m) {
  constexpr int V = Vec<T>::size;
  Vec<T> q = T(0);
  for (int64_t c = 0; c < l.a.C; c += V) {
    const int n = static_cast<int>(l.a.C - c < V ? l.a.C - c : V);
    q = q + (Vec<T>::load(x + c, n) - Vec<T>(m)) * (l.weight ? Vec<T>::load(l.weight + c, n) : one_or_zero<T>.first(n));
  }
  return sum(q);
}

template <class T>
void cross_entropy_rows(const Loss<T>& l, int64_t begin, int64_t end, T* losses) {
  const int64_t C = l.a.C;
  for (int64_t row = begin; row < end; ++row) {
    const T* x = l.x + row * C;
    l.max[row] = row_max(x, C);
    l.log_sum[row] = exponentials<T>(x, nullptr, C, l.max[row]);
    losses[row] = l.a.smoothing > 0 ? smoothed_sum(l, x, l.max[row]) : T(0);
  }
  for (int64_t row = begin; row < end; row += Strip<T>::size)  // many logarithms take hardly longer than one
    log(Strip<T>::load(l.log_sum + row, end - row)).store(l.log_sum + row, end - row);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t t = l.a.target[row];
    losses[row] = l.finish_row(row, l.fits(t) ? l.x[row * C + t] - l.max[row] : T(0), losses[row]);
  }
}

// The same for n rows from `first`, which stand side by side in strip [C, Strip::size]; m is the largest of each.
template <class T>
void cross_entropy_strip(const Loss<T>& l, int64_t first, int64_t n, Strip<T> m, const T* strip, T* losses) {
  constexpr int W = Strip<T>::size;
  const int64_t C = l.a.C;
  Strip<T> s(T(0)), q(T(0));
  for (int64_t c = 0; c < C; ++c) {
    const Strip<T> v = Strip<T>::load(strip + c * W) - m;
    s = s + exp_below(v);
    if (l.a.smoothing > 0) q = fma(Strip<T>(l.weight ? l.weight[c] : T(1)), v, q);
  }
  m.store(l.max + first, n);
  log(s).store(l.log_sum + first, n);
  q.store(losses + first, n);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t t = l.a.target[first + i];
    const T at_target = l.fits(t) ? strip[t * W + i] - l.max[first + i] : T(0);
    losses[first + i] = l.finish_row(first + i, at_target, losses[first + i]);
  }
}

// Rows [first, first + n) turned into a strip; returns the largest of each.
template <class T>
NN_FN Strip<T> turn_rows(const Loss<T>& l, int64_t first, int64_t n, T* strip) {
  constexpr int V = Vec<T>::size, W = Strip<T>::size;
  const int64_t C = l.a.C;
  if (n < W) __builtin_memset(strip, 0, C * W * sizeof(T));
  for (int64_t i = 0; i < n; i += V)
    transpose_rows(l.x + (first + i) * C, C, static_cast<int>(n - i < V ? n - i : V), strip + i, W, C);
  Strip<T> m(lowest<T>);
  for (int64_t c = 0; c < C; ++c) m = larger(Strip<T>::load(strip + c * W), m);
  return m;
}

template <class T>
void cross_entropy_forward(const ClassLossArgs& a, const LaunchContext& ctx) {
  constexpr int W = Strip<T>::size;
  const Loss<T> l{a};
  const bool turned = a.inner == 1 && a.C <= short_row<T>;
  if (a.inner == 1 && !turned)
    return reduce_rows(l, [&](T* losses) {
      parallel_for(ctx, a.N, row_grain(a.C),
                   [&](int64_t begin, int64_t end) { cross_entropy_rows(l, begin, end, losses); });
    });
  const int64_t images = turned ? 1 : a.N, columns = turned ? a.N : a.inner, strips = (columns + W - 1) / W;
  reduce_rows(l, [&](T* losses) {
    parallel_for(ctx, images * strips, row_grain(a.C * W), [&](int64_t begin, int64_t end) {
      const Scratch scratch(a.C * W * sizeof(T));
      T* const strip = static_cast<T*>(scratch.data);
      for (int64_t u = begin; u < end; ++u) {
        const int64_t image = u / strips, j = u % strips * W, n = columns - j < W ? columns - j : W;
        const Strip<T> m =
            turned ? turn_rows(l, j, n, strip) : gather_strip(l.x + image * a.C * a.inner + j, a.C, a.inner, n, strip);
        cross_entropy_strip(l, image * columns + j, n, m, strip, losses);
      }
    });
  });
}

template <class T>
void cross_entropy_backward_row(const Loss<T>& l, int64_t row) {
  const int64_t C = l.a.C, t = l.a.target[row];
  const T* x = l.x + row * C;
  T* gx = l.gx + row * C;
  if (l.ignored(t)) {
    __builtin_memset(gx, 0, C * sizeof(T));
    return;
  }
  const T g = l.gradient(row);
  const T m = l.max[row], log_sum = l.log_sum[row], scale = g * l.mass[row];
  map_row(x, gx, C, [&]<class V>(V v) NN_LAMBDA { return V(scale) * exp_below((v - V(m)) - V(log_sum)); });
  if (l.a.smoothing > 0)
    for (int64_t c = 0; c < C; ++c) gx[c] -= g * l.each * (l.weight ? l.weight[c] : T(1));
  if (l.fits(t)) gx[t] -= g * l.hit * l.weight_of(t);
}

template <class T>
void cross_entropy_backward_strip(const Loss<T>& l, int64_t image, int64_t j, int64_t n) {
  constexpr int W = Strip<T>::size;
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
  const Strip<T> factor = Strip<T>::load(scale);
  for (int64_t c = 0; c < C; ++c) {
    const int64_t at = (image * C + c) * inner + j;
    Strip<T> y = exp_below((Strip<T>::load(l.x + at, n) - m) - log_sum) * factor;
    if (l.a.smoothing > 0) y = y - Strip<T>(l.weight ? l.weight[c] : T(1)) * Strip<T>::load(spread);
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
  constexpr int W = Strip<T>::size;
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
