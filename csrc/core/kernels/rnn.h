// Contract of recurrent layers.
#pragma once

#include "core/kernels/kernel.h"

namespace nn {

enum class RnnMode : int32_t { tanh, relu, lstm, gru };

// Gates of a unit: 1; for the LSTM i f g o; for the GRU r z n.
constexpr int rnn_gates(RnnMode mode) { return mode == RnnMode::lstm ? 4 : mode == RnnMode::gru ? 3 : 1; }

// One layer in one direction: N sequences of T steps, H units of G gates (math/rnn.h has their arithmetic). A step
// reads its inputs' share of the gates, which one product has put into `gates` for all steps, and adds W_hh h + b_hh.
// `reverse` walks from step T - 1 to step 0. Row n takes part in steps t < lengths[n] only (all, if null): in the
// others its state stays as it is and y is 0, so that backwards in time each sequence begins at its own end. Arrays are
// contiguous and do not overlap. c0, c_n, c_before are null without a cell state; T and H are at least 1.
struct RnnArgs {
  DType dtype;
  RnnMode mode;
  int64_t T, N, H;
  bool reverse;
  const int64_t* lengths;  // [N] or null; 0 <= lengths[n] <= T
  const void* w_hh;        // [G H, H]
  const void* b_hh;        // [G H] or null
  const void *h0, *c0;     // [N, H]
  void* gates;             // [T, N, G H]: W_ih x + b_ih, overwritten with the activated gates (unless masked)
  void* y;                 // [T, N, H]: h after each step
  void *h_n, *c_n;         // [N, H]: the state after the last step
  void* h_before;          // [T, N, H]: the state before each step, and
  void* c_before;
  void* extra;  // [T, N, H]: for the LSTM tanh(c); for the GRU the hidden share of n; null for the others
};

// The gradients of a sum of gy y + gh_n h_n + gc_n c_n, from what the forward pass left.
struct RnnBackwardArgs {
  DType dtype;
  RnnMode mode;
  int64_t T, N, H;
  bool reverse;
  const int64_t* lengths;
  const void* w_hh;
  const void* gy;  // [T, N, H] with the strides gy_step and gy_row, last stride 1; or null: 0
  int64_t gy_step, gy_row;
  const void *gates, *h_before, *c_before, *extra;
  void* gx_gates;  // [T, N, G H]: of the inputs' share of the gates, 0 where masked
  void* gh_gates;  // [T, N, G H]: of W_hh h + b_hh; for all but the GRU it is gx_gates
  void *gh, *gc;   // [N, H]: of h_n and c_n when called, of h0 and c0 after
  bool wants_gh0;  // else gh may hold anything after, and the last product is saved
};

struct RnnKernels {
  Kernel<RnnArgs> forward;
  Kernel<RnnBackwardArgs> backward;
};

}  // namespace nn
