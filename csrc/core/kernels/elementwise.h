// Contracts of the elementwise kernels: one output element from the input elements at the same place.
#pragma once

#include "core/kernels/chain.h"

namespace nn {

inline constexpr int kUnaryParams = 3;

// Kernels of GPUs compute arrays of 16 bits in float32 and round once; those of the CPU take none.
//
// y = op(x), or gx = op.backward(gy, s) for the fused derivatives, where s is what the operation saved.
// x and y have dtype `dtype`. y may be exactly x (in place); otherwise they do not overlap.
struct UnaryArgs {
  static constexpr bool takes_half_on_gpu = true;
  StridedLoop<2> loop;  // y, x
  DType dtype;
  double params[kUnaryParams];
};

struct UnaryBackwardArgs {
  static constexpr bool takes_half_on_gpu = true;
  StridedLoop<3> loop;  // gx, gy, s
  DType dtype;
  double params[kUnaryParams];
};

// z = op(x, y). x and y have dtype `dtype`; z has it too, or boolean for comparisons and logic.
// z may be exactly x or y (in place) where the dtypes agree. Operand 1 or 2 may be a number instead of an array: then
// `number` says which, and `real` (for floating dtypes) or `integer` is its value; otherwise `number` is 0.
struct BinaryArgs {
  static constexpr bool takes_half_on_gpu = true;
  StridedLoop<3> loop;  // z, x, y; a number has strides of 0 and no data
  DType dtype;
  int number;
  double real;
  int64_t integer;
};

// y = x converted: float to integer truncates toward zero, anything to boolean is x != 0.
struct CastArgs {
  StridedLoop<2> loop;  // y, x
  DType to;
  DType from;
};

// y = value, everywhere. `real` for floating dtypes, `integer` for the others.
struct FillArgs {
  static constexpr bool takes_half = true;
  StridedLoop<1> loop;  // y
  DType dtype;
  double real;
  int64_t integer;
};

// z = condition ? x : y. condition is boolean; x, y, z have dtype `dtype`.
struct WhereArgs {
  static constexpr bool takes_half = true;
  StridedLoop<4> loop;  // z, condition, x, y
  DType dtype;
};

// unary, unary_backward and binary hold one kernel for each operation of the lists in csrc/math/elementwise.h, in the
// order of the list. chain has no function where chains of steps are made of these kernels (core/plan_chain.h).
struct ElementwiseKernels {
  const Kernel<UnaryArgs>* unary;
  const Kernel<UnaryBackwardArgs>* unary_backward;
  const Kernel<BinaryArgs>* binary;
  Kernel<CastArgs> cast;
  Kernel<FillArgs> fill;
  Kernel<WhereArgs> where;
  Kernel<ChainArgs> chain;
};

}  // namespace nn
