// Normalisation over groups of elements, and over neighbouring channels.
#pragma once

#include <optional>
#include <tuple>

#include "core/array.h"

namespace nn {

// How an array falls into groups: as [N, G, K, S], of a sample or of the batch (csrc/core/kernels/norm.h).
struct NormGroups {
  Dims extents;
  bool batch;
  bool centered;
  double eps;
};

// Means and variances, of any floating dtype.
struct Statistics {
  Array mean, var;
};

// (y, stats): stats is float64 [2, groups], the means and the variances: those in `fixed` where it is given.
std::tuple<Array, Array> norm_forward(const Array& x, const std::optional<Array>& weight,
                                      const std::optional<Array>& bias, const NormGroups& groups,
                                      const std::optional<Statistics>& fixed);

// The gradients of x, weight and bias; those of the last two have the shapes given. None for what is not asked for.
struct NormWanted {
  bool x;
  std::optional<Dims> weight, bias;
};
std::tuple<std::optional<Array>, std::optional<Array>, std::optional<Array>> norm_backward(
    const Array& gy, const Array& x, const std::optional<Array>& weight, const Array& stats, const NormGroups& groups,
    bool fixed, const NormWanted& wanted);

// One step of running statistics [C] towards stats, float64 [2, N * C], of groups of `count` elements; `batches`, where
// given, holds the number of steps including this one, and their plain average is taken instead of one with momentum.
void update_running_statistics(const Array& running_mean, const Array& running_var, const Array& stats, int64_t count,
                               double momentum, const std::optional<Array>& batches);

struct LocalResponse {
  int64_t size;
  double alpha, beta, k;
};
Array local_response_norm(const Array& x, const LocalResponse& options);
Array local_response_norm_backward(const Array& gy, const Array& x, const LocalResponse& options);

}  // namespace nn
