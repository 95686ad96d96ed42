// Softmax and log-softmax, forward and backward, and the table of the family.
//
// The idea: a team of threads for each row (cuda/teams.cuh) goes through it twice: for the largest element and the sum
// at once, or the sum of products, and for the result; the second time most of the row still lies in a cache.
// Parallel: rows, and each row among the threads of its team.
// Bound: memory bandwidth, one read and one write forward, two reads and one write backward.
#include "cuda/softmax_xent_kernels.h"
#include "cuda/softmax_xent_row.cuh"

namespace nn::cuda {
extern const SoftmaxXentKernels softmax_xent_kernels;

namespace {

template <class Team, class A, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads)
    softmax_kernel(Team team, A as, Rows rows, bool logarithm, bool aligned, const X* x, X* y) {
  using T = typename A::Value;
  each_row(team, rows, [&](const Row& row) {
    const SoftmaxRow<T> found = softmax_row(as, team, row, x, aligned);
    const T last = logarithm ? log(found.sum) : T(1) / found.sum;
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      Pack<T, kCount> v = load_values<kCount>(as, x + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k) {
        const T below = v.at[k] - found.max;
        v.at[k] = logarithm ? below - last : exp(below) * last;
      }
      store_values<kCount>(as, y + row.at(c), v, aligned);
    });
  });
}

template <class Team, class A, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads)
    softmax_backward_kernel(Team team, A as, Rows rows, bool logarithm, bool aligned, const X* y, const X* gy, X* gx) {
  using T = typename A::Value;
  each_row(team, rows, [&](const Row& row) {
    T sum = T(0);
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      const Pack<T, kCount> v = load_values<kCount>(as, y + row.at(c), aligned);
      const Pack<T, kCount> g = load_values<kCount>(as, gy + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k) sum = logarithm ? sum + g.at[k] : fma(v.at[k], g.at[k], sum);
    });
    const T total = team.reduce(sum, Sum{});
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      const Pack<T, kCount> v = load_values<kCount>(as, y + row.at(c), aligned);
      Pack<T, kCount> g = load_values<kCount>(as, gy + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k)
        g.at[k] = logarithm ? g.at[k] - exp(v.at[k]) * total : v.at[k] * (g.at[k] - total);
      store_values<kCount>(as, gx + row.at(c), g, aligned);
    });
  });
}

void run_softmax(const SoftmaxArgs& a, const LaunchContext& ctx) {
  const Rows rows{a.outer, a.n, a.inner};
  with_stored(a.dtype, [&]<class A>(const A& as) {
    using X = typename A::Stored;
    with_team<typename A::Value>(rows, [&]<class Team>(const Team& team, unsigned blocks) {
      const auto kernel = softmax_kernel<Team, A>;
      NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, as, rows, a.log, are_aligned(a.x, a.y),
                static_cast<const X*>(a.x), static_cast<X*>(a.y));
    });
  });
}

void run_softmax_backward(const SoftmaxBackwardArgs& a, const LaunchContext& ctx) {
  const Rows rows{a.outer, a.n, a.inner};
  with_stored(a.dtype, [&]<class A>(const A& as) {
    using X = typename A::Stored;
    with_team<typename A::Value>(rows, [&]<class Team>(const Team& team, unsigned blocks) {
      const auto kernel = softmax_backward_kernel<Team, A>;
      NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, as, rows, a.log, are_aligned(a.y, a.gy, a.gx),
                static_cast<const X*>(a.y), static_cast<const X*>(a.gy), static_cast<X*>(a.gx));
    });
  });
}

}  // namespace

const SoftmaxXentKernels softmax_xent_kernels = {
    {"softmax", run_softmax},
    {"softmax_backward", run_softmax_backward},
    {"nll_loss", run_nll_forward},
    {"nll_loss_backward", run_nll_backward},
    {"cross_entropy", run_cross_entropy_forward},
    {"cross_entropy_backward", run_cross_entropy_backward},
};

}  // namespace nn::cuda
