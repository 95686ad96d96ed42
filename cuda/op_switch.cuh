// All elementwise operations behind one choice that is made while a kernel runs: an interpreting kernel (chain.cuh) has
// each operation once, where there would otherwise be a kernel for each.
//
// A thread has kLanes values of each operand. The choice is the same for all threads and is made once for all lanes. An
// operation of a few instructions is written out for each lane; for a longer one the lanes go by in turn, so that its
// code is there once: a value leaves at the front of the operand, and its result enters at the end. So no register is
// chosen by a number.
#pragma once

#include <tuple>

#include "core/kernels/chain.h"
#include "cuda/angles.cuh"
#include "cuda/loops.cuh"

namespace nn::cuda {

inline constexpr int kLanes = 4;

template <class T>
using Lanes = Pack<T, kLanes>;

// Operations of a few instructions.
using ShortForward =
    List<Neg, Abs, Square, ReLU, LeakyReLU, Clamp, Add, Sub, Mul, Maximum, Minimum, Eq, Ne, Lt, Le, Gt, Ge>;
using ShortBackward = List<Square, ReLU, Sigmoid, Tanh, LeakyReLU, Clamp>;

template <class Op, class... Ops>
NN_FN constexpr bool is_among(List<Ops...>) {
  return (__is_same(Op, Ops) || ...);
}

// x = f(x, y), lane by lane.
template <bool is_short, class T, class F>
__device__ __forceinline__ void each_lane(Lanes<T>& x, Lanes<T>& y, const F& f) {
  if constexpr (is_short) {
#pragma unroll
    for (int k = 0; k < kLanes; ++k) x.at[k] = f(x.at[k], y.at[k]);
  } else {
#pragma unroll 1
    for (int turn = 0; turn < kLanes; ++turn) {
      const T r = f(x.at[0], y.at[0]);
#pragma unroll
      for (int k = 0; k + 1 < kLanes; ++k) x.at[k] = x.at[k + 1], y.at[k] = y.at[k + 1];
      x.at[kLanes - 1] = r;
    }
  }
}

// body<Op>() for number `op` of the list, found by halving.
template <int first, int count, class... Ops, class Body>
__device__ __forceinline__ void choose(List<Ops...> list, int op, const Body& body) {
  if constexpr (count == 1) {
    body.template operator()<std::tuple_element_t<first, std::tuple<Ops...>>>();
  } else {
    constexpr int half = count / 2;
    if (op < first + half)
      choose<first, half>(list, op, body);
    else
      choose<first + half, count - half>(list, op, body);
  }
}
template <class... Ops, class Body>
__device__ __forceinline__ void choose(List<Ops...> list, int op, const Body& body) {
  choose<0, sizeof...(Ops)>(list, op, body);
}

// Whether an operation is computed with values of this type.
template <class Op, class T>
inline constexpr bool takes = is_integer<T> ? !is_floating_only<Op> : !is_integer_only<Op>;

// x = op(x), op.backward(x, y) or op(x, y): the operation of this number in the list of its kind.
template <class T>
__device__ __forceinline__ void apply(ChainKind kind, int op, const double* params, Lanes<T>& x, Lanes<T>& y) {
  if (kind == ChainKind::unary) {
    choose(UnaryOps{}, op, [&]<class Op>() {
      if constexpr (takes<Op, T>) {
        const auto f = with_params<typename OnDevice<Op>::type>(params);
        each_lane<is_among<Op>(ShortForward{})>(x, y, [&](T u, T) { return f.forward(u); });
      }
    });
  } else if (kind == ChainKind::binary) {
    choose(BinaryOps{}, op, [&]<class Op>() {
      if constexpr (takes<Op, T>)
        each_lane<is_among<Op>(ShortForward{})>(x, y, [&](T u, T v) { return T(Op{}.forward(u, v)); });
    });
  } else if constexpr (!is_integer<T>) {
    choose(UnaryOps{}, op, [&]<class Op>() {
      if constexpr (has_backward<Op>) {
        const Op f = with_params<Op>(params);
        each_lane<is_among<Op>(ShortBackward{})>(x, y, [&](T gy, T s) { return f.backward(gy, s); });
      }
    });
  }
}

}  // namespace nn::cuda
