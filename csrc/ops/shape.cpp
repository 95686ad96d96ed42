#include "ops/shape.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/strided_loop.h"

namespace nn {
namespace {

// `shape` with its one -1 replaced by what `numel` elements leave for it.
Dims infer_shape(const char* operation, const Array& x, Dims shape) {
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.size(); ++i) {
    check(shape[i] >= -1, operation, ": invalid shape dimension ", shape[i]);
    if (shape[i] == -1) {
      check(unknown < 0, operation, ": only one dimension can be inferred, got shape ", shape);
      unknown = i;
    } else {
      known *= shape[i];
    }
  }
  const int64_t numel = x.numel();
  if (unknown >= 0) {
    check(known != 0, operation, ": cannot infer -1 in shape ", shape, " of an empty array, it could be anything");
    check(numel % known == 0, operation, ": shape ", shape, " is invalid for input of size ", numel);
    shape[unknown] = numel / known;
  } else {
    check(known == numel, operation, ": shape ", shape, " is invalid for input of size ", numel);
  }
  return shape;
}

Dims normalize_dims(const char* operation, const Dims& dims, int ndim) {
  Dims result;
  bool seen[kMaxDims] = {};
  for (int64_t dim : dims) {
    const int d = normalize_dim(operation, dim, ndim);
    check(!seen[d], operation, ": dim ", d, " appears more than once in ", dims);
    seen[d] = true;
    result.push_back(d);
  }
  return result;
}

}  // namespace

Array permute(const Array& x, const Dims& dims) {
  check(dims.size() == x.ndim(), "permute: expected ", x.ndim(), " dims for input ", x.shape, ", got ", dims);
  Dims shape, strides;
  for (int64_t dim : normalize_dims("permute", dims, x.ndim())) {
    shape.push_back(x.shape[static_cast<int>(dim)]);
    strides.push_back(x.strides[static_cast<int>(dim)]);
  }
  return view(x, shape, strides, x.offset);
}

Array transpose(const Array& x, int64_t dim0, int64_t dim1) {
  const int a = normalize_dim("transpose", dim0, x.ndim()), b = normalize_dim("transpose", dim1, x.ndim());
  Array y = x;
  if (x.ndim() == 0) return y;
  std::swap(y.shape[a], y.shape[b]);
  std::swap(y.strides[a], y.strides[b]);
  return y;
}

Array expand(const Array& x, const Dims& shape) {
  const int lead = shape.size() - x.ndim();
  check(lead >= 0, "expand: the number of sizes provided (", shape.size(),
        ") must be at least the number of dimensions (", x.ndim(), ") of input ", x.shape);
  Dims target = shape;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] != -1) continue;
    check(i >= lead, "expand: -1 in a new leading dimension of ", shape, " has no extent to keep");
    target[i] = x.shape[i - lead];
  }
  for (int64_t extent : target) check(extent >= 0, "expand: expected extents of at least 0, got ", shape);
  return broadcast_to("expand", x, target);
}

Array slice(const Array& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step) {
  check(x.ndim() > 0, "slice: a 0-d array cannot be sliced");
  const int d = normalize_dim("slice", dim, x.ndim());
  check<ValueError>(step > 0, "slice: step must be greater than zero, got ", step);
  const int64_t extent = x.shape[d];
  const auto place = [extent](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + extent : i, 0, extent); };
  const int64_t begin = place(start.value_or(0)), end = std::max(begin, place(stop.value_or(extent)));
  Array y = x;
  y.shape[d] = (end - begin + step - 1) / step;
  y.offset += begin * x.strides[d];
  y.strides[d] *= step;
  return y;
}

Array select(const Array& x, int64_t dim, int64_t index) {
  check<IndexError>(x.ndim() > 0, "select: a 0-d array has no dimension to select from");
  const int d = normalize_dim("select", dim, x.ndim());
  const int64_t extent = x.shape[d];
  check<IndexError>(-extent <= index && index < extent, "index ", index, " is out of bounds for dimension ", d,
                    " with size ", extent);
  Array y = x;
  y.offset += (index < 0 ? index + extent : index) * x.strides[d];
  y.shape.erase(d);
  y.strides.erase(d);
  return y;
}

Array unsqueeze(const Array& x, int64_t dim) {
  const int d = normalize_dim("unsqueeze", dim, x.ndim() + 1);
  Array y = x;
  const int64_t stride = d < x.ndim() ? x.shape[d] * x.strides[d] : 1;
  y.shape.insert(d, 1);
  y.strides.insert(d, stride);
  return y;
}

Array squeeze(const Array& x, const std::optional<Dims>& dims) {
  bool asked[kMaxDims] = {};
  if (dims && x.ndim() > 0)
    for (int64_t dim : normalize_dims("squeeze", *dims, x.ndim())) asked[dim] = true;
  Array y = x;
  for (int i = x.ndim() - 1; i >= 0; --i) {
    if (x.shape[i] != 1 || (dims && !asked[i])) continue;
    y.shape.erase(i);
    y.strides.erase(i);
  }
  return y;
}

Array flip(const Array& x, const Dims& dims) {
  Array y = x;
  if (x.numel() == 0) return y;
  for (int64_t dim : normalize_dims("flip", dims, x.ndim())) {
    if (x.ndim() == 0) continue;
    const int d = static_cast<int>(dim);
    y.offset += (x.shape[d] - 1) * x.strides[d];
    y.strides[d] = -x.strides[d];
  }
  return y;
}

Array as_strided(const Array& x, const Dims& shape, const Dims& strides, int64_t offset) {
  check(shape.size() == strides.size(), "as_strided: shape ", shape, " and strides ", strides, " differ in length");
  int64_t low = offset, high = offset;
  for (int i = 0; i < shape.size(); ++i) {
    check(shape[i] >= 0, "as_strided: expected extents of at least 0, got ", shape);
    (strides[i] < 0 ? low : high) += strides[i] * std::max<int64_t>(shape[i] - 1, 0);
  }
  const int64_t room = static_cast<int64_t>(x.storage->bytes / itemsize(x.dtype));
  check(shape.product() == 0 || (low >= 0 && high < room), "as_strided: shape ", shape, ", strides ", strides,
        " and offset ", offset, " reach outside a storage of ", room, " elements");
  return view(x, shape, strides, offset);
}

std::optional<Array> try_view(const char* operation, const Array& x, const Dims& asked) {
  const Dims shape = infer_shape(operation, x, asked);
  if (x.numel() == 0 || x.is_contiguous()) return view(x, shape, contiguous_strides(shape), x.offset);
  // Walk both shapes from the last dimension: each stretch of x that is contiguous in itself can be cut up anew.
  Dims strides = Dims::filled(shape.size(), 0);
  int i = shape.size() - 1;
  for (int d = x.ndim() - 1; d >= 0;) {
    if (x.shape[d] == 1) {
      --d;
      continue;
    }
    int64_t extent = x.shape[d], stride = x.strides[d];
    const int64_t inner = stride;
    for (--d; d >= 0 && (x.shape[d] == 1 || x.strides[d] == inner * extent); --d) extent *= x.shape[d];
    int64_t covered = 1;
    for (; i >= 0 && covered < extent; --i) {
      strides[i] = inner * covered;
      covered *= shape[i];
    }
    if (covered != extent) return std::nullopt;
  }
  for (; i >= 0; --i) strides[i] = 1;  // extents of 1 only
  return view(x, shape, strides, x.offset);
}

Array reshape(const Array& x, const Dims& shape) {
  if (auto y = try_view("reshape", x, shape)) return *y;
  return *try_view("reshape", contiguous(x), shape);
}

}  // namespace nn
