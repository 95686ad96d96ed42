// Losses on class scores.
//
// The idea: cross-entropy goes through its scores once, for the largest one and the sum of exponentials of each row at
// the same time. Where the gradient will be wanted, the same kernel writes it for gy = 1, softmax - target, from the
// row that its team has just read (the sum of the targets' weights, by which a mean is divided, is found first);
// backward multiplies by gy, and does nothing where that is 1. Otherwise, and for a second backward, forward leaves
// three numbers a row, and backward reads the scores again. The losses of the rows are added up in float64, by blocks
// and then by one. Parallel: rows, and each row among the threads of its team (cuda/teams.cuh). Bound: memory
// bandwidth, one read of the scores and one write of the gradient; the second read of a row comes from a cache, as long
// as the rows that the GPU has in work fit into it: 12,000 classes with 50 MB. Targets that are no class are reported,
// and count nothing.
#include "cuda/softmax_xent_kernels.h"
#include "cuda/softmax_xent_row.cuh"

namespace nn::cuda {
namespace {

// What the kernels know of a loss; `T` is the type of everything but the targets.
template <class T>
struct Loss {
  int64_t rows, classes, inner;
  int64_t ignore_index;
  LossReduction reduction;
  T each, hit;  // what smoothing gives to every class, and leaves to the target
  bool smoothed;
  const int64_t* target;
  const T* weight;
  T* loss;
  T *max, *log_sum, *mass;  // stats
  T* total;

  explicit Loss(const ClassLossArgs& a)
      : rows(a.N * a.inner),
        classes(a.C),
        inner(a.inner),
        ignore_index(a.ignore_index),
        reduction(a.reduction),
        each(static_cast<T>(a.smoothing / (a.C > 0 ? static_cast<double>(a.C) : 1.0))),
        hit(static_cast<T>(1 - a.smoothing)),
        smoothed(a.smoothing > 0),
        target(a.target),
        weight(static_cast<const T*>(a.weight)),
        loss(static_cast<T*>(a.loss)),
        max(static_cast<T*>(a.stats)),
        log_sum(max != nullptr ? max + rows : nullptr),
        mass(max != nullptr ? log_sum + rows : nullptr),
        total(static_cast<T*>(a.total)) {}

  __device__ bool ignored(int64_t t) const { return t == ignore_index; }
  __device__ bool fits(int64_t t) const { return 0 <= t && t < classes; }
  __device__ T class_weight(int64_t c) const { return weight != nullptr ? weight[c] : T(1); }
  __device__ T weight_of(int64_t t) const { return ignored(t) || !fits(t) ? T(0) : class_weight(t); }
  // g of the contract.
  __device__ T gradient(int64_t row) const {
    if (reduction == LossReduction::none) return loss[row];
    return reduction == LossReduction::mean ? loss[0] / total[0] : loss[0];
  }
};

// ---- from the losses of the rows to one ----

constexpr int64_t kRowsOfBlock = 32 * kThreads;

struct Sums {
  double loss, weights;
};

template <class T>
__device__ void finish(const Loss<T>& l, const Sums& sums) {
  *l.total = static_cast<T>(sums.weights);
  *l.loss = static_cast<T>(l.reduction == LossReduction::mean ? sums.loss / sums.weights : sums.loss);
}

__device__ __forceinline__ Sums sum_over_block(const Sums& mine) {
  NN_SHARED(double, of_warps, [kThreads / kWarp]);
  const int thread = static_cast<int>(threadIdx.x);
  const double loss = block_reduce<kThreads>(mine.loss, Sum{}, of_warps, thread);
  return {loss, block_reduce<kThreads>(mine.weights, Sum{}, of_warps, thread)};
}

// A block for each kRowsOfBlock rows. One alone finishes; several leave their sums to finish_sums. Without losses, of
// the weights alone.
template <class T>
__global__ void __launch_bounds__(kThreads) sum_rows(Loss<T> l, const T* losses, Sums* sums) {
  const int64_t begin = blockIdx.x * kRowsOfBlock;
  const int64_t end = begin + kRowsOfBlock < l.rows ? begin + kRowsOfBlock : l.rows;
  Sums mine{0, 0};
  for (int64_t row = begin + threadIdx.x; row < end; row += kThreads) {
    if (losses != nullptr) mine.loss += losses[row];
    mine.weights += l.weight_of(l.target[row]);
  }
  const Sums all = sum_over_block(mine);
  if (threadIdx.x != 0) return;
  if (gridDim.x == 1)
    finish(l, all);
  else
    sums[blockIdx.x] = all;
}

template <class T>
__global__ void __launch_bounds__(kThreads) finish_sums(Loss<T> l, const Sums* sums, int64_t count) {
  Sums mine{0, 0};
  for (int64_t i = threadIdx.x; i < count; i += kThreads) {
    mine.loss += sums[i].loss;
    mine.weights += sums[i].weights;
  }
  const Sums all = sum_over_block(mine);
  if (threadIdx.x == 0) finish(l, all);
}

template <class T>
void sum_up(const Loss<T>& l, const T* losses, const LaunchContext& ctx) {
  const int64_t blocks = l.rows > 0 ? ceil_div(l.rows, kRowsOfBlock) : 1;
  const Workspace partial(blocks > 1 ? static_cast<size_t>(blocks) * sizeof(Sums) : 0, ctx);
  Sums* const sums = static_cast<Sums*>(partial.data);
  NN_LAUNCH(sum_rows<T>, static_cast<unsigned>(blocks), kThreads, 0, ctx, l, losses, sums);
  if (blocks > 1) NN_LAUNCH(finish_sums<T>, 1, kThreads, 0, ctx, l, sums, blocks);
}

// row_losses(losses) launches what fills one number for each row; they are then reduced.
template <class T, class RowLosses>
void reduce_rows(const Loss<T>& l, const LaunchContext& ctx, const RowLosses& row_losses) {
  if (l.reduction == LossReduction::none) return row_losses(l.loss);
  const Workspace memory(static_cast<size_t>(l.rows) * sizeof(T), ctx);
  T* const losses = static_cast<T*>(memory.data);
  row_losses(losses);
  sum_up(l, losses, ctx);
}

// ---- negative log likelihood ----

template <class T>
__global__ void __launch_bounds__(kThreads) nll_kernel(Loss<T> l, const T* x, T* losses, FaultSite fault) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t row = int64_t{blockIdx.x} * kThreads + threadIdx.x; row < l.rows; row += step) {
    const int64_t t = l.target[row], n = row / l.inner;
    const bool counts = !l.ignored(t) && l.fits(t);
    if (!l.ignored(t) && !l.fits(t)) report(fault, t);
    losses[row] = counts ? -l.class_weight(t) * x[(n * l.classes + t) * l.inner + row % l.inner] : T(0);
  }
}

