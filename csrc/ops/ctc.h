// The loss of connectionist temporal classification.
#pragma once

#include <optional>
#include <tuple>

#include "core/array.h"

namespace nn {

// The losses [N] of log probabilities x [T, N, C], and with `gradient` their gradient by logits [T, N, C]. labels [N,
// S], frames [N] and lengths [N] are int64: classes, how many of the T frames and how many of the S labels are in use.
std::tuple<Array, std::optional<Array>> ctc_loss(const Array& x, const Array& labels, const Array& frames,
                                                 const Array& lengths, int64_t blank, bool zero_infinity,
                                                 bool gradient);

}  // namespace nn
