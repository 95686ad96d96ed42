// Softmax, and the losses on class scores x: [C], [N, C] or [N, C, d...] with class indices target: [], [N], [N, d...].
#pragma once

#include <optional>
#include <string>
#include <tuple>

#include "core/array.h"

namespace nn {

Array softmax(const Array& x, int64_t dim, bool log);
Array softmax_backward(const Array& gy, const Array& y, int64_t dim, bool log);

// What the two losses have in common, besides the scores.
struct ClassLoss {
  Array target;                 // int64 or uint8
  std::optional<Array> weight;  // [C]
  std::string reduction;        // "none", "mean" or "sum"
  int64_t ignore_index;
  double smoothing;  // 0 for nll_loss
};

// The loss, and what its backward needs: the sum of weights (nll_loss); maximum, logarithm of the sum of exponentials
// and sum of target probabilities of each row, then the sum of weights (cross_entropy).
std::tuple<Array, Array> nll_loss(const Array& x, const ClassLoss& loss);
// With `wants_gradient` on a GPU also the gradient of x for gy = 1, found in the same pass over x. On the CPU backward
// goes over x again, where that is needed.
std::tuple<Array, Array, std::optional<Array>> cross_entropy(const Array& x, const ClassLoss& loss,
                                                             bool wants_gradient);
Array nll_loss_backward(const Array& gy, const Dims& shape, const ClassLoss& loss, const Array& saved);
Array cross_entropy_backward(const Array& gy, const Array& x, const ClassLoss& loss, const Array& saved);
// gx, the gradient for gy = 1, becomes that for gy; where gy is 1 it is only read.
void cross_entropy_scale(const Array& gy, const Array& gx, const ClassLoss& loss, const Array& saved);

}  // namespace nn
