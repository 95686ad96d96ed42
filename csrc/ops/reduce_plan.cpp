#include "ops/reduce_plan.h"

#include <cstdlib>
#include <limits>
#include <utility>

namespace nn {
namespace {

struct Dim {
  int64_t shape, x, y;
};

// Repeated elements (stride 0) go outermost: there is no sequence in them.
int64_t distance(const Dim& d) { return d.x == 0 ? std::numeric_limits<int64_t>::max() : std::abs(d.x); }

Loops merge(Dim (&dims)[kMaxDims], int count) {
  for (int i = 1; i < count; ++i)  // stable insertion sort
    for (int j = i; j > 0 && distance(dims[j - 1]) < distance(dims[j]); --j) std::swap(dims[j - 1], dims[j]);
  Loops loops;
  for (int i = 0; i < count; ++i) {
    const Dim& d = dims[i];
    if (d.shape == 1) continue;
    const int before = loops.ndim - 1;
    if (before >= 0 && loops.x[before] == d.x * d.shape && loops.y[before] == d.y * d.shape) {
      loops.shape[before] *= d.shape;
      loops.x[before] = d.x;
      loops.y[before] = d.y;
    } else {
      loops.shape[loops.ndim] = d.shape;
      loops.x[loops.ndim] = d.x;
      loops.y[loops.ndim++] = d.y;
    }
  }
  if (loops.ndim == 0) {
    loops.ndim = 1;
    loops.shape[0] = 1;
    loops.x[0] = loops.y[0] = 1;
  }
  return loops;
}

}  // namespace

Reduction::Reduction(const char* operation, const Array& x, const OptionalDims& dims, bool keepdim) {
  const bool all = !dims || dims->empty();
  if (!all) {
    for (int64_t dim : *dims) {
      const int d = normalize_dim(operation, dim, x.ndim());
      check(!reduced[d], operation, ": dim ", d, " appears multiple times in the list of dims");
      reduced[d] = true;
    }
  }
  for (int i = 0; i < x.ndim(); ++i) {
    reduced[i] = reduced[i] || all;
    if (reduced[i]) count *= x.shape[i];
    if (!reduced[i])
      shape.push_back(x.shape[i]);
    else if (keepdim)
      shape.push_back(1);
  }
}

Loops kept_loops(const Array& x, const Array& y, const Reduction& reduction) {
  Dim dims[kMaxDims];
  int count = 0, at = 0;
  const bool keepdim = y.ndim() == x.ndim();
  for (int i = 0; i < x.ndim(); ++i) {
    if (!reduction.reduced[i]) {
      dims[count++] = {x.shape[i], x.strides[i], y.strides[at++]};
    } else if (keepdim) {
      ++at;
    }
  }
  return merge(dims, count);
}

Loops reduced_loops(const Array& x, const Reduction& reduction) {
  Dim dims[kMaxDims];
  int count = 0;
  for (int i = 0; i < x.ndim(); ++i)
    if (reduction.reduced[i]) dims[count++] = {x.shape[i], x.strides[i], 0};
  return merge(dims, count);
}

}  // namespace nn
