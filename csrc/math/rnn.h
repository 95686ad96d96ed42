// The units of recurrent layers: one step of one unit, forward and backward.
// RNN: h' = tanh or relu of its gate (Elman, 1990). LSTM: Hochreiter and Schmidhuber (1997) with the forget gate of
// Gers et al. (2000). GRU: Cho et al. (2014), with the reset gate applied after the product, as PyTorch and cuDNN have
// it.
#pragma once

#include "math/functions.h"

namespace nn::NN_ISA {

// What opens and closes a gate: 1 / (1 + e^-x), which is `sigmoid` without its last correction, and 0 where e^-x
// overflows. Error: 2.5 ulp.
template <class V>
NN_FN V gate_sigmoid(V x) {
  return V(1) / (V(1) + exp(-x));
}

// What a unit holds in one step. Before `forward`: its gates before activation, the state h, c before the step, and in
// `extra` the GRU's hidden share of n. After it: the gates activated, the new state, and in `extra` the LSTM's tanh(c).
template <class V>
struct RnnUnit {
  V gate[4], h, c, extra;
};

// Gradients: of the gates before activation; of the hidden share of the last gate, which the GRU alone has apart; of
// the state before the step, without what flows through W_hh.
template <class V>
struct RnnUnitGradient {
  V gate[4], hidden, h, c;
};

template <bool relu>
struct RnnUnitPlain {
  static constexpr int gates = 1;
  static constexpr bool has_c = false, has_extra = false, hidden_apart = false;
  template <class V>
  NN_FN void forward(RnnUnit<V>& u) {
    u.gate[0] = u.h = relu ? select(u.gate[0] < V(0), V(0), u.gate[0]) : tanh(u.gate[0]);
  }
  template <class V>
  NN_FN void backward(const RnnUnit<V>& u, V gh, V, RnnUnitGradient<V>& g) {
    const V y = u.gate[0];
    g.gate[0] = relu ? select(y <= V(0), V(0), gh) : gh * (V(1) - y * y);
    g.h = V(0);
  }
};

struct LstmUnit {
  static constexpr int gates = 4;
  static constexpr bool has_c = true, has_extra = true, hidden_apart = false;
  template <class V>
  NN_FN void forward(RnnUnit<V>& u) {
    forward_cell(u);
    forward_output(u);
  }
  // Its halves. With a loop for each, a processor finds more units side by side to work on while one waits for itself.
  template <class V>
  NN_FN void forward_cell(RnnUnit<V>& u) {
    V &i = u.gate[0], &f = u.gate[1], &g = u.gate[2], &o = u.gate[3];
    i = gate_sigmoid(i), f = gate_sigmoid(f), g = tanh(g), o = gate_sigmoid(o);
    u.c = f * u.c + i * g;
  }
  template <class V>
  NN_FN void forward_output(RnnUnit<V>& u) {
    u.extra = tanh(u.c);
    u.h = u.gate[3] * u.extra;
  }
  template <class V>
  NN_FN void backward(const RnnUnit<V>& u, V gh, V gc, RnnUnitGradient<V>& d) {
    const V i = u.gate[0], f = u.gate[1], g = u.gate[2], o = u.gate[3], t = u.extra;
    const V dc = gc + gh * o * (V(1) - t * t);
    d.gate[0] = dc * g * i * (V(1) - i);
    d.gate[1] = dc * u.c * f * (V(1) - f);
    d.gate[2] = dc * i * (V(1) - g * g);
    d.gate[3] = gh * t * o * (V(1) - o);
    d.c = dc * f;
    d.h = V(0);
  }
};

struct GruUnit {
  static constexpr int gates = 3;
  static constexpr bool has_c = false, has_extra = true, hidden_apart = true;
  template <class V>
  NN_FN void forward(RnnUnit<V>& u) {
    V &r = u.gate[0], &z = u.gate[1], &n = u.gate[2];
    r = gate_sigmoid(r), z = gate_sigmoid(z), n = tanh(n + r * u.extra);
    u.h = n + z * (u.h - n);
  }
  template <class V>
  NN_FN void backward(const RnnUnit<V>& u, V gh, V, RnnUnitGradient<V>& d) {
    const V r = u.gate[0], z = u.gate[1], n = u.gate[2];
    d.gate[2] = gh * (V(1) - z) * (V(1) - n * n);
    d.hidden = d.gate[2] * r;
    d.gate[0] = d.gate[2] * u.extra * r * (V(1) - r);
    d.gate[1] = gh * (u.h - n) * z * (V(1) - z);
    d.h = gh * z;
  }
};

}  // namespace nn::NN_ISA
