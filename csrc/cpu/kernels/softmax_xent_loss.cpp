// Losses on class scores. Cross-entropy reads its scores once forward (maximum and sum of exponentials of a row while
// it is in cache) and once backward, which writes softmax - target in the same pass: no array of probabilities between
// them, only three numbers a row. Rows, or strips of columns, are divided among the threads; the losses of the rows are
// added up at the end, in float64.
// Limit: two exponentials for each score, 6 cycles for 16 floats with AVX-512, as long as the scores are in cache;
// beyond it two reads and a write of them. Reached on Zen 5, one thread: 8.5 cycles forward (with the maximum) and 7
// backward for 16 scores of rows of 1000; the price of a short row is its logarithm and its sums across lanes, so short
// rows are turned and computed side by side.
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/softmax_xent_kernels.h"
#include "cpu/simd/transpose.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kRows = 64;  // rows whose losses are finished together

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

  // Losses and A of the n rows from `first`, up to kRows: `at_target` is x[t] - max x of each, `losses` the sum of
  // w (x - max x), where classes are smoothed.
  NN_MEMBER void finish_rows(int64_t first, int64_t n, const T* at_target, T* losses) const {
    using V = Vec<T>;
    alignas(64) T weights[kRows], counts[kRows];
    const int64_t* const target = a.target + first;
    for (int64_t i = 0; i < n; ++i) {
      const bool used = !ignored(target[i]), in_range = fits(target[i]);
      counts[i] = used ? T(1) : T(0);
      weights[i] = (used & in_range) ? hit * (weight != nullptr ? weight[target[i]] : T(1)) : T(0);
    }
    for (int64_t i = 0; i < n; i += V::size) {
      const int here = static_cast<int>(n - i < V::size ? n - i : V::size);
      const V w = V::load(weights + i, here), sums = V::load(log_sum + first + i, here);
      const Mask<T> used = V::load(counts + i, here) != V(T(0));
      V loss = w * (sums - V::load(at_target + i, here));
      if (a.smoothing > 0) loss = loss + V(each) * (V(all_weights) * sums - V::load(losses + i, here));
      select(used, w + V(each * all_weights), V(T(0))).store(mass + first + i, here);
      select(used, loss, V(T(0))).store(losses + i, here);
    }
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

// What the rows of one block add up to, and the first target among them that is neither a class nor ignored.
struct BlockSum {
  double loss = 0, weights = 0;
  int64_t wrong = 0, target = 0;
};

template <class T>
BlockSum sum_block(const Loss<T>& l, const T* losses, int64_t begin, int64_t end) {
  const int64_t *const target = l.a.target, classes = l.a.C, ignore = l.a.ignore_index;
  int64_t counted = 0, wrong = 0;
  for (int64_t row = begin; row < end; ++row) {
    const bool used = target[row] != ignore, fits = (target[row] >= 0) & (target[row] < classes);
    counted += used & fits;
    wrong += used & !fits;
  }
  BlockSum block;
  if (wrong > 0) {
    int64_t row = begin;
    while (l.ignored(target[row]) || l.fits(target[row])) ++row;
    block.wrong = 1;
    block.target = target[row];
  }
  constexpr int64_t kSums = 8;  // side by side, because one addition waits for the one before it
  double sums[kSums] = {};
  int64_t row = begin;
  for (; row + kSums <= end; row += kSums)
    for (int64_t i = 0; i < kSums; ++i) sums[i] += losses[row + i];
  for (; row < end; ++row) sums[0] += losses[row];
  for (int64_t i = 0; i < kSums; ++i) block.loss += sums[i];
  block.weights = static_cast<double>(counted);
  if (l.weight != nullptr) {
    block.weights = 0;
    for (row = begin; row < end; ++row) block.weights += l.weight_of(target[row]);
  }
  return block;
}

// Runs row_losses(losses), which fills one number for each row, and reduces them.
template <class T, class RowLosses>
void reduce_rows(const Loss<T>& l, const LaunchContext& ctx, const RowLosses& row_losses) {
  constexpr int64_t kBlock = 2048;
  const ClassLossArgs& a = l.a;
  const bool reduced = a.reduction != LossReduction::none;
  const int64_t blocks = (l.rows + kBlock - 1) / kBlock;
  const Scratch scratch(reduced ? l.rows * sizeof(T) : 0), partial(blocks * sizeof(BlockSum));
  T* losses = static_cast<T*>(reduced ? scratch.data : a.loss);
  BlockSum* const parts = static_cast<BlockSum*>(partial.data);
  row_losses(losses);
  parallel_for(ctx, blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b)
      parts[b] = sum_block(l, losses, b * kBlock, (b + 1) * kBlock < l.rows ? (b + 1) * kBlock : l.rows);
  });
  BlockSum all;
  for (int64_t b = 0; b < blocks; ++b) {
    all.loss += parts[b].loss;
    all.weights += parts[b].weights;
    if (all.wrong != 0) continue;
    all.wrong = parts[b].wrong;
    all.target = parts[b].target;
  }
  a.wrong[0] = all.wrong;
  a.wrong[1] = all.target;
  if (!reduced) return;
  *static_cast<T*>(a.total) = static_cast<T>(all.weights);
  *static_cast<T*>(a.loss) = static_cast<T>(a.reduction == LossReduction::mean ? all.loss / all.weights : all.loss);
}