// gx at the targets; elsewhere it is 0 already.
template <class T>
__global__ void __launch_bounds__(kThreads) nll_backward_kernel(Loss<T> l, T* gx) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t row = int64_t{blockIdx.x} * kThreads + threadIdx.x; row < l.rows; row += step) {
    const int64_t t = l.target[row], n = row / l.inner;
    if (!l.ignored(t) && l.fits(t))
      gx[(n * l.classes + t) * l.inner + row % l.inner] = -l.gradient(row) * l.class_weight(t);
  }
}

// ---- cross-entropy ----

// g (A softmax(x) - q) for a row with the target t.
template <class Team, class T>
__device__ __forceinline__ void write_gradient(const Team& team, const Row& row, const Loss<T>& l, bool aligned,
                                               const T* x, T* gx, int64_t t, T g, T largest, T log_sum, T mass) {
  const bool used = !l.ignored(t);
  const T scale = g * mass, share = g * l.each, at_target = g * l.hit * l.weight_of(t);
  each_pack<T>(team, row, [&](auto count, int64_t c) {
    constexpr int kCount = decltype(count)::value;
    Pack<T, kCount> v = load_pack<kCount>(x + row.at(c), aligned);
#pragma unroll
    for (int k = 0; k < kCount; ++k) {
      const T y = scale * exp((v.at[k] - largest) - log_sum) - (c + k == t ? at_target : T(0));
      const T smoothed = l.smoothed ? y - share * l.class_weight(c + k) : y;
      v.at[k] = used ? smoothed : T(0);  // also where x or g is not finite
    }
    store_pack<kCount>(gx + row.at(c), v, aligned);
  });
}

template <class Team, class T>
__global__ void __launch_bounds__(kThreads, 2)
    cross_entropy_kernel(Team team, Rows rows, Loss<T> l, bool aligned, const T* x, T* losses, T* gx, FaultSite fault) {
  each_row(team, rows, [&](const Row& row) {
    const SoftmaxRow<T> found = softmax_row(Plain<T>{}, team, row, x, aligned);
    T below = T(0), weights = static_cast<T>(l.classes);  // sums of w (x - max x), and of w
    if (l.smoothed) {
      T mine = T(0);
      each_pack<T>(team, row, [&](auto count, int64_t c) {
        constexpr int kCount = decltype(count)::value;
        const Pack<T, kCount> v = load_pack<kCount>(x + row.at(c), aligned);
#pragma unroll
        for (int k = 0; k < kCount; ++k) {
          const T w = l.class_weight(c + k);
          below = fma(w, v.at[k] - found.max, below);
          mine += w;
        }
      });
      below = team.reduce(below, Sum{});
      if (l.weight != nullptr) weights = team.reduce(mine, Sum{});
    }
    if (!row.live || (gx == nullptr && team.rank() != 0)) return;
    const int64_t t = l.target[row.index];
    const bool used = !l.ignored(t), fits = l.fits(t);
    const T log_sum = log(found.sum), w = used && fits ? l.hit * l.class_weight(t) : T(0);
    const T mass = used ? w + (l.smoothed ? l.each * weights : T(0)) : T(0);
    if (gx != nullptr) {
      const T g = l.reduction == LossReduction::mean ? T(1) / *l.total : T(1);
      write_gradient(team, row, l, aligned, x, gx, t, used ? g : T(0), found.max, log_sum, mass);
    }
    if (team.rank() != 0) return;
    if (used && !fits) report(fault, t);
    T loss = w * (log_sum - (fits ? x[row.at(t)] - found.max : T(0)));
    if (l.smoothed) loss += l.each * (weights * log_sum - below);
    l.max[row.index] = found.max;
    l.log_sum[row.index] = log_sum;
    l.mass[row.index] = mass;
    losses[row.index] = used ? loss : T(0);
  });
}

