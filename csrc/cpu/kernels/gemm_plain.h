// Matrix multiplication of integers, for counts and indices: a plain loop over the rows of C. Nothing trains in it, so
// nothing is packed.
#pragma once

#include "core/kernels/gemm.h"
#include "core/parallel.h"

namespace nn::NN_ISA {
namespace {

// Row m of one product, added up in U, the unsigned twin of I, whose overflow is defined.
template <class U, class I>
void plain_row(const GemmArgs& args, const U* a, const U* b, U* c) {
  const U* const bias = static_cast<const U*>(args.bias);
  for (int64_t n = 0; n < args.N; ++n) {
    U sum = 0;
    for (int64_t k = 0; k < args.K; ++k) sum = U(sum + a[k * args.a_col] * b[k * args.b_row + n * args.b_col]);
    U& out = c[n * args.c_col];
    if (args.accumulate) sum = U(sum + out);
    if (bias) sum = U(sum + bias[n * args.bias_stride]);
    out = args.activation == Activation::relu && static_cast<I>(sum) < 0 ? U(0) : sum;
  }
}

template <class U, class I>
void gemm_plain(const GemmArgs& args, const LaunchContext& ctx) {
  int64_t rows = args.M;
  for (int d = 0; d < args.batch_ndim; ++d) rows *= args.batch_shape[d];
  const int64_t grain = 1 + 100000 / (1 + args.N * (args.K + 1));
  parallel_for(ctx, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t m = row % args.M;
      const U* a = static_cast<const U*>(args.a) + m * args.a_row;
      const U* b = static_cast<const U*>(args.b);
      U* c = static_cast<U*>(args.c) + m * args.c_row;
      int64_t i = row / args.M;
      for (int d = args.batch_ndim - 1; d >= 0; --d) {
        const int64_t index = i % args.batch_shape[d];
        i /= args.batch_shape[d];
        a += index * args.a_batch[d], b += index * args.b_batch[d], c += index * args.c_batch[d];
      }
      plain_row<U, I>(args, a, b, c);
    }
  });
}

}  // namespace
}  // namespace nn::NN_ISA