template <class T>
void nll_forward(const ClassLossArgs& a, const LaunchContext& ctx) {
  const Loss<T> l{a};
  reduce_rows(l, ctx, [&](T* losses) {
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
  for (int64_t first = begin; first < end; first += kRows) {
    const int64_t n = end - first < kRows ? end - first : kRows;
    alignas(64) T at_target[kRows];
    for (int64_t row = first; row < first + n; ++row) {
      const T* x = l.x + row * C;
      const int64_t t = l.a.target[row];
      l.max[row] = row_max(x, C);
      l.log_sum[row] = exponentials<T>(x, nullptr, C, l.max[row]);
      losses[row] = l.a.smoothing > 0 ? smoothed_sum(l, x, l.max[row]) : T(0);
      at_target[row - first] = l.fits(t) ? x[t] - l.max[row] : T(0);
    }
    for (int64_t i = 0; i < n; i += Vec<T>::size) {  // many logarithms take hardly longer than one
      const int here = static_cast<int>(n - i < Vec<T>::size ? n - i : Vec<T>::size);
      log(Vec<T>::load(l.log_sum + first + i, here)).store(l.log_sum + first + i, here);
    }
    l.finish_rows(first, n, at_target, losses + first);
  }
}

// The same for n rows from `first`, which stand side by side in strip [C, Strip::size]; m is the largest of each.
template <class T>
void cross_entropy_strip(const Loss<T>& l, int64_t first, int64_t n, Strip<T> m, const T* strip, T* losses) {
  constexpr int W = Strip<T>::size;
  static_assert(W <= kRows);
  const int64_t C = l.a.C;
  Strip<T> s(T(0)), q(T(0));
  for (int64_t c = 0; c < C; ++c) {
    const Strip<T> v = Strip<T>::load(strip + c * W) - m;
    s = s + exp_below(v);
  }
  if (l.a.smoothing > 0)
    for (int64_t c = 0; c < C; ++c)
      q = fma(Strip<T>(l.weight ? l.weight[c] : T(1)), Strip<T>::load(strip + c * W) - m, q);
  m.store(l.max + first, n);
  log(s).store(l.log_sum + first, n);
  q.store(losses + first, n);
  alignas(64) T at_target[W];
  m.store(at_target);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t t = l.a.target[first + i];
    at_target[i] = l.fits(t) ? strip[t * W + i] - at_target[i] : T(0);
  }
  l.finish_rows(first, n, at_target, losses + first);
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
    return reduce_rows(l, ctx, [&](T* losses) {
      parallel_for(ctx, a.N, row_grain(a.C),
                   [&](int64_t begin, int64_t end) { cross_entropy_rows(l, begin, end, losses); });
    });
  const int64_t images = turned ? 1 : a.N, columns = turned ? a.N : a.inner, strips = (columns + W - 1) / W;
  reduce_rows(l, ctx, [&](T* losses) {
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
  const int64_t C = l.a.C, inner = l.a.inner, first = image * inner + j;
  const bool each = l.a.reduction == LossReduction::none;
  const T* const x = l.x + image * C * inner + j;
  T* const gx = l.gx + image * C * inner + j;
  const Strip<T> g = each ? Strip<T>::load(static_cast<const T*>(l.a.loss) + first, n) : Strip<T>(l.shared);
  const Strip<T> m = Strip<T>::load(l.max + first, n), log_sum = Strip<T>::load(l.log_sum + first, n);
  const Strip<T> factor = g * Strip<T>::load(l.mass + first, n), spread = g * Strip<T>(l.each);
  for (int64_t c = 0; c < C; ++c) {
    const Strip<T> y = exp_below((Strip<T>::load(x + c * inner, n) - m) - log_sum) * factor;
    y.store(gx + c * inner, n);
  }
  if (l.a.smoothing > 0)
    for (int64_t c = 0; c < C; ++c) {
      const Strip<T> share = Strip<T>(l.weight ? l.weight[c] : T(1)) * spread;
      (Strip<T>::load(gx + c * inner, n) - share).store(gx + c * inner, n);
    }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t t = l.a.target[first + i];
    if (l.ignored(t))
      for (int64_t c = 0; c < C; ++c) gx[c * inner + i] = T(0);  // also where x or g is not finite
    else if (l.fits(t))
      gx[t * inner + i] -= l.gradient(first + i) * l.hit * l.weight_of(t);
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