template <class Team, class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_backward_kernel(Team team, Rows rows, Loss<T> l, bool aligned, const T* x, T* gx) {
  each_row(team, rows, [&](const Row& row) {
    if (!row.live) return;
    const int64_t t = l.target[row.index];
    const T g = l.ignored(t) ? T(0) : l.gradient(row.index);
    write_gradient(team, row, l, aligned, x, gx, t, g, l.max[row.index], l.log_sum[row.index], l.mass[row.index]);
  });
}

// gx, the gradient for gy = 1, becomes that for gy.
template <class Team, class T>
__global__ void __launch_bounds__(kThreads) scale_kernel(Team team, Rows rows, Loss<T> l, bool aligned, T* gx) {
  const bool each = l.reduction == LossReduction::none;
  if (!each && *l.loss == T(1)) return;
  each_row(team, rows, [&](const Row& row) {
    if (!row.live || l.ignored(l.target[row.index])) return;  // 0 stays 0 where gy is not finite
    const T g = l.loss[each ? row.index : 0];
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      Pack<T, kCount> v = load_pack<kCount>(gx + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k) v.at[k] *= g;
      store_pack<kCount>(gx + row.at(c), v, aligned);
    });
  });
}

}  // namespace

void run_nll_forward(const ClassLossArgs& a, const LaunchContext& ctx) {
  with_floating(a.dtype, [&]<class T>(T) {
    const Loss<T> l(a);
    reduce_rows(l, ctx, [&](T* losses) {
      if (l.rows == 0) return;
      NN_LAUNCH(nll_kernel<T>, blocks_for(l.rows), kThreads, 0, ctx, l, static_cast<const T*>(a.x), losses, a.fault);
    });
  });
}

void run_nll_backward(const ClassLossArgs& a, const LaunchContext& ctx) {
  with_floating(a.dtype, [&]<class T>(T) {
    const Loss<T> l(a);
    const int64_t count = l.rows * l.classes;
    if (count == 0) return;
    check(cudaMemsetAsync(a.gx, 0, static_cast<size_t>(count) * sizeof(T), static_cast<cudaStream_t>(ctx.stream)),
          "nll_loss_backward");
    NN_LAUNCH(nll_backward_kernel<T>, blocks_for(l.rows), kThreads, 0, ctx, l, static_cast<T*>(a.gx));
  });
}

void run_cross_entropy_forward(const ClassLossArgs& a, const LaunchContext& ctx) {
  with_floating(a.dtype, [&]<class T>(T) {
    const Loss<T> l(a);
    const Rows rows{a.N, a.C, a.inner};
    if (a.gx != nullptr && a.reduction == LossReduction::mean) sum_up<T>(l, nullptr, ctx);  // gradients need the total
    reduce_rows(l, ctx, [&](T* losses) {
      with_team<T>(rows, [&]<class Team>(const Team& team, unsigned blocks) {
        const auto kernel = cross_entropy_kernel<Team, T>;
        NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, rows, l, are_aligned(a.x, a.gx), static_cast<const T*>(a.x),
                  losses, static_cast<T*>(a.gx), a.fault);
      });
    });
  });
}

void run_cross_entropy_backward(const ClassLossArgs& a, const LaunchContext& ctx) {
  with_floating(a.dtype, [&]<class T>(T) {
    const Rows rows{a.N, a.C, a.inner};
    with_team<T>(rows, [&]<class Team>(const Team& team, unsigned blocks) {
      if (a.x == nullptr) {
        const auto kernel = scale_kernel<Team, T>;
        NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, rows, Loss<T>(a), are_aligned(a.gx), static_cast<T*>(a.gx));
        return;
      }
      const auto kernel = cross_entropy_backward_kernel<Team, T>;
      NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, rows, Loss<T>(a), are_aligned(a.x, a.gx),
                static_cast<const T*>(a.x), static_cast<T*>(a.gx));
    });
  });
}

}  // namespace nn::cuda
