// From an array and the dimensions to reduce to the loops of the reduction kernels.
#pragma once

#include "core/array.h"
#include "ops/reduce.h"

namespace nn {

// Which dimensions go, and the shape of what stays.
struct Reduction {
  bool reduced[kMaxDims] = {};
  Dims shape;  // of the result
  int64_t count = 1;

  Reduction(const char* operation, const Array& x, const OptionalDims& dims, bool keepdim);
};

// Dimensions with the strides of x, and of y where it has them: merged, the smallest stride of x last, at least one.
struct Loops {
  int ndim = 0;
  int64_t shape[kMaxDims], x[kMaxDims], y[kMaxDims];
};
Loops kept_loops(const Array& x, const Array& y, const Reduction& reduction);
Loops reduced_loops(const Array& x, const Reduction& reduction);

// Copies kept loops to the arguments of a kernel.
template <class Args>
void set_kept(Args& args, const Loops& loops) {
  args.kept_ndim = loops.ndim;
  for (int i = 0; i < loops.ndim; ++i) {
    args.kept_shape[i] = loops.shape[i];
    args.x_kept[i] = loops.x[i];
    args.y_kept[i] = loops.y[i];
  }
}

}  // namespace nn
