#include "ops/reduce.h"

#include <algorithm>
#include <cmath>

#include "core/launch.h"
#include "ops/elementwise.h"
#include "ops/reduce_plan.h"

namespace nn {
namespace {

// The result of one kernel over x; options set what the kernel takes beyond the loops.
Array reduce(const Kernel<ReduceArgs>& kernel, const Array& x, const Reduction& reduction, DType dtype,
             ReduceArgs options = {}) {
  const Array y = empty(reduction.shape, dtype, x.device());
  ReduceArgs args = options;
  args.dtype = x.dtype;
  args.x = x.data();
  args.y = y.data();
  set_kept(args, kept_loops(x, y, reduction));
  const Loops reduced = reduced_loops(x, reduction);
  args.reduced_ndim = reduced.ndim;
  std::copy_n(reduced.shape, reduced.ndim, args.reduced_shape);
  std::copy_n(reduced.x, reduced.ndim, args.x_reduced);
  launch(kernel, args, x.device());
  return y;
}

ReduceArgs finishing(double divisor, double root = 1) {
  ReduceArgs args{};
  args.divisor = divisor;
  args.root = root;
  return args;
}

ReduceArgs centered(const Array& center, double divisor = 1, double root = 1) {
  ReduceArgs args = finishing(divisor, root);
  args.center = center.data();
  return args;
}

// The first of the elements that go into each result.
Array first(const Array& x, const Reduction& reduction) {
  Dims shape, strides;
  for (int i = 0; i < x.ndim(); ++i) {
    if (reduction.reduced[i]) continue;
    shape.push_back(x.shape[i]);
    strides.push_back(x.strides[i]);
  }
  return contiguous(view(x, shape, strides, x.offset));
}

DType summed(DType dtype) { return is_floating(dtype) ? dtype : DType::int64; }

void check_floating(const char* operation, const Array& x) {
  check(is_floating(x.dtype), operation, ": expected an input of floating dtype, got ", info(x.dtype).name);
}

// Without an identity there is nothing to say about no elements.
void check_nonempty(const char* operation, const Array& x, const Reduction& reduction, const OptionalDims& dims) {
  if (reduction.count > 0) return;
  check(dims && !dims->empty(), operation,
        ": expected a reduction dim to be specified for an input of no elements, got ", x.shape);
  for (int i = 0; i < x.ndim(); ++i)
    check<IndexError>(!reduction.reduced[i] || x.shape[i] > 0, operation, ": expected reduction dim ", i,
                      " to have non-zero size, got ", x.shape);
}

const ReduceKernels& table(const Array& x) { return kernels(x.device()).reduce; }

}  // namespace

Array sum(const Array& x, const OptionalDims& dims, bool keepdim) {
  return reduce(table(x).sum, x, Reduction("sum", x, dims, keepdim), summed(x.dtype), finishing(1));
}

Array mean(const Array& x, const OptionalDims& dims, bool keepdim) {
  check_floating("mean", x);
  const Reduction reduction("mean", x, dims, keepdim);
  return reduce(table(x).sum, x, reduction, x.dtype, finishing(static_cast<double>(reduction.count)));
}

Array prod(const Array& x, const OptionalDims& dims, bool keepdim) {
  return reduce(table(x).prod, x, Reduction("prod", x, dims, keepdim), summed(x.dtype));
}

Array amax(const Array& x, const OptionalDims& dims, bool keepdim) {
  const Reduction reduction("amax", x, dims, keepdim);
  check_nonempty("amax", x, reduction, dims);
  return reduce(table(x).max, x, reduction, x.dtype);
}

Array amin(const Array& x, const OptionalDims& dims, bool keepdim) {
  const Reduction reduction("amin", x, dims, keepdim);
  check_nonempty("amin", x, reduction, dims);
  return reduce(table(x).min, x, reduction, x.dtype);
}

Array count_nonzero(const Array& x, const OptionalDims& dims) {
  return reduce(table(x).count, x, Reduction("count_nonzero", x, dims, false), DType::int64);
}

Array any(const Array& x, const OptionalDims& dims, bool keepdim) {
  return reduce(table(x).any, x, Reduction("any", x, dims, keepdim), DType::boolean);
}

Array all(const Array& x, const OptionalDims& dims, bool keepdim) {
  return reduce(table(x).all, x, Reduction("all", x, dims, keepdim), DType::boolean);
}

std::pair<Array, Array> var_mean(const Array& x, const OptionalDims& dims, double correction, bool keepdim, bool root) {
  check_floating(root ? "std" : "var", x);
  const Reduction reduction(root ? "std" : "var", x, dims, keepdim);
  const auto count = static_cast<double>(reduction.count);
  // Around its first element: the mean of equal elements is that element to the last bit, so that their variance is 0.
  const Array m = reduction.count == 0
                      ? reduce(table(x).sum, x, reduction, x.dtype, finishing(count))
                      : reduce(table(x).mean_around, x, reduction, x.dtype, centered(first(x, reduction), count));
  const double divisor = std::max(0.0, count - correction);
  return {reduce(table(x).squares, x, reduction, x.dtype, centered(m, divisor, root ? 2 : 1)), m};
}

Array vector_norm(const Array& x, double p, const OptionalDims& dims, bool keepdim) {
  check_floating("vector_norm", x);
  const Reduction reduction("vector_norm", x, dims, keepdim);
  const ReduceKernels& k = table(x);
  if (p == 0) return reduce(k.nonzeros, x, reduction, x.dtype, finishing(1));
  if (p == 1) return reduce(k.magnitudes, x, reduction, x.dtype, finishing(1));
  if (p == 2) return reduce(k.squares, x, reduction, x.dtype, finishing(1, 2));
  if (p < 0 || std::isinf(p)) {
    check(reduction.count > 0, "vector_norm: cannot compute the norm of order ", p,
          " of no elements, because it has no identity (input ", x.shape, ")");
  }
  if (std::isinf(p)) return reduce(p > 0 ? k.max_magnitude : k.min_magnitude, x, reduction, x.dtype);
  ReduceArgs args = finishing(1, p);
  args.power = p;
  return reduce(k.powers, x, reduction, x.dtype, args);
}

Array logsumexp(const Array& x, const OptionalDims& dims, bool keepdim) {
  check_floating("logsumexp", x);
  const Reduction reduction("logsumexp", x, dims, keepdim);
  const Array largest = reduce(table(x).max, x, reduction, x.dtype);
  return reduce(table(x).exponentials, x, reduction, x.dtype, centered(largest));
}

namespace {

std::pair<Array, Array> arg_reduce(const char* operation, const Kernel<ArgReduceArgs>& kernel, const Array& x,
                                   int64_t dim, bool keepdim) {
  const int d = normalize_dim(operation, dim, x.ndim());
  const Reduction reduction(operation, x, Dims{d}, keepdim);
  check<IndexError>(reduction.count > 0, operation, ": Expected reduction dim ", d, " to have non-zero size, got ",
                    x.shape);
  const Array y = empty(reduction.shape, x.dtype, x.device());
  const Array index = empty(reduction.shape, DType::int64, x.device());
  ArgReduceArgs args{};
  args.dtype = x.dtype;
  args.x = x.data();
  args.y = y.data();
  args.index = index.as<int64_t>();
  set_kept(args, kept_loops(x, y, reduction));
  args.count = reduction.count;
  args.x_step = x.ndim() > 0 ? x.strides[d] : 1;
  if (y.numel() > 0) launch(kernel, args, x.device());
  return {y, index};
}

Array scan(const char* operation, const Kernel<ScanArgs>& kernel, const Array& input, int64_t dim) {
  const int d = normalize_dim(operation, dim, input.ndim());
  const Array x = cast(input, summed(input.dtype));
  const Array y = empty(x.shape, x.dtype, x.device());
  // Along d, the places of x and y are those of the kept dimensions of a reduction over d.
  const Reduction reduction(operation, x, Dims{d}, true);
  ScanArgs args{};
  args.dtype = x.dtype;
  args.x = x.data();
  args.y = y.data();
  set_kept(args, kept_loops(x, y, reduction));
  args.count = reduction.count;
  args.x_step = x.ndim() > 0 ? x.strides[d] : 1;
  args.y_step = y.ndim() > 0 ? y.strides[d] : 1;
  launch(kernel, args, x.device());
  return y;
}

}  // namespace

std::pair<Array, Array> max_with_index(const Array& x, int64_t dim, bool keepdim) {
  return arg_reduce("max", kernels(x.device()).scan.max_with_index, x, dim, keepdim);
}

std::pair<Array, Array> min_with_index(const Array& x, int64_t dim, bool keepdim) {
  return arg_reduce("min", kernels(x.device()).scan.min_with_index, x, dim, keepdim);
}

Array cumsum(const Array& x, int64_t dim) { return scan("cumsum", kernels(x.device()).scan.cumsum, x, dim); }

Array cumprod(const Array& x, int64_t dim) { return scan("cumprod", kernels(x.device()).scan.cumprod, x, dim); }

}  // namespace nn
