// Recurrent layers: one layer, one direction, all steps. Their arithmetic: core/kernels/rnn.h and math/rnn.h.
#pragma once

#include <optional>
#include <string>
#include <tuple>

#include "core/array.h"

namespace nn {

using MaybeArray = std::optional<Array>;

// What forward computes, and what it leaves for backward: gates [T, N, G H], the rest [T, N, H].
struct RnnResult {
  Array y, h_n;
  MaybeArray c_n;
  Array gates, h_before;
  MaybeArray c_before, extra;
};

// mode is "tanh", "relu", "lstm" or "gru". x [T, N, I], h0 and (LSTM) c0 [N, H], w_ih [G H, I], w_hh [G H, H], biases
// [G H], lengths int64 [N].
RnnResult rnn_forward(const std::string& mode, const Array& x, const Array& h0, const MaybeArray& c0, const Array& w_ih,
                      const Array& w_hh, const MaybeArray& b_ih, const MaybeArray& b_hh, const MaybeArray& lengths,
                      bool reverse);

// The gradients of the inputs' and of the hidden share of the gates [T, N, G H] (the GRU alone tells them apart), of h0
// if it is wanted, and of c0, from those of y, h_n and c_n, of which a missing one counts as 0.
struct RnnGradients {
  Array gx_gates, gh_gates;
  MaybeArray gh0, gc0;
};
RnnGradients rnn_backward(const std::string& mode, const MaybeArray& gy, const MaybeArray& gh_n, const MaybeArray& gc_n,
                          const Array& w_hh, const Array& gates, const Array& h_before, const MaybeArray& c_before,
                          const MaybeArray& extra, const MaybeArray& lengths, bool reverse, bool wants_gh0);

}  // namespace nn
