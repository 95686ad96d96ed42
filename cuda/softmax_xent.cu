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

template <class Team, class T>
__global__ void __launch_bounds__(kThreads)
    softmax_kernel(Team team, Rows rows, bool logarithm, bool aligned, const T* x, T* y) {
  each_row(team, rows, [&](const Row& row) {
    const SoftmaxRow<T> found = softmax_row(team, row, x, aligned);
    const T last = logarithm ? log(found.sum) : T(1) / found.sum;
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      Pack<T, kCount> v = load_pack<kCount>(x + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k) {
        const T below = v.at[k] - found.max;
        v.at[k] = logarithm ? below - last : exp(below) * last;
      }
      store_pack<kCount>(y + row.at(c), v, aligned);
    });
  });
}

template <class Team, class T>
__global__ void __launch_bounds__(kThreads)
    softmax_backward_kernel(Team team, Rows rows, bool logarithm, bool aligned, const T* y, const T* gy, T* gx) {
  each_row(team, rows, [&](const Row& row) {
    T sum = T(0);
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      const Pack<T, kCount> v = load_pack<kCount>(y + row.at(c), aligned);
      const Pack<T, kCount> g = load_pack<kCount>(gy + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k) sum = logarithm ? sum + g.at[k] : fma(v.at[k], g.at[k], sum);
    });
    const T total = team.reduce(sum, Sum{});
    each_pack<T>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      const Pack<T, kCount> v = load_pack<kCount>(y + row.at(c), aligned);
      Pack<T, kCount> g = load_pack<kCount>(gy + row.at(c), aligned);
#pragma unroll
      for (int k = 0; k < kCount; ++k)
        g.at[k] = logarithm ? g.at[k] - exp(v.at[k]) * total : v.at[k] * (g.at[k] - total);
      store_pack<kCount>(gx + row.at(c), g, aligned);
    });
  });
}

void run_softmax(const SoftmaxArgs& a, const LaunchContext& ctx) {
  const Rows rows{a.outer, a.n, a.inner};
  with_floating(a.dtype, [&]<class T>(T) {
    with_team<T>(rows, [&]<class Team>(const Team& team, unsigned blocks) {
      const auto kernel = softmax_kernel<Team, T>;
      NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, rows, a.log, are_aligned(a.x, a.y), static_cast<const T*>(a.x),
                static_cast<T*>(a.y));
    });
  });
}

void run_softmax_backward(const SoftmaxBackwardArgs& a, const LaunchContext& ctx) {
  const Rows rows{a.outer, a.n, a.inner};
  with_floating(a.dtype, [&]<class T>(T) {
    with_team<T>(rows, [&]<class Team>(const Team& team, unsigned blocks) {
      const auto kernel = softmax_backward_kernel<Team, T>;
      NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, rows, a.log, are_aligned(a.y, a.gy, a.gx),
                static_cast<const T*>(a.y), static_cast<const T*>(a.gy), static_cast<T*>(a.gx));
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
